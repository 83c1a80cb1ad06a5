package rls_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"cds/runtime/crypt"
	"cds/runtime/db/postgres"
	"cds/runtime/deploy"
)

const sealed = `entity my.Staff { key ID : Integer; @tenant tenant : String(36); @encrypted pay : Integer; @hash: 'sha256' token : String(80); }
@requires: 'nobody' service S { entity Staff as projection on my.Staff excluding { tenant }; }`

// Values are encrypted anew in the rows of all tenants, also with the role that is held to policies. One that sees some rows only is refused: that it has found no value with
// the old key would be taken for that there is none.
func TestEncrypt(t *testing.T) {
	ctx := context.Background()
	d := open(t)
	d.deploy(t, sealed)
	m, _ := compile(t, sealed)
	ring := func(ids ...string) *crypt.Ring {
		var keys []crypt.Key
		for _, id := range ids {
			keys = append(keys, crypt.Key{ID: id, Secret: bytes.Repeat([]byte(id), crypt.KeyLength)[:crypt.KeyLength]})
		}
		r, err := crypt.New(keys, crypt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	full, err := ring("old").Column(m.Entity("my.Staff").Element("pay").Seal())
	if err != nil {
		t.Fatal(err)
	}
	for id, tenant := range []string{"t1", "t2"} {
		d.script(t, fmt.Sprintf("INSERT INTO my_Staff VALUES (%d, '%s', '%s', 'plain')", id, tenant, full.Seal(nil, []byte("42"))))
	}
	opt := deploy.EncryptOptions{Keys: ring("new", "old"), Plain: true}
	held, err := postgres.New().Open(ctx, d.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if got, err := deploy.Encrypt(ctx, held, m, opt); err == nil || !strings.Contains(err.Error(), "row-level security hides rows") {
		t.Errorf("without the key: %v, %v", got, err)
	}
	if got, err := deploy.Encrypt(ctx, d.server, m, opt); err != nil || fmt.Sprint(got) != "[{my.Staff pay false false 2 2 0 2} {my.Staff token true true 2 0 2 2}]" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := deploy.Encrypt(ctx, d.owner, m, opt); err != nil || fmt.Sprint(got) != "[{my.Staff pay false false 2 0 0 0} {my.Staff token true true 2 0 0 0}]" {
		t.Errorf("as the owner: %v, %v", got, err)
	}
}
