package link_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/link"
	"cds/parser/load"
	"cds/parser/syntax"
	"cds/parser/token"
)

// linkFiles loads and links the .cds files of an archive; all of them are roots, in order.
func linkFiles(files []txtar.File, lenient bool) (link.Result, *token.FileSet) {
	fsys := fstest.MapFS{}
	var roots []string
	for _, f := range files {
		if strings.HasSuffix(f.Name, ".cds") {
			fsys[f.Name] = &fstest.MapFile{Data: f.Data}
			roots = append(roots, f.Name)
		}
	}
	loaded := load.Load(fsys, roots, load.Options{})
	var sources []link.Source
	for _, s := range loaded.Sources {
		sources = append(sources, link.Source{File: s.File, Uses: s.Uses})
	}
	res := link.Link(sources, link.Options{ParseExpr: syntax.ParseExpr, Files: loaded.Files, Lenient: lenient})
	res.Diags = append(loaded.Diags, res.Diags...)
	res.Diags.Sort()
	return res, loaded.Files
}

// TestGolden links the archives in testdata and compares a dump of the definitions and the diagnostics with the file `want` in each.
// CDS_UPDATE=1 writes it. An archive with a comment line "lenient" is linked that way.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			res, fs := linkFiles(ar.Files, strings.Contains(string(ar.Comment), "lenient"))
			got := dumpDiags(res.Diags, fs) + dump(res.Defs, strings.Contains(string(ar.Comment), "with common"))
			if os.Getenv("CDS_UPDATE") != "" {
				update(t, path, ar, got)
				return
			}
			want := ""
			for _, f := range ar.Files {
				if f.Name == "want" {
					want = string(f.Data)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func update(t *testing.T, path string, ar *txtar.Archive, got string) {
	t.Helper()
	var files []txtar.File
	for _, f := range ar.Files {
		if f.Name != "want" {
			files = append(files, f)
		}
	}
	ar.Files = append(files, txtar.File{Name: "want", Data: []byte(got)})
	if err := os.WriteFile(path, txtar.Format(ar), 0o666); err != nil {
		t.Fatal(err)
	}
}

func dumpDiags(l diag.List, fs *token.FileSet) string {
	var b strings.Builder
	for _, d := range l {
		p := fs.Position(d.Span)
		fmt.Fprintf(&b, "%s:%d:%d: %s[%s] %s\n", p.File, p.Line, p.Col, d.Severity, d.Code, d.Message)
		if d.Hint != "" {
			fmt.Fprintf(&b, "\t%s\n", d.Hint)
		}
	}
	return b.String()
}

var common = map[string]bool{"Language": true, "Currency": true, "Country": true, "Timezone": true, "cuid": true, "managed": true, "temporal": true, "User": true}

// dump writes definitions in a form like CDL. Those of the reuse model are left out unless all are asked for.
func dump(defs []csn.Definition, all bool) string {
	var b strings.Builder
	for _, d := range defs {
		n := d.Definition().Name
		if !all && (common[n] || n == "sap.common" || strings.HasPrefix(n, "sap.common.")) {
			continue
		}
		dumpDef(&b, d)
	}
	return b.String()
}

func dumpDef(b *strings.Builder, d csn.Definition) {
	switch d := d.(type) {
	case *csn.Context:
		fmt.Fprintf(b, "context %s%s\n", d.Name, annos(d.Annotations))
	case *csn.Service:
		fmt.Fprintf(b, "service %s%s\n", d.Name, annos(d.Annotations))
	case *csn.Entity:
		fmt.Fprintf(b, "entity %s%s%s", d.Name, includes(d.Includes), annos(d.Annotations))
		if s, ok := d.Source.(*cqn.Select); ok {
			if f, ok := s.From.(*cqn.From); ok {
				fmt.Fprintf(b, " on %s", cqn.Format(f.Path))
			}
		} else if d.Source != nil {
			fmt.Fprintf(b, " as %T", d.Source)
		}
		b.WriteString(exposure(d))
		b.WriteString("\n")
		for _, p := range d.Params {
			fmt.Fprintf(b, "\tparam %s\n", element(p))
		}
		dumpElements(b, d.Elements, "\t")
		for _, o := range d.Actions {
			fmt.Fprintf(b, "\taction %s\n", operation(o))
		}
	case *csn.Aspect:
		fmt.Fprintf(b, "aspect %s%s%s\n", d.Name, includes(d.Includes), annos(d.Annotations))
		dumpElements(b, d.Elements, "\t")
	case *csn.TypeDef:
		fmt.Fprintf(b, "type %s%s %s\n", d.Name, annos(d.Annotations), typ(d.Type))
	case *csn.Operation:
		fmt.Fprintf(b, "action %s\n", operation(d))
	case *csn.Event:
		fmt.Fprintf(b, "event %s%s %s\n", d.Name, annos(d.Annotations), typ(d.Type))
	}
}

func exposure(e *csn.Entity) string {
	return [...]string{"", " exposed", " exposed by parent"}[e.Exposure]
}

func includes(in []string) string {
	if len(in) == 0 {
		return ""
	}
	return " : " + strings.Join(in, ", ")
}

func dumpElements(b *strings.Builder, es csn.Elements, indent string) {
	for _, e := range es {
		fmt.Fprintf(b, "%s%s\n", indent, element(e))
	}
}

func element(e *csn.Element) string {
	s := e.Name + " : " + typ(e)
	for _, f := range []struct {
		on   bool
		word string
	}{{e.Key, "key"}, {e.Virtual, "virtual"}, {e.Localized, "localized"}} {
		if f.on {
			s = f.word + " " + s
		}
	}
	if e.NotNull {
		s += " not null"
	}
	if e.Default() != nil {
		s += " default " + cqn.Format(e.Default())
	}
	if e.Value() != nil {
		s += " = " + cqn.Format(e.Value())
	}
	return s + annos(e.Annotations)
}

func typ(e *csn.Element) string {
	s := ""
	switch t := e.Type.(type) {
	case *csn.Builtin:
		s = e.TypeName
		if t.Name != e.TypeName {
			s += "=" + t.Name
		}
		if t.Length > 0 {
			s += fmt.Sprintf("(%d)", t.Length)
		}
		if t.Precision > 0 {
			s += fmt.Sprintf("(%d,%d)", t.Precision, t.Scale)
		}
	case *csn.Struct:
		if s = e.TypeName; s == "" {
			var parts []string
			for _, p := range t.Elements {
				parts = append(parts, element(p))
			}
			s = "{ " + strings.Join(parts, "; ") + " }"
		}
	case *csn.Array:
		s = "many " + typ(t.Items)
	case *csn.Assoc:
		s = assoc(e, t)
	}
	if e.TypeOf() != nil {
		s += " of " + strings.Join(e.TypeOf().Path, ":")
	}
	var syms []string
	for _, x := range e.Enum() {
		syms = append(syms, x.Name+"="+x.Val().Format())
	}
	if syms != nil {
		s += " enum(" + strings.Join(syms, " ") + ")"
	}
	return s
}

func assoc(e *csn.Element, a *csn.Assoc) string {
	s := "-> "
	if a.Composition {
		s = "<>-> "
	}
	if a.Many {
		s += "many "
	}
	s += a.TargetName
	if a.On != nil {
		s += " on " + cqn.Format(a.On)
	}
	var keys []string
	for _, k := range a.Keys {
		x := strings.Join(k.Ref, ".")
		if k.As != "" {
			x += " as " + k.As
		}
		keys = append(keys, x)
	}
	if keys != nil {
		s += " {" + strings.Join(keys, ", ") + "}"
	}
	return s
}

func operation(o *csn.Operation) string {
	var ps []string
	if o.Binding != "" {
		ps = append(ps, fmt.Sprintf("%s $self many=%v", o.Binding, o.Collection))
	}
	for _, p := range o.Params {
		ps = append(ps, element(p))
	}
	s := fmt.Sprintf("%s(%s)", o.Name, strings.Join(ps, ", "))
	if o.Returns != nil {
		s += " returns " + typ(o.Returns)
	}
	return s + annos(o.Annotations)
}

func annos(as csn.Annotations) string {
	var out []string
	for _, a := range as {
		out = append(out, " @"+a.Name+value(a.Value))
	}
	sort.Strings(out)
	return strings.Join(out, "")
}

func value(v *cqn.AnnoValue) string {
	s := ""
	switch v.Kind {
	case cqn.AnnoTrue:
		return ""
	case cqn.AnnoNull:
		s = "null"
	case cqn.AnnoBool:
		s = fmt.Sprint(v.Bool)
	case cqn.AnnoString:
		s = "'" + v.Text + "'"
	case cqn.AnnoArray:
		var items []string
		for _, it := range v.Items {
			items = append(items, strings.TrimPrefix(value(it), ":"))
		}
		s = "[" + strings.Join(items, ", ") + "]"
	case cqn.AnnoStruct:
		var fs []string
		for _, f := range v.Fields {
			fs = append(fs, f.Name+value(f.Value))
		}
		s = "{" + strings.Join(fs, ", ") + "}"
	case cqn.AnnoEllipsis:
		s = "..."
	default:
		s = v.Text
	}
	if v.Expr != nil {
		s += "«" + cqn.Format(v.Expr) + "»"
	}
	return ":" + s
}
