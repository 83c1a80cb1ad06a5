annotation Rank : Integer;
annotation Info : { text : String; level : Level; tags : many String; sub { x : Boolean; }; };
type Level : String enum { low; high };
@Rank: 'high' // warning: anno-unexpected-value
@Info: {
  text: true, // warning: anno-unexpected-value
  level: #mid, // warning: anno-unexpected-value
  tags: ['a', 1], // warning: anno-unexpected-value
  sub.x: 'no' // warning: anno-unexpected-value
}
entity E {
  @Info: 'x' // warning: anno-unexpected-value
  key ID : Integer;
  @Info.tags: 'a' // warning: anno-unexpected-value
  @Info.nope: 1 // warning: anno-unexpected-value
  @Rank: #one // warning: anno-unexpected-value
  @Other: 'whatever'
  a : String;
  @Rank @Info.text: null @Info.level: 'low' // warning: anno-unexpected-value
  b : String;
}
service S {
  @Rank: 1.5
  entity P as projection on E; // inherits what was warned of once
  action f(@Rank: false p : String); // warning: anno-unexpected-value
}
