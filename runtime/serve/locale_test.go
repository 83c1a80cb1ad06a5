package serve

import (
	"net/http/httptest"
	"testing"

	"cds/runtime/auth"
)

func TestLocale(t *testing.T) {
	for _, tt := range []struct{ query, header, accept, user, want string }{
		{"", "", "", "", "en"},
		{"", "", "de", "", "de"},
		{"", "", "de-AT,en;q=0.5", "", "de"},
		{"", "", "en;q=0.5, fr;q=0.9", "", "fr"},
		{"", "fr", "de", "", "fr"},
		{"?sap-locale=it", "fr", "de", "", "it"},
		{"?sap-locale=zh_CN", "", "", "", "zh_CN"},
		{"?sap-locale=%27;drop", "", "de", "", "de"},
		{"", "", "*", "", "en"},
		{"", "", "nonsense!!", "", "en"},
		{"", "", "", "pt-PT", "pt_PT"},
		{"", "", "pt-BR", "", "pt"},
	} {
		r := httptest.NewRequest("GET", "/x"+tt.query, nil)
		if tt.header != "" {
			r.Header.Set("X-Sap-Request-Language", tt.header)
		}
		if tt.accept != "" {
			r.Header.Set("Accept-Language", tt.accept)
		}
		u := auth.New(auth.User{ID: "u", Locale: tt.user})
		if got := locale(r, u, "en"); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}
