package odata

// label returns the English text for the keys that the reuse model's titles and descriptions refer to.
func label(key string) (string, bool) {
	switch key {
	case "CreatedAt":
		return "Created On", true
	case "CreatedBy":
		return "Created By", true
	case "ChangedAt":
		return "Changed On", true
	case "ChangedBy":
		return "Changed By", true
	case "UserID":
		return "User ID", true
	case "UserID.Description":
		return "User's unique ID", true
	case "Name":
		return "Name", true
	case "Description":
		return "Description", true
	case "Language":
		return "Language", true
	case "LanguageCode":
		return "Language Code", true
	case "LanguageCode.Description":
		return "Language code as specified by ISO 639-1", true
	case "Country":
		return "Country/Region", true
	case "CountryCode":
		return "Country/Region Code", true
	case "CountryCode.Description":
		return "Country/Region code as specified by ISO 3166-1", true
	case "Currency":
		return "Currency", true
	case "CurrencyCode":
		return "Currency Code", true
	case "CurrencyCode.Description":
		return "Currency code as specified by ISO 4217", true
	case "CurrencySymbol":
		return "Currency Symbol", true
	case "CurrencyMinorUnit":
		return "Currency Minor Unit Fractions", true
	case "TimeZoneCode":
		return "Time Zone Code", true
	}
	return draftLabel(key)
}

// text asks the application first: the door's own texts, then those of its files in the language.
func (d *door) text(language, key string) (string, bool) {
	if d.opt.Text != nil {
		if s, ok := d.opt.Text(key); ok {
			return s, true
		}
	}
	if t := d.svc.App.Options.Texts; t != nil {
		if s, ok := t.Text(language, key); ok {
			return s, true
		}
	}
	return label(key)
}
