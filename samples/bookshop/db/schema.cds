/** The bookshop: what is sold, by whom it was written, who ordered it, and what readers think of it. */
namespace bookshop;

using { Country, Currency, User, cuid, managed, sap.common.CodeList } from '@sap/cds/common';

type Price : Decimal(9, 2);

/** Books on offer. */
entity Books : managed {
  key ID   : Integer;
  title    : localized String(111) @mandatory;
  descr    : localized String(1111);
  author   : Association to Authors @mandatory;
  genre    : Association to Genres;
  stock    : Integer default 0 @assert.range: [0, 10000];
  price    : Price @assert.range: [0, 9999];
  currency : Currency;
  reviews  : Association to many Reviews on reviews.book = $self;
}

/** People who write books. */
entity Authors : managed {
  key ID : Integer;
  name   : String(111) @mandatory;
  born   : Date;
  died   : Date;
  books  : Association to many Books on books.author = $self;
}

/** Genres are a tree: Poetry is Fiction. */
entity Genres : CodeList {
  key ID   : Integer;
  parent   : Association to Genres;
  children : Composition of many Genres on children.parent = $self;
}

/** An order belongs to the customer who created it. */
entity Orders : cuid, managed {
  status : OrderStatus default 'open' @assert.range;
  /** Where to ship it. */
  country  : Country @mandatory;
  total    : Price @Core.Computed;
  currency : Currency;
  items    : Composition of many OrderItems on items.order = $self;
  /** Colleagues who were asked to look at this order. */
  reviewers : Composition of many {
    key user : User;
    note     : String(200);
  };
}

type OrderStatus : String(10) enum { open; shipped; canceled; };

/** One line of an order. */
entity OrderItems : cuid {
  order    : Association to Orders;
  book     : Association to Books @mandatory;
  quantity : Integer @mandatory @assert.range: [1, 100];
  price    : Price @Core.Computed;
}

/** What a reader thinks of a book. A review may name the order that the book was bought with. */
entity Reviews : cuid, managed {
  book   : Association to Books @mandatory;
  rating : Integer @mandatory @assert.range: [1, 5];
  text   : String(1000);
  order  : Association to Orders;
}
