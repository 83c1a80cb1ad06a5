package edmx

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"cds/parser"

	"github.com/google/go-cmp/cmp"
)

// Encrypted and hashed elements are told to be of no use for sorting, nor, as far as requests are refused, for filters; with what the model itself says.
func TestSealed(t *testing.T) {
	res := parser.CompileString("m.cds", `
entity db.Staff { key ID : Integer; name : String; @encrypted pay : Integer; @encrypted: 'deterministic' ssn : String(11); @hash pin : String; }
@requires: 'any' service S {
  entity Staff as projection on db.Staff;
  @Capabilities.FilterRestrictions: { NonFilterableProperties: [name, pay], RequiresFilter: true } entity Said as projection on db.Staff;
  @Capabilities: { SortRestrictions.Sortable: false, FilterRestrictions: null } entity None as projection on db.Staff;
  entity Plain as projection on db.Staff { ID, name };
  entity Few as projection on db.Staff { ID, pay as salary };
}`)
	if err := res.Diags.Err(); err != nil {
		t.Fatal(err)
	}
	got := Marshal(res.Model, res.Model.Service("S"), Options{})
	got = got[bytes.Index(got, []byte("      <Annotations")):]
	file := filepath.Join("testdata", "sealed.xml")
	if os.Getenv("CDS_UPDATE") != "" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
}
