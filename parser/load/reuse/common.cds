// The reuse model behind `using … from '@sap/cds/common'`: names, types and lengths are those every CAP model relies on.

/** The language of a text, as a reference to the code list */
type Language : Association to sap.common.Languages @(title: '{i18n>Language}', description: '{i18n>LanguageCode.Description}');

/** A currency, as a reference to the code list */
type Currency : Association to sap.common.Currencies @(title: '{i18n>Currency}', description: '{i18n>CurrencyCode.Description}');

/** A country or region, as a reference to the code list */
type Country : Association to sap.common.Countries @(title: '{i18n>Country}', description: '{i18n>CountryCode.Description}');

/** A time zone, as a reference to the code list */
type Timezone : Association to sap.common.Timezones;

context sap.common {

  /** BCP 47 tag of a language, such as en or de_CH */
  type Locale : String(14) @title: '{i18n>LanguageCode}';

  /** Languages */
  entity Languages : CodeList {
    key code : Locale @Common.Text: name;
  }

  /** Countries and regions by their ISO 3166-1 code */
  entity Countries : CodeList {
    key code : String(3) @(title: '{i18n>CountryCode}', Common.Text: name);
  }

  /** Currencies by their ISO 4217 code */
  entity Currencies : CodeList {
    key code      : String(3) @(title: '{i18n>CurrencyCode}', Common.Text: name);
        symbol    : String(5) @title: '{i18n>CurrencySymbol}';
        minorUnit : Int16 @title: '{i18n>CurrencyMinorUnit}';
  }

  /** Time zones by their name in the tz database */
  entity Timezones : CodeList {
    key code : String(100) @title: '{i18n>TimeZoneCode}';
  }

  /** What all code lists have: a translated name and description */
  @cds.autoexpose
  @cds.persistence.skip: 'if-unused'
  @UI.Identification: [{ Value: name }]
  @cds.odata.valuelist
  aspect CodeList {
    name  : localized String(255) @title: '{i18n>Name}';
    descr : localized String(1000) @title: '{i18n>Description}';
  }

  /** What all generated entities with translations have */
  aspect TextsAspect {
    key locale : Locale;
  }

  /** Who moved a record from one status to the next, and when */
  @cds.persistence.skip: 'if-unused'
  aspect FlowHistory {
    @odata.draft.enabled: false
    transitions_ : Composition of many {
      key timestamp : managed:createdAt;
          user      : managed:createdBy;
          status    : String;
          comment   : String;
    };
  }
}

/** A technical key, filled on insert */
aspect cuid {
  key ID : UUID;
}

/** Who made and last changed a record, and when; filled by the runtime */
aspect managed {
  createdAt  : Timestamp @(cds.on.insert: $now, UI.HiddenFilter, UI.ExcludeFromNavigationContext, Core.Immutable, title: '{i18n>CreatedAt}', readonly);
  createdBy  : User @(cds.on.insert: $user, UI.HiddenFilter, UI.ExcludeFromNavigationContext, Core.Immutable, title: '{i18n>CreatedBy}', readonly);
  modifiedAt : Timestamp @(cds.on.insert: $now, cds.on.update: $now, UI.HiddenFilter, UI.ExcludeFromNavigationContext, title: '{i18n>ChangedAt}', readonly);
  modifiedBy : User @(cds.on.insert: $user, cds.on.update: $user, UI.HiddenFilter, UI.ExcludeFromNavigationContext, title: '{i18n>ChangedBy}', readonly);
}

/** When a version of a record is valid */
aspect temporal {
  validFrom : Timestamp @cds.valid.from;
  validTo   : Timestamp @cds.valid.to;
}

/** The id of a user */
type User : String(255) @(title: '{i18n>UserID}', description: '{i18n>UserID.Description}');
