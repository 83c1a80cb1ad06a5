package crypt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/crypt"
	"cds/runtime/password"
)

func key(id string, fill byte) crypt.Key {
	return crypt.Key{ID: id, Secret: bytes.Repeat([]byte{fill}, crypt.KeyLength)}
}

func column(t testing.TB, opt crypt.Options, name string, kind csn.SealKind, keys ...crypt.Key) *crypt.Column {
	t.Helper()
	r, err := crypt.New(keys, opt)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Column(&csn.Seal{Kind: kind, Column: name})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var kinds = map[string]csn.SealKind{"random": csn.SealRandom, "deterministic": csn.SealDeterministic}

func TestRoundTrip(t *testing.T) {
	for name, kind := range kinds {
		c := column(t, crypt.Options{}, "T.c", kind, key("k1", 1))
		for _, plain := range []string{"", "a", "DE89 3704", strings.Repeat("x", 100_000), "\x00\xff", "cds1.r.k1.AAAA"} {
			kept := c.Seal(nil, []byte(plain))
			if len(plain) > 3 && bytes.Contains(kept, []byte(plain)) {
				t.Errorf("%s: %q shows in %q", name, plain, kept)
			}
			got, err := c.Open([]byte("before "), kept)
			if err != nil || string(got) != "before "+plain {
				t.Errorf("%s: %q became %.60q: %v", name, plain, got, err)
			}
			again := c.Seal(nil, []byte(plain))
			if same := bytes.Equal(kept, again); same != (kind == csn.SealDeterministic) {
				t.Errorf("%s: encrypted twice, equal: %v", name, same)
			}
		}
	}
}

// Whatever is changed of a kept value, it does not decrypt.
func TestTampered(t *testing.T) {
	for name, kind := range kinds {
		c := column(t, crypt.Options{}, "T.c", kind, key("k1", 1), key("k2", 2))
		kept := c.Seal(nil, []byte("DE89 3704 0044"))
		for i := range kept {
			for _, bit := range []byte{1, 2, 0x20, 0x80} {
				bad := bytes.Clone(kept)
				bad[i] ^= bit
				if got, err := c.Open(nil, bad); err == nil {
					t.Fatalf("%s: %q decrypts to %q", name, bad, got)
				}
			}
		}
		for i := range kept {
			if _, err := c.Open(nil, kept[:i]); err == nil {
				t.Errorf("%s: the first %d bytes decrypt", name, i)
			}
		}
		for _, more := range []string{"A", "AAAA", ".", "=", "\n"} {
			if _, err := c.Open(nil, append(bytes.Clone(kept), more...)); err == nil {
				t.Errorf("%s: with %q behind it decrypts", name, more)
			}
		}
	}
}

// A value belongs to its column, its form and its key.
func TestMoved(t *testing.T) {
	for name, kind := range kinds {
		kept := column(t, crypt.Options{}, "T.c", kind, key("k1", 1)).Seal(nil, []byte("secret"))
		other := csn.SealDeterministic
		if kind == other {
			other = csn.SealRandom
		}
		for where, c := range map[string]struct {
			to   *crypt.Column
			want error
		}{
			"another column":           {column(t, crypt.Options{}, "T.d", kind, key("k1", 1)), crypt.ErrInvalid},
			"the column of another":    {column(t, crypt.Options{}, "U.c", kind, key("k1", 1)), crypt.ErrInvalid},
			"another key of that name": {column(t, crypt.Options{}, "T.c", kind, key("k1", 9)), crypt.ErrInvalid},
			"the other form":           {column(t, crypt.Options{}, "T.c", other, key("k1", 1)), crypt.ErrInvalid},
			"no key of that name":      {column(t, crypt.Options{}, "T.c", kind, key("k2", 1)), crypt.ErrKey},
		} {
			if _, err := c.to.Open(nil, kept); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v, want %v", name, where, err, c.want)
			} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), string(kept[20:])) {
				t.Errorf("%s, %s: the error tells the value: %v", name, where, err)
			}
		}
		relabelled := bytes.Replace(kept, []byte(".k1."), []byte(".k2."), 1)
		if _, err := column(t, crypt.Options{}, "T.c", kind, key("k2", 1), key("k1", 1)).Open(nil, relabelled); !errors.Is(err, crypt.ErrInvalid) {
			t.Errorf("%s, under the name of another key: %v", name, err)
		}
	}
}

