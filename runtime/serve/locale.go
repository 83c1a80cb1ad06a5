package serve

import (
	"net/http"
	"runtime/debug"
	"strings"

	"cds/runtime/auth"

	"golang.org/x/text/language"
)

// locale finds the language of a request, in CAP's order: parameter sap-locale, header x-sap-request-language, Accept-Language, the user's, the
// default. The result is the base language ("de"), with the region where CAP keeps it ("zh_CN", "zh_TW", "en_GB", "fr_CA", "pt_PT", "es_CO", "es_MX").
func locale(req *http.Request, user *auth.User, def string) string {
	if strings.Contains(req.URL.RawQuery, "sap-locale=") {
		if l := normalLocale(req.URL.Query().Get("sap-locale")); l != "" {
			return l
		}
	}
	if l := normalLocale(req.Header.Get("X-Sap-Request-Language")); l != "" {
		return l
	}
	if h := req.Header.Get("Accept-Language"); h != "" {
		if h == "en" || h == "en-US" { // by far the most frequent ones
			return "en"
		}
		if len(h) > 1000 {
			h = h[:1000]
		}
		if tags, _, err := language.ParseAcceptLanguage(h); err == nil && len(tags) > 0 {
			if l := normalLocale(tags[0].String()); l != "" {
				return l
			}
		}
	}
	if user.Locale != "" {
		if l := normalLocale(user.Locale); l != "" {
			return l
		}
	}
	return def
}

// normalLocale returns "" for what is no language tag.
func normalLocale(s string) string {
	if s == "" || len(s) > 35 {
		return ""
	}
	tag, err := language.Parse(strings.ReplaceAll(s, "_", "-"))
	if err != nil {
		return ""
	}
	base, conf := tag.Base()
	if conf == language.No || base.String() == "mul" || base.String() == "und" {
		return "" // "*" and the like
	}
	region, rc := tag.Region()
	if rc == language.Exact {
		switch l := base.String() + "_" + region.String(); l {
		case "zh_CN", "zh_HK", "zh_TW", "en_GB", "fr_CA", "pt_PT", "es_CO", "es_MX":
			return l
		}
	}
	return base.String()
}

func stack() string { return string(debug.Stack()) }
