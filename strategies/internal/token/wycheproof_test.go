package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cds/runtime/auth"
)

const wycheproof = "../../../../shared/vectors/wycheproof"

// A vector is one signature of the Wycheproof project, and what a verifier as strict as ours has to say.
type vector struct {
	id, comment, jws string
	set              []byte
	algs             []string
	accept           bool
	counted          bool // false where the vectors contradict each other, or us, for a reason
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	var out []vector
	for _, name := range []string{"json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"} {
		b, err := os.ReadFile(filepath.Join(wycheproof, name))
		if err != nil {
			t.Skipf("the vectors are not here: %v", err)
		}
		var doc struct {
			TestGroups []struct {
				Public, Private json.RawMessage
				Tests           []struct {
					TcID            int
					Comment, Result string
					JWS             json.RawMessage
				}
			}
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		for _, g := range doc.TestGroups {
			set, algs := keysOf(t, g.Public, g.Private)
			for _, tc := range g.Tests {
				if tc.JWS == nil {
					continue
				}
				v := vector{id: fmt.Sprintf("%s#%d", name, tc.TcID), comment: tc.Comment, set: set, algs: algs, accept: tc.Result == "valid", counted: true}
				if json.Unmarshal(tc.JWS, &v.jws) != nil {
					v.jws = string(tc.JWS) // the JSON form
				}
				v.judge()
				out = append(out, v)
			}
		}
	}
	dropAmbiguous(out)
	return out
}

func keysOf(t *testing.T, public, private json.RawMessage) (set []byte, algs []string) {
	t.Helper()
	k := public
	if k == nil {
		k = private
	}
	var one struct {
		Keys []json.RawMessage
		Alg  string
	}
	if err := json.Unmarshal(k, &one); err != nil {
		t.Fatal(err)
	}
	if one.Keys == nil {
		return slices.Concat([]byte(`{"keys":[`), k, []byte("]}")), []string{one.Alg}
	}
	for _, m := range one.Keys {
		var key struct{ Alg string }
		if err := json.Unmarshal(m, &key); err != nil {
			t.Fatal(err)
		}
		algs = append(algs, key.Alg)
	}
	return k, algs
}

// judge says where a bearer verifier is stricter than a vector: only the compact form, only registered algorithms, only strict base64url, and the key's own
// algorithm (RFC 8725 section 3.1).
func (v *vector) judge() {
	if !v.accept {
		return
	}
	if strings.HasPrefix(strings.TrimSpace(v.jws), "{") {
		v.accept = false
		return
	}
	var h struct{ Alg string }
	head, _, _ := strings.Cut(v.jws, ".")
	b, _ := base64.RawURLEncoding.DecodeString(head)
	_ = json.Unmarshal(b, &h)
	strict := true
	for _, part := range strings.Split(v.jws, ".") {
		b, err := base64.RawURLEncoding.DecodeString(part)
		strict = strict && err == nil && base64.RawURLEncoding.EncodeToString(b) == part
	}
	switch {
	case slices.ContainsFunc(v.algs, func(a string) bool { return a != "" && !Known(a) }), !strict, len(v.algs) == 1 && v.algs[0] != "" && v.algs[0] != h.Alg:
		v.accept, v.counted = false, false
	}
}

// dropAmbiguous leaves out vectors that are called invalid and are byte for byte the same as one that is called valid.
func dropAmbiguous(list []vector) {
	valid := map[string]bool{}
	for _, v := range list {
		if v.accept || !v.counted {
			valid[v.jws+string(v.set)] = true
		}
	}
	for i := range list {
		if v := &list[i]; !v.accept && v.counted && valid[v.jws+string(v.set)] {
			v.counted = false
		}
	}
}

// verifyVector is what Verifier does up to the claims, but that a token without kid is tried with the only key of the set.
func verifyVector(v vector) error {
	tok, _, err := parseJWS(v.jws)
	if err != nil {
		return err
	}
	set, err := parseSet(v.set, 100, true)
	if err != nil {
		return err
	}
	key, _ := set.find(tok.Header.Kid, tok.Header.Alg)
	if tok.Header.Kid == "" && len(set.keys) == 1 && set.keys[0].fits(tok.Header.Alg) {
		key = set.keys[0].key
	}
	if key == nil {
		return refuse("token-unknown-key", "no key")
	}
	var allowed []string
	for _, a := range v.algs {
		if a == "" {
			a = tok.Header.Alg
		}
		allowed = append(allowed, a)
	}
	return verifySignature(tok, allowed, key)
}

func TestWycheproof(t *testing.T) {
	counted, accepted := 0, 0
	for _, v := range readVectors(t) {
		err := verifyVector(v)
		if err != nil && !errors.Is(err, auth.ErrCredentials) && !strings.Contains(err.Error(), "key") && !strings.Contains(err.Error(), "secrets") {
			t.Errorf("%s: an error of another kind: %v", v.id, err)
		}
		if !v.counted {
			continue
		}
		counted++
		if v.accept {
			accepted++
		}
		if (err == nil) != v.accept {
			t.Errorf("%s (%s): got %v, accept is %v\n%.300s\n%.400s", v.id, v.comment, err, v.accept, v.jws, v.set)
		}
	}
	if counted != 468 || accepted != 49 {
		t.Errorf("%d vectors counted, %d to be accepted; 468 and 49 are known", counted, accepted)
	}
}
