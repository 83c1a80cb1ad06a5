namespace db;
entity Customers { key ID : Integer; name : String; country : String; }
entity Orders { key ID : Integer; customer : Association to Customers; cust_ID : Integer; items : Composition of many Items on items.order = $self; }
entity Items { key ID : Integer; order : Association to Orders; qty : Integer; }
@requires: 'x' entity Vault { key ID : Integer; }
entity Log { a : String; }

service S {
  @requires: 'admin' @cds.redirection.target entity Customers as projection on db.Customers;
  entity Names as projection on db.Customers { ID, name }; // error: restrict-open-sibling
  entity Again as select from db.Customers { ID } where ID > 1; // error: restrict-open-sibling
  entity Joined as select from db.Customers as a join db.Orders as b on b.ID = a.ID { key a.ID, a.name }; // error: restrict-open-sibling
  entity Grouped as select from db.Customers { key country } group by country; // error: restrict-open-sibling
  entity Paths as projection on db.Orders { ID, customer.name as customer_name, 1 as customer : Integer }; // error: restrict-open-sibling
  @requires: 'any' entity Answered as projection on db.Customers { ID, name };
  entity Inherited as projection on Customers;
  @requires: null entity Removed as projection on Customers { ID }; // error: restrict-open-sibling
}
service Children {
  @requires: 'admin' @cds.redirection.target entity Orders as projection on db.Orders;
  entity Items as projection on db.Items;
}
service Open {
  @requires: 'any' @cds.redirection.target entity C1 as projection on db.Customers;
  entity C2 as projection on db.Customers;
}
service Below {
  entity V as select from db.Vault as a join db.Log as b on b.a = 'x' { key a.ID }; // warning: restrict-open-view
  entity Log as projection on db.Log; // warning: entity-without-key
  @odata.singleton entity One as select from db.Log { a };
  entity P(p : Integer) as select from db.Log { a };
}