func TestRotation(t *testing.T) {
	old := column(t, crypt.Options{}, "T.c", csn.SealDeterministic, key("k1", 1))
	both := column(t, crypt.Options{}, "T.c", csn.SealDeterministic, key("k2", 2), key("k1", 1))
	kept := old.Seal(nil, []byte("v"))
	if got, err := both.Open(nil, kept); err != nil || string(got) != "v" {
		t.Errorf("%q, %v", got, err)
	}
	if kid, current := both.State(kept); kid != "k1" || current {
		t.Errorf("State: %q, %v", kid, current)
	}
	if kid, current := both.State(both.Seal(nil, []byte("v"))); kid != "k2" || !current {
		t.Errorf("State of a new one: %q, %v", kid, current)
	}
	all := both.SealAll([]byte("v"))
	if len(all) != 2 || all[1] != string(kept) || all[0] == all[1] {
		t.Errorf("SealAll: %q", all)
	}
}

func TestPlain(t *testing.T) {
	for _, s := range []string{"", "plain", "cds1.", "cds1.r.", "cds1.r.k 1.AA", "cds2.r.k1.AA", "cds1.r." + strings.Repeat("k", 40) + ".AA"} {
		if _, err := column(t, crypt.Options{}, "T.c", csn.SealRandom, key("k1", 1)).Open(nil, []byte(s)); !errors.Is(err, crypt.ErrPlain) {
			t.Errorf("%q: %v", s, err)
		}
		got, err := column(t, crypt.Options{AllowPlain: true}, "T.c", csn.SealRandom, key("k1", 1)).Open(nil, []byte(s))
		if err != nil || string(got) != s {
			t.Errorf("%q, allowed: %q, %v", s, got, err)
		}
	}
	if _, err := column(t, crypt.Options{AllowPlain: true}, "T.c", csn.SealRandom, key("k1", 1)).Open(nil, []byte("cds1.r.k1.AAAA")); !errors.Is(err, crypt.ErrInvalid) {
		t.Errorf("what looks encrypted is not taken for plain: %v", err)
	}
}

func TestKeys(t *testing.T) {
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(form, []crypt.Key{key("k", 'S')}); strings.Contains(s, "SSS") || strings.Contains(s, "83, 83") || strings.Contains(s, "83 83") {
			t.Errorf("%s shows the key: %s", form, s)
		}
	}
	short := crypt.Key{ID: "k", Secret: make([]byte, 31)}
	for name, keys := range map[string][]crypt.Key{"none": nil, "short": {short}, "twice": {key("k", 1), key("k", 2)}, "no id": {key("", 1)},
		"dot": {key("a.b", 1)}, "long": {key(strings.Repeat("k", 33), 1)}, "umlaut": {key("ä", 1)}} {
		if _, err := crypt.New(keys, crypt.Options{}); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), string(key("", 1).Secret)) {
			t.Errorf("%s: the error tells the key", name)
		}
	}
}

// What is equal is encrypted equally, what is not is not.
func TestCompared(t *testing.T) {
	seal := &csn.Seal{Kind: csn.SealDeterministic, Column: "T.c"}
	box := boxOf(t, seal)
	equal := [][]cqn.Value{
		{cqn.Decimal("1.50"), cqn.Decimal("01.5"), cqn.Decimal("1.5")},
		{cqn.Decimal("-0.00"), cqn.Decimal("0"), cqn.Decimal("000"), cqn.Float(0), cqn.Float(math.Copysign(0, -1)), cqn.Int(0)},
		{cqn.Int(7), cqn.Decimal("7.0")},
		{cqn.String("a")}, {cqn.String("A")}, {cqn.String("a ")}, {cqn.String("")}, {cqn.Bool(true)}, {cqn.Decimal("-1.5")}, {cqn.Decimal("100")},
	}
	seen := map[string]int{}
	for i, group := range equal {
		for _, v := range group {
			l, err := box.Compared(seal, v)
			if err != nil || len(l.List()) != 1 {
				t.Fatalf("%v: %v, %v", v, l, err)
			}
			text := l.List()[0].Str()
			if j, ok := seen[text]; ok && j != i {
				t.Errorf("%v is as one of group %d", v, j)
			}
			kept, err := box.Store(context.Background(), seal, v)
			if err != nil || kept.Str() != text {
				t.Errorf("%v is kept as %v and compared as %s: %v", v, kept, text, err)
			}
			seen[text] = i
		}
	}
	if n := len(seen); n != len(equal) {
		t.Errorf("%d texts of %d groups", n, len(equal))
	}
	l, err := box.Compared(seal, cqn.List([]cqn.Value{cqn.String("a"), cqn.Null, cqn.String("b")}))
	if err != nil || len(l.List()) != 2 {
		t.Errorf("a list: %v, %v", l, err)
	}
}

