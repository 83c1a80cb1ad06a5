package csn_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// TestFreeze compares what Freeze computes for testdata/freeze/*.txtar: model.json in, model.txt out. CDS_UPDATE=1 rewrites them.
func TestFreeze(t *testing.T) {
	files, err := filepath.Glob("testdata/freeze/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, diags := csn.Read(ar.Files[0].Data)
			var b strings.Builder
			for _, d := range diags {
				fmt.Fprintf(&b, "! %s[%s] %s: %s\n", d.Severity, d.Code, d.Home, d.Message)
			}
			if m != nil {
				dump(&b, m)
			}
			got := &txtar.Archive{Comment: ar.Comment, Files: []txtar.File{ar.Files[0], {Name: "model.txt", Data: []byte(b.String())}}}
			if os.Getenv("CDS_UPDATE") != "" {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if len(ar.Files) < 2 || string(ar.Files[1].Data) != b.String() {
				t.Errorf("got\n%s", b.String())
			}
		})
	}
}

// dump describes everything that Freeze computes.
func dump(b *strings.Builder, m *csn.Model) {
	for _, s := range m.Services {
		fmt.Fprintf(b, "service %s: %s; ops %s; events %s; types %s\n", s.Name, names(s.Entities), names(s.Ops), names(s.Events), names(s.Types))
	}
	for i, e := range m.Entities {
		if e.ID != i {
			fmt.Fprintf(b, "! wrong ID %d\n", e.ID)
		}
		fmt.Fprintf(b, "entity %s", e.Name)
		for _, f := range []struct {
			on   bool
			name string
		}{{e.Localized, "localized"}, {e.SkipPersistence, "skipped"}, {e.Exists, "exists"}, {e.Exposure == csn.AutoExposed, "auto-exposed"}, {e.Exposure == csn.AutoExposedRead, "auto-exposed-read"}} {
			if f.on {
				b.WriteString(" " + f.name)
			}
		}
		if e.Base != nil {
			b.WriteString(" base " + e.Base.Name)
		}
		if t := e.Table(); t != nil && t != e {
			b.WriteString(" table " + t.Name)
		}
		if e.Texts != nil {
			b.WriteString(" texts " + e.Texts.Name)
		}
		if e.Reads != nil {
			b.WriteString(" reads " + names(e.Reads))
		}
		for _, p := range e.Parents {
			b.WriteString(" parent " + p.Owner.Name + "." + p.Name)
		}
		b.WriteString("\n")
		for j, el := range e.Flat {
			if el.ID != int32(j) || el.Owner != e {
				b.WriteString("! wrong ID or owner\n")
			}
			element(b, el)
		}
	}
}

func element(b *strings.Builder, el *csn.Element) {
	fmt.Fprintf(b, "  %s", el.Name)
	if p := strings.Join(el.Path(), "."); p != el.Name {
		b.WriteString(" (" + p + ")")
	}
	for _, f := range []struct {
		on   bool
		name string
	}{{el.Key, "key"}, {el.NotNull, "notnull"}, {el.Virtual, "virtual"}} {
		if f.on {
			b.WriteString(" " + f.name)
		}
	}
	for _, a := range el.Annotations {
		b.WriteString(" @" + a.Name)
	}
	if el.ForeignKey != nil {
		b.WriteString(" fk of " + el.ForeignKey.Name)
	}
	if el.Origin != nil {
		b.WriteString(" = " + el.Origin.Owner.Name + "." + el.Origin.Name)
	}
	if a := el.Assoc(); a != nil {
		fmt.Fprintf(b, " → %s", a.TargetName)
		for i := range a.FK {
			fmt.Fprintf(b, " [%s→%s]", a.FK[i].Name, a.FKTarget[i].Name)
		}
		if a.Join != nil {
			b.WriteString(" on " + cqn.Format(a.Join))
		}
		for _, p := range a.Pairs {
			fmt.Fprintf(b, " pair %s=%s", p.Source.Name, p.Target.Name)
		}
		if a.Rest != nil {
			b.WriteString(" rest " + cqn.Format(a.Rest))
		}
		if a.Backlink != nil {
			b.WriteString(" backlink " + a.Backlink.Name)
		}
	}
	b.WriteString("\n")
}

func names[D csn.Definition](ds []D) string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = d.Definition().Name
	}
	return strings.Join(out, ",")
}
