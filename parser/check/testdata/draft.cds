@requires: 'any' service S {
  @odata.draft.enabled entity A { key ID : Integer; IsActiveEntity : Boolean; } // error: draft-name-taken
  @odata.draft.enabled entity C { key ID : Integer; parts : Composition of many { key n : Integer; } }
  @odata.draft.enabled: false entity D { key ID : Integer; IsActiveEntity : Boolean; }
}
@odata.draft.enabled entity Outside { key ID : Integer; SiblingEntity : Integer; }
