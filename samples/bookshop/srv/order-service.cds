using { bookshop as my } from '../db/schema';

/** Customers and the people who help them. Nobody sees an order that is not theirs to see. */
@requires: 'authenticated-user'
service OrderService {
  @restrict: [
    // customers: their own orders
    { grant: ['READ', 'WRITE', 'cancel'], where: 'createdBy = $user' },
    // support: the orders of the countries they care for
    { grant: 'READ', to: 'Support', where: 'country.code = $user.country' },
    // reviewers: the orders that they were asked to look at
    { grant: 'READ', where: 'exists reviewers[user = $user]' },
    { grant: '*', to: 'admin' }
  ]
  entity Orders as projection on my.Orders actions {
    /** Gives the books back and closes the order. */
    action cancel() returns Orders;
  };

  @readonly
  entity Books as projection on my.Books excluding { createdBy, modifiedBy, reviews };

  @readonly
  entity Reviews as projection on my.Reviews;
}
