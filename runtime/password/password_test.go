package password

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

func TestHashAndVerify(t *testing.T) {
	for _, pw := range []string{"", "world", "pässwörd €", strings.Repeat("p", 80), strings.Repeat("x", MaxLength)} {
		h, err := Hash(pw)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") || !Is(h) || Valid(h) != nil {
			t.Errorf("hash %q", h)
		}
		if ok, rehash := Verify(h, pw); !ok || rehash {
			t.Errorf("%.10q: ok %v, rehash %v", pw, ok, rehash)
		}
		if ok, _ := Verify(h, pw+"x"); ok {
			t.Errorf("%.10q: one letter more fits", pw)
		}
	}
	a, _ := Hash("x")
	b, _ := Hash("x")
	if a == b {
		t.Error("two hashes of one password are equal")
	}
	if _, err := Hash(strings.Repeat("x", MaxLength+1)); !errors.Is(err, ErrLength) {
		t.Errorf("too long: %v", err)
	}
}

// A hash made elsewhere: the vector of PHC's own documentation style, made with the library's function directly.
func TestOtherParameters(t *testing.T) {
	salt := []byte("somesalt12345678")
	cheap := format(Params{64, 3, 2}, salt, argon2.IDKey([]byte("pw"), salt, 3, 64, 2, 24))
	if ok, rehash := Verify(cheap, "pw"); !ok || !rehash {
		t.Errorf("ok %v, rehash %v, want both", ok, rehash)
	}
	if ok, rehash := Verify(cheap, "no"); ok || rehash {
		t.Errorf("wrong password: ok %v, rehash %v", ok, rehash)
	}
}

