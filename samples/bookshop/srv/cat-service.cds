using { bookshop as my } from '../db/schema';

/** The shop window: open to everybody; ordering and reviewing need a login. */
service CatalogService {
  /** Books as customers see them. */
  @readonly
  entity Books as projection on my.Books {
    *,
    /** The price after today's discount, computed by a handler. */
    virtual null as offer : my.Price
  } excluding { createdBy, modifiedBy };

  @readonly
  entity Authors as projection on my.Authors excluding { createdBy, modifiedBy };

  @readonly
  entity Genres as projection on my.Genres;

  @restrict: [
    { grant: 'READ' },
    { grant: 'CREATE', to: 'authenticated-user' },
    { grant: ['UPDATE', 'DELETE'], to: 'authenticated-user', where: 'createdBy = $user' }
  ]
  entity Reviews as projection on my.Reviews excluding { order };

  /** Takes books off the shelf and puts them into a new order of the user, in one transaction. */
  @requires: 'authenticated-user'
  action submitOrder(
    book     : Books:ID not null,
    quantity : Integer not null,
    country  : String(3) not null
  ) returns {
    order : UUID;
    stock : Integer;
  };

  /** Books were ordered. It goes out when the order is saved. */
  event Ordered : {
    book     : Books:ID;
    quantity : Integer;
  };
}
