// Package golang generates the typed Go facade of a model: one package per service with row structs, references to entities and
// operations, registration of handlers and a readable policy table, and one package with the embedded model.
//
// Nothing is decided in generated code: without it a server still serves, and still guards.
package golang

import (
	"bytes"
	"fmt"
	"go/format"
	"path"
	"strings"

	"cds/codegen"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/authz"
)

// Options say where generated code stands.
type Options struct {
	// Module is the import path of the project's folder. It is needed.
	Module string
	// Dir is the folder for generated code below the project; "" means internal/gen.
	Dir string
	// Runtime is the import path of the framework's module; "" means cds.
	Runtime string
	// Lenient compiles the policy as requires.auth.strict = false does.
	Lenient bool
}

// The codes of diagnostics.
const (
	codeClash       diag.Code = "go-name-clash"
	codePackage     diag.Code = "go-package-clash"
	codeModule      diag.Code = "go-module-missing"
	codeUnsupported diag.Code = "go-unsupported"
	codeFormat      diag.Code = "go-format"
)

// Catalogue documents the diagnostics of this package.
var Catalogue = diag.Catalogue{
	codeClash: {Severity: diag.Error, Title: "Two names of the model become the same Go name",
		Explain: "Go names are made from CDS names: the first letter becomes a capital, underscores go away, rows of Books are called Book. Two names that become one need an annotation.",
		Wrong:   "service S { entity E { key ID : Integer; author_ID : String; authorID : String; } }", Right: "service S { entity E { key ID : Integer; author_ID : String; @go.name: 'WriterID' authorID : String; } }"},
	codePackage: {Severity: diag.Error, Title: "Two services become the same Go package",
		Explain: "The package of a service is the last part of its name in small letters, without the word service.",
		Wrong:   "service CatalogService { } service my.Catalog @(path: 'other') { }", Right: "service CatalogService { } service my.Catalog @(path: 'other', go.package: 'catalog2') { }"},
	codeModule:      {Severity: diag.Error, Title: "The import path of the project is not known", Explain: "Generated packages import one another by it."},
	codeUnsupported: {Severity: diag.Info, Title: "Something in the model has no typed form in Go", Explain: "It is served and guarded as usual; handlers reach it through the untyped request."},
	codeFormat:      {Severity: diag.Error, Title: "Generated code is no valid Go", Explain: "A fault of the generator: please report it with the model."},
}

// Generate returns the files of all services and of the embedded model, in a fixed order. It needs the inferred model.
func Generate(m *csn.Model, opt Options) ([]codegen.File, diag.List) {
	var diags diag.List
	if opt.Module == "" {
		diags.Add(diag.Error, codeModule, noSpan, "the import path of the project is missing").Hint = "run: go mod init example.com/shop"
		return nil, diags
	}
	if opt.Dir == "" {
		opt.Dir = "internal/gen"
	}
	if opt.Runtime == "" {
		opt.Runtime = "cds"
	}
	policy, found := authz.Compile(m, authz.Options{Strict: !opt.Lenient})
	if found.HasErrors() || policy == nil {
		return nil, append(diags, found...)
	}
	g := &generator{model: m, opt: opt, policy: policy, diags: &diags}
	g.modelFiles()
	g.services()
	if diags.HasErrors() {
		return nil, diags
	}
	return g.files, diags
}

type generator struct {
	model  *csn.Model
	opt    Options
	policy *authz.Policy
	diags  *diag.List
	files  []codegen.File
}

