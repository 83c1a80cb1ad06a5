package syntax

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"cds/parser/cqn"
	"cds/parser/diag"
	"cds/parser/token"
)

// Each archive of testdata has pairs of files: name.cds and name.ast, the tree and the diagnostics. CDS_UPDATE=1 rewrites the trees.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			out := txtar.Archive{Comment: a.Comment}
			for _, f := range a.Files {
				if base, ok := strings.CutSuffix(f.Name, ".ast"); ok {
					want[base] = string(f.Data)
				}
			}
			for _, f := range a.Files {
				base, ok := strings.CutSuffix(f.Name, ".cds")
				if !ok {
					continue
				}
				got := dumpFile(string(f.Data))
				out.Files = append(out.Files, f, txtar.File{Name: base + ".ast", Data: []byte(got)})
				if d := cmp.Diff(want[base], got); d != "" && os.Getenv("CDS_UPDATE") != "1" {
					t.Errorf("%s: -want +got:\n%s", f.Name, d)
				}
			}
			if os.Getenv("CDS_UPDATE") == "1" {
				if err := os.WriteFile(name, txtar.Format(&out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func dumpFile(text string) string {
	files := token.NewFileSet()
	id := files.Add("f.cds", text)
	f, diags := ParseFile(id, "f.cds", text)
	var d dumper
	if f.Namespace != nil {
		d.line("namespace %s", f.Namespace.Text)
	}
	for _, u := range f.Usings {
		d.value("using", reflect.ValueOf(u))
	}
	for _, x := range f.Decls {
		d.value("decl", reflect.ValueOf(x))
	}
	for _, g := range diags {
		d.diagnostic(files, g)
	}
	return d.b.String()
}

// A dumper prints trees without places, one field a line, leaving out what is empty.
type dumper struct {
	b     strings.Builder
	depth int
}

func (d *dumper) line(format string, args ...any) {
	d.b.WriteString(strings.Repeat("  ", d.depth))
	fmt.Fprintf(&d.b, format+"\n", args...)
}

func (d *dumper) diagnostic(files *token.FileSet, g diag.Diagnostic) {
	p := files.Position(g.Span)
	d.line("%d:%d-%d:%d %s[%s] %s", p.Line, p.Col, p.EndLine, p.EndCol, g.Severity, g.Code, g.Message)
	if g.Hint != "" {
		d.line("  %s", g.Hint)
	}
}

func (d *dumper) value(name string, v reflect.Value) {
	if v.IsValid() && v.CanInterface() && !(v.Kind() == reflect.Interface && v.IsNil()) {
		switch x := v.Interface().(type) {
		case token.Span, cqn.At:
			return
		case cqn.Expr:
			if v.Kind() != reflect.Pointer || !v.IsNil() {
				d.line("%s: %s", name, cqn.Format(x))
			}
			return
		case cqn.Value:
			d.line("%s: %s", name, x.Format())
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			if v.Elem().Kind() != reflect.Struct && v.Elem().Kind() != reflect.Pointer {
				d.line("%s: *%v", name, v.Elem())
				return
			}
			d.value(name, v.Elem())
		}
	case reflect.Struct:
		d.structure(name, v)
	case reflect.Slice:
		for i := range v.Len() {
			d.value(name, v.Index(i))
		}
		if !v.IsNil() && v.Len() == 0 {
			d.line("%s: none", name)
		}
	case reflect.Map:
		if v.Len() > 0 {
			d.line("%s: %v", name, v.Interface())
		}
	default:
		if !v.IsZero() {
			d.line("%s: %v", name, v.Interface())
		}
	}
}

func (d *dumper) structure(name string, v reflect.Value) {
	switch v.Type().Name() {
	case "Name", "Ident":
		if text := v.FieldByName("Text").String(); text != "" {
			d.line("%s: %s", name, text)
		}
		return
	case "AnnoValue":
		x := v.Interface().(cqn.AnnoValue)
		d.line("%s: %s", name, annoText(&x))
		return
	case "Head":
		for i := range v.NumField() {
			d.value(v.Type().Field(i).Name, v.Field(i))
		}
		return
	}
	d.line("%s %s", name, v.Type().Name())
	d.depth++
	for i := range v.NumField() {
		d.value(v.Type().Field(i).Name, v.Field(i))
	}
	d.depth--
}

func annoText(v *cqn.AnnoValue) string {
	if v == nil {
		return "<nil>"
	}
	var parts []string
	switch v.Kind {
	case cqn.AnnoTrue:
		return "(flag)"
	case cqn.AnnoNull:
		return "null"
	case cqn.AnnoBool:
		return fmt.Sprint(v.Bool)
	case cqn.AnnoNumber:
		return v.Text
	case cqn.AnnoString:
		return fmt.Sprintf("%q", v.Text)
	case cqn.AnnoSymbol:
		return "#" + v.Text
	case cqn.AnnoRef:
		return "=" + v.Text
	case cqn.AnnoExpr:
		return fmt.Sprintf("(%s | %q)", cqn.Format(v.Expr), v.Text)
	case cqn.AnnoEllipsis:
		if len(v.Items) > 0 {
			return "... up to " + annoText(v.Items[0])
		}
		return "..."
	case cqn.AnnoArray:
		for _, i := range v.Items {
			parts = append(parts, annoText(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	for _, f := range v.Fields {
		parts = append(parts, f.Name+": "+annoText(f.Value))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
