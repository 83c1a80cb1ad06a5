package authzmatrix_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"cds/codegen/authzmatrix"
	"cds/parser"

	"github.com/rogpeppe/go-internal/txtar"
)

func kinds(t testing.TB) *authzmatrix.Matrix {
	t.Helper()
	ar, err := txtar.ParseFile("testdata/matrix/kinds.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return made(t, string(ar.Files[0].Data))
}

func made(t testing.TB, text string) *authzmatrix.Matrix {
	t.Helper()
	m, opt := compile(t, "model.cds", text)
	out, diags := authzmatrix.New(m, opt)
	if out == nil {
		t.Fatal(diags)
	}
	return out
}

func written(t testing.TB, m *authzmatrix.Matrix, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What is written can be read, and is the policy; each row that is missing or another one is found.
func TestCheck(t *testing.T) {
	m := kinds(t)
	for _, format := range []string{"json", "csv"} {
		signed, err := authzmatrix.Read(written(t, m, format))
		if err != nil {
			t.Fatal(format, err)
		}
		if d := m.Deviations(signed); len(d) != 0 {
			t.Errorf("%s: %v", format, d)
		}
		for i := range signed.Rows {
			less := *signed
			less.Rows = append(append([]authzmatrix.Row(nil), signed.Rows[:i]...), signed.Rows[i+1:]...)
			if d := m.Deviations(&less); len(d) != 1 || !d[0].New || d[0].Row.Operation != signed.Rows[i].Operation {
				t.Errorf("%s without %v: %v", format, signed.Rows[i], d)
			}
			if d := (less.Deviations(signed)); len(d) != 1 || d[0].New {
				t.Errorf("%s with %v: %v", format, signed.Rows[i], d)
			}
		}
	}
}

// Two conditions that differ in their last letter only are two, however long they are, and so are those that differ in white space of a text.
func TestCheckSeesAll(t *testing.T) {
	model := func(cond string) *authzmatrix.Matrix {
		return made(t, "service S { @restrict: [{ grant: 'READ', where: ("+cond+") }] entity E { key ID : Integer; s : String; } }")
	}
	list := "s in ('" + strings.Repeat("x', '", 30_000)
	for _, c := range [][2]string{{"s = 'a  b'", "s = 'a b'"}, {list + "y')", list + "z')"}, {list + "y') and ID = 1", list + "y') and ID = 2"}} {
		a, b := model(c[0]), model(c[1])
		if d := a.Deviations(b); len(d) != 2 {
			t.Errorf("%.40s…: %d rows differ", c[0], len(d))
		}
		if d := a.Deviations(model(c[0])); len(d) != 0 {
			t.Errorf("%.40s…: %d rows differ from themselves", c[0], len(d))
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, text := range []string{"", "{", "[]", "{}", `{"format":2,"rows":[]}`, `{"format":1,"rows":[],"more":1}`, `{"format":1,"rows":[]} {}`, "a,b\n1,2\n", "service,kind\n", `"`} {
		if m, err := authzmatrix.Read([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, m)
		}
	}
}

func FuzzRead(f *testing.F) {
	m := made(f, "service S { @restrict: [{ grant: 'READ', to: ['a', 'b'], where: 'ID > 1' }] entity E { key ID : Integer; } }")
	f.Add(written(f, m, "json"))
	f.Add(written(f, m, "csv"))
	f.Fuzz(func(t *testing.T, data []byte) {
		signed, err := authzmatrix.Read(data)
		if err != nil {
			return
		}
		for _, d := range m.Deviations(signed) {
			if strings.ContainsAny(d.String(), "\n\x00") {
				t.Errorf("a line is broken: %q", d.String())
			}
		}
		for _, format := range authzmatrix.Formats() {
			written(t, signed, format)
		}
	})
}

// The same model gives the same text, whatever the order of maps.
func TestDeterministic(t *testing.T) {
	first := string(written(t, kinds(t), "json"))
	for range 20 {
		if got := string(written(t, kinds(t), "json")); got != first {
			t.Fatal("the order of rows differs")
		}
	}
}

// Recorded models have a matrix, and are no different from themselves.
func TestRecordedModels(t *testing.T) {
	for _, name := range []string{"bookshop", "authlab"} {
		dir := "../../../shared/conformance/models/" + name
		if _, err := os.Stat(dir); err != nil {
			t.Skip("recorded models are not there:", err)
		}
		r := parser.CompileProject(os.DirFS(dir), parser.Options{})
		if r.Model == nil {
			t.Fatal(r.Diags)
		}
		m, diags := authzmatrix.New(r.Model, authzmatrix.Options{Files: r.Files})
		if m == nil || len(m.Rows) < 50 {
			t.Fatal(name, diags)
		}
		d, _ := authzmatrix.Compare(r.Model, r.Model, authzmatrix.Options{}, authzmatrix.Options{})
		if d == nil || len(d.Changes) != 0 {
			t.Errorf("%s differs from itself: %v", name, d)
		}
	}
}
