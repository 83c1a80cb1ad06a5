@sql.append: 'WITHOUT ROWID' // warning: anno-unsupported
entity E {
  key ID : UUID;
  @sql.append: 'COLLATE NOCASE' name : String; // warning: anno-unsupported
}
@cds.persistence.table // warning: anno-unsupported
entity T as select from E { ID };
entity Copy as projection on E; // what is inherited is told of once
@requires: 'any' service S {
  @odata.draft.enabled
  entity D as projection on E;
  @odata.draft.enabled: false
  entity N as projection on E;
}
