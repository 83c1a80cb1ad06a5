entity Base { key ID : Integer; owner : String; }
type Sneaky : String @requires: 'admin'; // warning: restrict-no-effect

@requires service Flag { } // error: requires-form
@requires: [] service Nothing { } // warning: restrict-grants-nothing
@requires: ['a', ''] service Blank { } // warning: restrict-grants-nothing
@requires: ['a', 5] service Number { } // error: requires-form
@requires: admin service Bare { } // error: requires-form
@requires: true service Bool { } // error: requires-form
@requires.x: 'a' service Sub { } // error: requires-form
@requires: null service Removed { }
@requires: 'any' service Anybody { }
@require: 'admin' service Typo1 { } // error: restrict-misspelt
@Requires: 'admin' service Typo2 { } // error: restrict-misspelt
@restricted: [{ to: 'admin' }] service Typo3 { } // error: restrict-misspelt
@restrcit: [{ to: 'admin' }] service Typo4 { } // error: restrict-misspelt
@Restrictions: [{ grant: 'READ', to: 'admin' }] service Typo5 { } // error: restrict-misspelt
@restricted.to: 'admin' service Typo6 { } // error: restrict-misspelt
@required: 'admin' service Typo7 { } // error: restrict-misspelt
@requirement: 'REQ-17' service Own1 { } // warning: restrict-misspelt
@restrictions: 'see the handbook' service Own2 { } // warning: restrict-misspelt
@required: true @strict: true @district: 'x' @retires: '2030-01-01' @required.until: true service Own3 { }
@restrict: [{ grant: 'READ', to: 'a' }] service Granted { }
@restrict: [{ grant: 'nothing', to: 'a' }] service Ungranted { } // error: restrict-unknown-grant
@restrict: [{ to: 'a', where: '$user.x = ''y''' }] service Static { }
@restrict: [{ to: 'a', where: 'owner = $user' }] service Rows { } // error: restrict-where

service S {
  @restrict entity F1 as projection on Base1; // error: restrict-form
  @restrict: 'READ' entity F2 as projection on Base2; // error: restrict-form
  @restrict: { grant: 'READ', to: 'a' } entity F3 as projection on Base3; // error: restrict-form
  @restrict: [] entity F4 as projection on Base4; // warning: restrict-grants-nothing
  @restrict: ['READ'] entity F5 as projection on Base5; // error: restrict-form
  @restrict: [null] entity F6 as projection on Base6; // error: restrict-form
  @restrict: null entity F7 as projection on Base7;
  @restrict: [{ grant: 'READ', were: 'a = 1' }] entity F8 as projection on Base8; // error: restrict-unknown-property
  @restrict: [{ grant: ['READ', 'SELECT'] }] entity F9 as projection on Base9; // error: restrict-unknown-grant
  @restrict: [{ grant: 'Read' }] entity F10 as projection on Base10; // error: restrict-unknown-grant
  @restrict: [{ grant: READ }] entity F11 as projection on Base11; // error: restrict-unknown-grant
  @restrict: [{ grant: [] }] entity F12 as projection on Base12; // warning: restrict-grants-nothing
  @restrict: [{ to: 5 }] entity F13 as projection on Base13; // error: restrict-to
  @restrict: [{ to: ['a', null] }] entity F14 as projection on Base14; // warning: restrict-grants-nothing
  @restrict: [{ grant: '*' }, { grant: 'WRITE', to: ['a', 'b'] }, { grant: 'UPSERT' }] entity F15 as projection on Base15;
  @restrict: [{ grant: ['READ', 'approve'] }, { grant: 'decline' }] // error: restrict-unknown-grant
  entity F16 as projection on Base16 actions { action approve(); };
  @restrict: [{ grant: 'act', to: 'x' }] action act();
  @restrict: [{ grant: '*', to: 'x' }] action star();
  @restrict: [{ grant: 'READ', to: 'x' }] action read(); // error: restrict-unknown-grant
  @restrict: [{ to: 'x', where: 'owner = $user' }] function rows() returns Integer; // error: restrict-where
  @requires: 'x' event Ev { a : Integer; };
  action params(p : Integer @requires: 'x'); // warning: restrict-no-effect
  entity Bound as projection on Base17 actions {
    @requires: [ admin ] action a(); // error: requires-form
    @restrict: [{ grant: 'b' }] action b();
    @restrict: [{ grant: 'b' }] action c(); // error: restrict-unknown-grant
  };
  entity Elements {
    key ID : Integer;
    @restrict: [{ grant: 'READ', to: 'x', where: 'ID > 1' }] a : String;
    @restrict: [{ grant: 'reed' }] b : String; // error: restrict-unknown-grant
    @required c : String;
  }
}
entity Base1 { key ID : Integer; } entity Base2 { key ID : Integer; } entity Base3 { key ID : Integer; } entity Base4 { key ID : Integer; }
entity Base5 { key ID : Integer; } entity Base6 { key ID : Integer; } entity Base7 { key ID : Integer; } entity Base8 { key ID : Integer; }
entity Base9 { key ID : Integer; } entity Base10 { key ID : Integer; } entity Base11 { key ID : Integer; } entity Base12 { key ID : Integer; }
entity Base13 { key ID : Integer; } entity Base14 { key ID : Integer; } entity Base15 { key ID : Integer; } entity Base16 { key ID : Integer; }
entity Base17 { key ID : Integer; }