func boxOf(t testing.TB, seal *csn.Seal) *crypt.Box {
	t.Helper()
	text := "entity T { key ID : Integer; @encrypted: 'deterministic' c : String; }"
	r, err := crypt.New([]crypt.Key{key("k1", 1)}, crypt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := crypt.NewBox(compile(t, text), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Column(seal); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHashes(t *testing.T) {
	ctx := context.Background()
	for name, kind := range map[string]csn.SealKind{"argon2id": csn.SealArgon2id, "bcrypt": csn.SealBcrypt, "sha256": csn.SealSHA256} {
		h, err := crypt.Hash(ctx, kind, "pa55")
		if err != nil || strings.Contains(h, "pa55") {
			t.Fatalf("%s: %s, %v", name, h, err)
		}
		for text, want := range map[string]bool{"pa55": true, "pa55 ": false, "": false} {
			if ok, err := crypt.Verify(ctx, kind, h, text); ok != want || err != nil {
				t.Errorf("%s, %q: %v, %v", name, text, ok, err)
			}
		}
		if ok, _ := crypt.Verify(ctx, kind, "", ""); ok {
			t.Errorf("%s: no hash fits nothing", name)
		}
		if crypt.IsHash(kind, h) != (kind != csn.SealSHA256) || crypt.IsHash(kind, "pa55") {
			t.Errorf("%s: IsHash", name)
		}
	}
	if _, err := crypt.Hash(ctx, csn.SealBcrypt, strings.Repeat("x", 73)); !errors.Is(err, password.ErrBcryptLength) {
		t.Errorf("bcrypt of 73 bytes: %v", err)
	}
	if crypt.IsHash(csn.SealArgon2id, "$2a$10$hTxOpCgEJnyWhNSDls7aZOlC6soV53YcnESU/.aDMGinHBlGR8Jdy") {
		t.Error("a hash of another kind is none")
	}
}

// FuzzOpen: nothing panics, and what decrypts deterministically is what is encrypted so.
func FuzzOpen(f *testing.F) {
	r := column(f, crypt.Options{}, "T.c", csn.SealRandom, key("k1", 1))
	d := column(f, crypt.Options{}, "T.c", csn.SealDeterministic, key("k1", 1))
	f.Add(r.Seal(nil, []byte("x")), []byte("x"))
	f.Add(d.Seal(nil, []byte("x")), []byte(""))
	f.Add([]byte("cds1.r.k1."), []byte("\x00"))
	f.Fuzz(func(t *testing.T, kept, plain []byte) {
		_, _ = r.Open(nil, kept)
		if got, err := d.Open(nil, kept); err == nil && !bytes.Equal(d.Seal(nil, got), kept) {
			t.Errorf("%q decrypts to %q, which is encrypted otherwise", kept, got)
		}
		for _, c := range []*crypt.Column{r, d} {
			if got, err := c.Open(nil, c.Seal(nil, plain)); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%q became %q: %v", plain, got, err)
			}
		}
	})
}

// Decrypting rows takes no memory for each of them, but for what the standard library needs to start a stream.
func TestAllocations(t *testing.T) {
	for name, kind := range kinds {
		c := column(t, crypt.Options{}, "T.c", kind, key("k1", 1))
		kept := c.Seal(nil, []byte("DE89 3704 0044"))
		var room, plain []byte
		n := testing.AllocsPerRun(100, func() {
			var err error
			if plain, err = c.OpenWith(plain[:0], kept, &room); err != nil {
				t.Fatal(err)
			}
		})
		if want := map[string]float64{"random": 0, "deterministic": 2}[name]; n > want {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
