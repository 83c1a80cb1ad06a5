package odata_test

import (
	"testing"
	"testing/fstest"

	"cds/runtime/cdstest"
)

const orders = `
context db {
  entity Orders {
    key ID : Integer;
    owner : String(20); country : String(2); total : Integer;
    status : String(20) enum { open; approved } default 'open';
    margin : Integer;
    items : Composition of many Items on items.order = $self;
  }
  entity Items { key ID : Integer; order : Association to Orders; product : String(20); }
  entity Secrets { key ID : Integer; code : String(20); }
}
@path: '/shop' @requires: 'authenticated-user'
service Shop {
  @restrict: [
    { grant: 'READ' },
    { grant: ['UPDATE', 'approve'], to: 'clerk', where: 'owner = $user' },
    { grant: 'DELETE', to: 'clerk', where: 'owner = $user and total < 100' },
    { grant: '*', to: 'manager' }
  ]
  @flow.status: status
  entity Orders as projection on db.Orders actions {
    @from: #open @to: #approved
    action approve();
    action archive();
  };
  entity Items as projection on db.Items;
  @requires: 'manager'
  entity Secrets as projection on db.Secrets;
  @requires: 'manager'
  action close();
}
annotate Shop.Orders with { margin @requires: 'manager'; };
`

func ordersConfig() cdstest.Config {
	return cdstest.Config{
		FS: fstest.MapFS{
			"db/data/db-Orders.csv": {Data: []byte("ID,owner,country,total,status,margin\n1,bob,DE,20,open,5\n2,eve,FR,500,open,6\n3,bob,DE,700,approved,7\n")},
			"db/data/db-Items.csv":  {Data: []byte("ID,order_ID,product\n1,1,Pen\n2,2,Ink\n")},
		},
		Users: []cdstest.TestUser{cdstest.User("bob", cdstest.Roles("clerk")), cdstest.User("vera", cdstest.Roles("manager")), cdstest.User("nobody")},
	}
}

func TestCapabilities(t *testing.T) {
	onBothOf(t, orders, ordersConfig(), func(t *testing.T, app *cdstest.App) {
		c := app.HTTP().As("bob")
		t.Log(c.GET("/shop/-/capabilities").Body())
		t.Log(c.With("Prefer", `odata.include-annotations="cds.may"`).GET("/shop/Orders").Body())
		t.Log(c.With("Prefer", `odata.include-annotations="cds.may"`).GET("/shop/Orders?$expand=items").Body())
	})
}
