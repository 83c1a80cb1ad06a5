using { bookshop as my } from '../db/schema';

/** For the staff of the shop. */
@requires: 'admin'
service AdminService {
  entity Books as projection on my.Books actions {
    /** Puts more copies on the shelf. */
    action restock(amount : Integer not null) returns Books;
  };

  entity Authors as projection on my.Authors;
  entity Genres as projection on my.Genres;

  /** How many copies of all books are there. */
  function stockLevel() returns Integer;
}

// Two people who change a book at the same time notice each other.
annotate AdminService.Books with {
  modifiedAt @odata.etag;
}