func TestBcrypt(t *testing.T) {
	h, err := bcrypt.GenerateFromPassword([]byte("world"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"$2a$", "$2b$", "$2y$"} {
		s := prefix + string(h[4:])
		if ok, rehash := Verify(s, "world"); !ok || !rehash || !Is(s) || Valid(s) != nil {
			t.Errorf("%s: ok %v, rehash %v, is %v, valid %v", prefix, ok, rehash, Is(s), Valid(s))
		}
		if ok, rehash := Verify(s, "word"); ok || rehash {
			t.Errorf("%s: wrong password: ok %v, rehash %v", prefix, ok, rehash)
		}
	}
	long, _ := bcrypt.GenerateFromPassword([]byte(strings.Repeat("p", MaxBcrypt)), bcrypt.MinCost)
	if ok, _ := Verify(string(long), strings.Repeat("p", MaxBcrypt)); !ok {
		t.Error("72 bytes are refused")
	}
	if ok, _ := Verify(string(long), strings.Repeat("p", MaxBcrypt)+"anything"); ok {
		t.Error("what is behind 72 bytes is ignored")
	}
	costly := "$2a$31$" + string(h[7:])
	if ok, _ := Verify(costly, "world"); ok || Valid(costly) == nil {
		t.Error("a cost of 31 is accepted")
	}
}

// Hashes that nobody should have to compute, and texts that are none.
func TestRefused(t *testing.T) {
	const salt, key = "c29tZXNhbHQxMjM0NTY3OA", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
	for name, s := range map[string]string{
		"4 GiB":            "$argon2id$v=19$m=4194304,t=1,p=1$" + salt + "$" + key,
		"huge m":           "$argon2id$v=19$m=4294967296,t=1,p=1$" + salt + "$" + key,
		"many passes":      "$argon2id$v=19$m=64,t=1000000,p=1$" + salt + "$" + key,
		"product":          "$argon2id$v=19$m=262144,t=16,p=1$" + salt + "$" + key,
		"no pass":          "$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + key,
		"no lane":          "$argon2id$v=19$m=64,t=1,p=0$" + salt + "$" + key,
		"too little":       "$argon2id$v=19$m=8,t=1,p=2$" + salt + "$" + key,
		"negative":         "$argon2id$v=19$m=-64,t=1,p=1$" + salt + "$" + key,
		"leading zero":     "$argon2id$v=19$m=064,t=1,p=1$" + salt + "$" + key,
		"plus":             "$argon2id$v=19$m=+64,t=1,p=1$" + salt + "$" + key,
		"order":            "$argon2id$v=19$t=1,m=64,p=1$" + salt + "$" + key,
		"more":             "$argon2id$v=19$m=64,t=1,p=1,keyid=x$" + salt + "$" + key,
		"argon2i":          "$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + key,
		"version":          "$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + key,
		"no version":       "$argon2id$m=64,t=1,p=1$" + salt + "$" + key,
		"no salt":          "$argon2id$v=19$m=64,t=1,p=1$$" + key,
		"no key":           "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$",
		"short key":        "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$MDEy",
		"padding":          "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "=",
		"line end":         "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "\n",
		"long":             "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + strings.Repeat("A", 10000),
		"empty":            "",
		"plain":            "secret",
		"bcrypt cut":       "$2a$10$abc",
		"bcrypt no cost":   "$2a$xx$" + strings.Repeat("a", 53),
		"None itself":      None,
		"None":             "$",
		"nothing but form": "$argon2id$",
	} {
		ok, rehash, err := Default.Verify(t.Context(), s, "secret")
		if ok || rehash || err != nil {
			t.Errorf("%s: ok %v, rehash %v, error %v", name, ok, rehash, err)
		}
		if name != "None itself" && Valid(s) == nil {
			t.Errorf("%s is said to be valid", name)
		}
	}
	if Default.None() != None || (Params{8192, 1, 2}).None() == None {
		t.Errorf("None is %s, of the default %s", None, Default.None())
	}
	h, err := parse(None)
	if err != nil || h.Params != Default || len(h.key) != keyLength || len(h.salt) != saltLength {
		t.Errorf("None is no hash at the default cost: %+v, %v", h, err)
	}
}

func TestBusy(t *testing.T) {
	for range cap(slots) {
		slots <- struct{}{}
	}
	defer func() {
		for range cap(slots) {
			<-slots
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range cap(queue) {
		wg.Go(func() {
			if _, _, err := Default.Verify(ctx, None, "x"); !errors.Is(err, ErrBusy) {
				t.Errorf("while all slots are taken: %v", err)
			}
		})
	}
	for len(queue) < cap(queue) {
		runtime.Gosched()
	}
	if _, err := Hash("x"); !errors.Is(err, ErrBusy) {
		t.Errorf("with a full queue: %v", err)
	}
	cancel()
	wg.Wait()
	if len(queue) != 0 {
		t.Errorf("%d are still in the queue", len(queue))
	}
}

func TestCheck(t *testing.T) {
	if err := Default.Check(); err != nil {
		t.Error(err)
	}
	for _, p := range []Params{{}, {1024, 2, 1}, {1 << 30, 1, 1}, {64 * 1024, 0, 1}, {64 * 1024, 100, 1}, {64 * 1024, 1, 0}, {64 * 1024, 1, 200}, {maxMemory, 16, 1}} {
		if p.Check() == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
}

// Any text: it is read in bounded time, and one that is a hash has one form.
func FuzzParse(f *testing.F) {
	f.Add(None, "x")
	f.Add("$2a$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234", "x")
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM0NTY3OA$MDEyMzQ1Njc4OWFiY2RlZg", "x")
	f.Fuzz(func(t *testing.T, hash, pw string) {
		if isBcrypt(hash) {
			_ = Valid(hash)
			return
		}
		h, err := parse(hash)
		if (err == nil) != (Valid(hash) == nil) || err == nil && !Is(hash) {
			t.Errorf("%q: %v, valid %v, is %v", hash, err, Valid(hash), Is(hash))
		}
		if err != nil {
			return
		}
		if format(h.Params, h.salt, h.key) != hash {
			t.Errorf("%q is another way to write a hash", hash)
		}
		if uint64(h.Memory)*uint64(h.Time) <= 1<<10 {
			if ok, _ := Verify(hash, pw); ok {
				t.Errorf("%q fits a hash that it was not made for", pw)
			}
		}
	})
}