// services writes the packages of all services.
func (g *generator) services() {
	taken := map[string]*csn.Service{"model": nil}
	for _, s := range g.model.Services {
		pkg := packageName(s)
		if pkg == "" {
			g.diags.Add(diag.Error, codePackage, s.Span, "the name of service %s gives no Go package name", s.Name).Hint = "name it: @go.package: 'shop'"
			continue
		}
		if other, ok := taken[pkg]; ok {
			d := g.diags.Add(diag.Error, codePackage, s.Span, "service %s becomes the Go package %s, which %s has already", s.Name, pkg, nameOf(other))
			d.Hint = "name it: @go.package: '" + pkg + "2'"
			continue
		}
		taken[pkg] = s
		v := newServiceView(g, s, pkg)
		dir := path.Join(g.opt.Dir, pkg)
		g.emit(dir+"/types.gen.go", v.writeTypes())
		g.emit(dir+"/refs.gen.go", v.writeRefs())
		g.emit(dir+"/service.gen.go", v.writeService())
		g.emit(dir+"/authz.gen.go", v.writeAuthz())
		g.emit(path.Join(dir, pkg+"test", pkg+"test.gen.go"), v.writeTest())
	}
}

func nameOf(s *csn.Service) string {
	if s == nil {
		return "the embedded model"
	}
	return s.Name
}

// emit formats a Go file and adds it.
func (g *generator) emit(name string, p *printer) {
	text, err := format.Source(p.file())
	if err != nil {
		g.diags.Errorf(codeFormat, noSpan, "%s: %v", name, err)
		return
	}
	g.files = append(g.files, codegen.File{Path: name, Content: text})
}

// modelFiles writes the package with the embedded model.
func (g *generator) modelFiles() {
	dir := path.Join(g.opt.Dir, "model")
	data := csn.Marshal(g.model, csn.MarshalOptions{Docs: true})
	g.files = append(g.files, codegen.File{Path: dir + "/model.csn", Content: data})
	p := newPrinter("model", "the model of the project", "Package model holds the project's model, compiled.")
	p.use("_", "embed")
	p.use("", g.opt.Runtime+"/parser/csn")
	p.line("//go:embed model.csn")
	p.line("var data []byte")
	p.line("")
	p.line("// Model returns the model. It is read anew by each call; the result is frozen.")
	p.line("func Model() (*csn.Model, error) {")
	p.line("m, diags := csn.Read(data)")
	p.line("return m, diags.Err()")
	p.line("}")
	g.emit(dir+"/model.gen.go", p)
}

// A printer collects the text of one Go file.
type printer struct {
	pkg, source, doc string
	imports          []string
	body             bytes.Buffer
}

func newPrinter(pkg, source, doc string) *printer {
	return &printer{pkg: pkg, source: source, doc: doc}
}

// use imports a package, once.
func (p *printer) use(as, pkgPath string) {
	spec := fmt.Sprintf("%s %q", as, pkgPath)
	for _, s := range p.imports {
		if s == spec {
			return
		}
	}
	p.imports = append(p.imports, spec)
}

func (p *printer) line(format string, args ...any) {
	if len(args) == 0 {
		p.body.WriteString(format)
	} else {
		fmt.Fprintf(&p.body, format, args...)
	}
	p.body.WriteByte('\n')
}

// comment writes a doc comment; an empty text writes nothing.
func (p *printer) comment(text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	for _, l := range strings.Split(text, "\n") {
		p.line("%s", strings.TrimRight("// "+strings.TrimRight(oneLine(l), " \t"), " "))
	}
}

// oneLine takes the control characters out of a line, so that a doc comment can't end its comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == '\u2028' || r == '\u2029' || r == 0xFEFF {
			return ' '
		}
		return r
	}, s)
}

// file returns the whole file, not yet formatted. Imports of the standard library come first.
func (p *printer) file() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Code generated by cds gen from %s. DO NOT EDIT.\n\n", oneLine(p.source))
	if p.doc != "" {
		for _, l := range strings.Split(p.doc, "\n") {
			fmt.Fprintf(&b, "// %s\n", oneLine(l))
		}
	}
	fmt.Fprintf(&b, "package %s\n\n", p.pkg)
	if len(p.imports) > 0 {
		b.WriteString("import (\n")
		for _, std := range []bool{true, false} {
			for _, s := range sortedCopy(p.imports) {
				if isStd(s) == std {
					b.WriteString(s + "\n")
				}
			}
			b.WriteString("\n")
		}
		b.WriteString(")\n\n")
	}
	b.Write(p.body.Bytes())
	return b.Bytes()
}
