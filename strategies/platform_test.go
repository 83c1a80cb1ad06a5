package strategies

import (
	"testing"

	"cds/runtime/config"
	"cds/strategies/ias"
	"cds/strategies/xsuaa"
)

func TestJWTWithCredentials(t *testing.T) {
	xs := map[string]any{"clientid": "c", "xsappname": "a", "uaadomain": "uaa.example"}
	is := map[string]any{"clientid": "c", "domains": []any{"accounts.example"}}
	generic := map[string]any{"secret": "0123456789abcdef0123456789abcdef", "issuer": "i", "audience": "a"}
	for _, tt := range []struct {
		name string
		cfg  config.Section
		want string
	}{
		{"XSUAA", config.Section{"credentials": xs}, "xsuaa"},
		{"Identity Authentication", config.Section{"credentials": is}, "ias"},
		{"keys of its own", config.Section{"jwt": generic}, "jwt"},
		{"keys of its own beside a bound service", config.Section{"jwt": generic, "credentials": xs}, "jwt"},
	} {
		s, err := Builtin()["jwt"](tt.cfg)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := "jwt"
		switch s.(type) {
		case *xsuaa.Strategy:
			got = "xsuaa"
		case *ias.Strategy:
			got = "ias"
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if _, err := Builtin()["jwt"](config.Section{}); err == nil {
		t.Error("neither keys nor credentials were accepted")
	}
}
