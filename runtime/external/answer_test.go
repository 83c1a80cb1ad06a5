package external

import (
	"encoding/json"
	"testing"
)

// An answer that is taken says allow once, as a boolean, whatever else is sent.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{`{"allow":true}`, `{"allow":true,"where":"a = 1","reason":"x"}`, `{"allow":false,"reason":null}`, `{"allow":true,"allow":false}`, `{"allow":tru`, `[]`, "{\"allow\":true,\"where\":\"\\u0000\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAnswer(b)
		if err != nil {
			if a.allow {
				t.Error("a fault allows")
			}
			return
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil || m["allow"] != a.allow {
			t.Errorf("%s is taken for %v (%v)", b, a.allow, err)
		}
		if len([]rune(a.reason)) > maxReason {
			t.Error("the reason is too long")
		}
	})
}
