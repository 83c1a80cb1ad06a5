entity B { key ID : Integer; country : String; }
service Hidden {
  @restrict: [{ where: 'country = $user.country' }] entity C as projection on B;
  entity D as projection on C { ID }; // error: anno-condition-not-covered
}
service Unparsed {
  @restrict: [{ where: '' }] entity E1 { key ID : Integer; } // error: syntax-unexpected-token, lenient: restrict-where
  @restrict: [{ where: 'ID = = 1' }] entity E2 { key ID : Integer; } // error: syntax-unexpected-token, lenient: restrict-where
}
