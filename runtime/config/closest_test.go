package config

import "testing"

func TestClosest(t *testing.T) {
	known := []string{"basic", "dummy", "ias", "jwt", "local", "mocked", "oidc", "xsuaa"}
	for name, want := range map[string]string{
		"mock": "mocked", "moked": "mocked", "JWT": "jwt", "jwks": "", "jw": "jwt", "odic": "oidc", "xsua": "xsuaa", "magic": "", "": "", "basics": "basic", "mokced": "mocked", "lcoal": "local", "saml": "",
	} {
		if got := Closest(name, known); got != want {
			t.Errorf("Closest(%q) = %q, want %q", name, got, want)
		}
	}
}
