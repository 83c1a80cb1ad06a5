service S {
  entity Items { key ID : Integer; qty : Integer; note : String; order : Association to Orders; }
  entity Orders {
    key ID : Integer; owner : String; amount : Decimal; open : Boolean; due : Date; raw : Binary; virtual v : String;
    status : String enum { open; closed = 'c'; };
    tags : many String; address { city : String; };
    customer : Association to Customers; two : Association to Two;
    items : Composition of many Items on items.order = $self;
  }
  entity Customers { key ID : Integer; country : String; orders : Association to many Orders on orders.customer = $self; }
  entity Two { key a : Integer; key b : Integer; }
}
annotate S.Orders with @restrict: [
  { where: 'owner = $user' },
  { where: 'owner = $user.id and customer.country = $user.country' },
  { where: 'customer.ID = 1 and customer_ID = 1 and customer = 1 and address.city = ''x'' and address_city = ''x''' },
  { where: 'exists items' },
  { where: 'exists items[qty > 10 and order.customer.country = $user.c]' },
  { where: 'not exists customer.orders[exists items]' },
  { where: '''x'' in tags' },
  { where: 'open' }, { where: 'true' }, { where: true }, { where: (status = #open and amount > 5) },
  { where: 'due < $now or due = ''2024-01-01''' },
  { where: 'case when open then owner else ''x'' end = $user' },
  { where: 'contains(owner, ''x'')' },
  { where: 'amount between 1 and 2 and owner like ''a%'' and owner in (''a'', ''b'') and owner in $user.x' },
  { where: '$self.owner = $user' },
  { where: 5 }, // error: restrict-where
  { where: owner }, // error: restrict-where
  { where }, // error: restrict-where
  { where: 'ownr = $user' }, // error: restrict-where
  { where: 'customer.contry = $user.c' }, // error: restrict-where
  { where: 'owner.name = $user' }, // error: restrict-where
  { where: 'exists items[qtty > 10]' }, // error: restrict-where
  { where: 'exists owner' }, // error: restrict-where
  { where: 'exists nothing' }, // error: restrict-where
  { where: 'tags = ''x''' }, // error: restrict-where
  { where: 'owner in owner' }, // error: restrict-where
  { where: 'items = 1' }, // error: restrict-where
  { where: 'two = 1' }, // error: restrict-where
  { where: 'address = ''x''' }, // error: restrict-where
  { where: 'v = ''x''' }, // error: restrict-where
  { where: 'owner' }, // error: restrict-where
  { where: '$user.isManager' }, // error: restrict-where
  { where: 'amount + 1' }, // error: restrict-where
  { where: 'customer' }, // error: restrict-where
  { where: 'not owner' }, // error: restrict-where
  { where: (status = #opne) }, // error: restrict-where
  { where: (owner = #open) }, // error: restrict-where
  { where: 'count(*) > 1' }, // error: restrict-where
  { where: '$foo.bar = 1' }, // error: restrict-where
  { where: 'owner = :p' }, // error: restrict-where
  { where: 'ID in (select ID from S.Items)' }, // error: restrict-where
  { where: 'owner[ID = 1] = ''x''' }, // error: restrict-where
  { where: 'amount = ''many''' }, // warning: restrict-type-mismatch
  { where: 'open = 1' }, // warning: restrict-type-mismatch
  { where: 'owner + 1 = 2' }, // warning: restrict-type-mismatch
  { where: 'amount like ''1%''' }, // warning: restrict-type-mismatch
  { where: 'amount in (1, ''2'')' }, // warning: restrict-type-mismatch
  { where: 'ID = $user' }, // warning: restrict-type-mismatch
  { where: 'owner = $user.o or $user.o is null' }, // warning: restrict-null-attribute
  { where: 'owner != $user.o' }, // info: restrict-not-equal-list
];
