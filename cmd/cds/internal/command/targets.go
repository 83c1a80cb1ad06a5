package command

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"

	"cds/codegen"
	"cds/codegen/asyncapi"
	printer "cds/codegen/cdl"
	"cds/codegen/graphql"
	"cds/codegen/mermaid"
	"cds/codegen/openapi"
	"cds/codegen/xssecurity"
	cdl "cds/parser"
	"cds/parser/ast"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/parsed"
	"cds/parser/token"
	cds "cds/runtime"
	"cds/runtime/db/postgres"
	"cds/runtime/db/sqlite"
	"cds/runtime/odata/edmx"
	"cds/runtime/sqlgen/ddl"
)

// A target is a form that models are compiled to.
type target struct {
	names   []string
	help    string
	ext     string
	sources bool // there is a form of unlinked sources: the flavours parsed and xtended
	service bool // it describes one service
	part    bool // it describes one service or the whole model
	render  func(m *csn.Model, s *csn.Service, f *compileFlags) ([]byte, error)
	stream  func(w io.Writer, m *csn.Model, f *compileFlags) error   // instead of render, for what grows large
	text    func(trees []*ast.File, f *compileFlags) ([]byte, error) // instead of render, for what is made of unlinked sources
}

func targets() []*target {
	return []*target{
		{names: []string{"csn", "json"}, ext: ".csn.json", sources: true, help: "the model as CSN in JSON; see --flavor", stream: writeCSN},
		{names: []string{"yaml", "yml"}, ext: ".yaml", sources: true, help: "the same in YAML", render: func(m *csn.Model, s *csn.Service, f *compileFlags) ([]byte, error) {
			return codegen.YAML(csn.Marshal(m, csn.MarshalOptions{Indent: true, Docs: f.docs}))
		}},
		{names: []string{"cdl", "cds"}, ext: ".cds", help: "the sources as one text of CDL", text: renderCDL},
		{names: []string{"sql"}, ext: ".sql", help: "tables and views; see --dialect", render: renderSQL},
		{names: []string{"rls"}, ext: ".rls.sql", help: "row-level security for PostgreSQL", render: renderRLS},
		{names: []string{"edmx", "edmx-v4"}, ext: ".xml", service: true, help: "OData metadata as XML; see --odata-version", render: func(m *csn.Model, s *csn.Service, f *compileFlags) ([]byte, error) {
			return edmx.Marshal(m, s, metadataOptions(f)), nil
		}},
		{names: []string{"csdl", "edm"}, ext: ".csdl.json", service: true, help: "OData metadata as JSON", render: func(m *csn.Model, s *csn.Service, f *compileFlags) ([]byte, error) {
			return append(csn.Indent(edmx.JSON(m, s, metadataOptions(f))), '\n'), nil
		}},
		{names: []string{"openapi"}, ext: ".openapi3.json", service: true, help: "OpenAPI of the OData interface; see --openapi:version, --openapi:url", render: renderOpenAPI},
		{names: []string{"asyncapi"}, ext: ".asyncapi.json", part: true, help: "AsyncAPI of the events of a service, or of all", render: func(m *csn.Model, s *csn.Service, _ *compileFlags) ([]byte, error) {
			if s != nil {
				return asyncapi.Generate([]*csn.Service{s}, s.Name)
			}
			return asyncapi.Generate(m.Services, "Events")
		}},
		{names: []string{"xsuaa"}, ext: "-security.json", help: "xs-security.json with the roles and attributes of the restrictions", render: func(m *csn.Model, _ *csn.Service, _ *compileFlags) ([]byte, error) {
			return xssecurity.Generate(m)
		}},
		{names: []string{"mermaid"}, ext: ".mmd", part: true, help: "a class diagram of the entities of a service, or of all", render: func(m *csn.Model, s *csn.Service, _ *compileFlags) ([]byte, error) {
			return mermaid.Generate(m, s), nil
		}},
		{names: []string{"graphql", "gql"}, ext: ".graphql", part: true, help: "a GraphQL schema of a service, or of all", render: func(m *csn.Model, s *csn.Service, _ *compileFlags) ([]byte, error) {
			if s != nil {
				return graphql.Generate([]*csn.Service{s})
			}
			return graphql.Generate(m.Services)
		}},
	}
}

func findTarget(name string) *target {
	for _, t := range targets() {
		for _, n := range t.names {
			if n == name {
				return t
			}
		}
	}
	return nil
}

func targetNames() []string {
	var out []string
	for _, t := range targets() {
		out = append(out, t.names...)
	}
	return out
}

func targetHelp() string {
	var b strings.Builder
	for _, t := range targets() {
		fmt.Fprintf(&b, "  %-14s %s\n", strings.Join(t.names, ", "), t.help)
	}
	return b.String()
}

// run makes the outputs of a target. Diagnostics with errors mean that there are none.
func (t *target) run(src *source, f *compileFlags) ([]output, *token.FileSet, diag.List, error) {
	if f.flavor != "inferred" {
		return t.unlinked(src, f)
	}
	res := src.compile()
	if res.Model == nil {
		return nil, res.Files, res.Diags, nil
	}
	if t.text != nil {
		p := cdl.ParseFiles(src.fsys, src.paths, true, src.options())
		text, err := t.text(p.Trees, f)
		return []output{{name: "model" + t.ext, text: text}}, res.Files, res.Diags, err
	}
	if t.stream != nil {
		stream := func(w io.Writer) error { return t.stream(w, res.Model, f) }
		return []output{{name: "model" + t.ext, stream: stream}}, res.Files, res.Diags, nil
	}
	services := []*csn.Service{nil}
	if t.service || t.part {
		var err error
		if services, err = pickServices(res.Model, f.service, t.service); err != nil {
			return nil, nil, nil, err
		}
	}
	var out []output
	for _, s := range services {
		text, err := t.render(res.Model, s, f)
		if found := ddlFindings(err); found != nil {
			return nil, res.Files, append(res.Diags, found...), nil
		}
		if err != nil {
			return nil, nil, nil, err
		}
		name := "model"
		switch {
		case s != nil:
			name = s.Name
		case t.names[0] == "xsuaa":
			name = "xs"
		}
		out = append(out, output{name: name + t.ext, text: text})
	}
	return out, res.Files, res.Diags, nil
}

// ddlFindings returns the faults of a model that has no counterpart in a database as diagnostics at the entities; nil for other errors.
func ddlFindings(err error) diag.List {
	var out diag.List
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for _, e := range list {
		var de *ddl.Error
		if !errors.As(e, &de) {
			return nil
		}
		out.Errorf(de.Code, de.Span, "%s: %s", de.Entity, de.Msg)
	}
	return out
}

// unlinked writes CSN of the flavours parsed, of the named files alone, and xtended, of all they use too.
func (t *target) unlinked(src *source, f *compileFlags) ([]output, *token.FileSet, diag.List, error) {
	if len(src.paths) == 0 {
		res := src.compile()
		return nil, res.Files, res.Diags, nil
	}
	extended := f.flavor == "xtended"
	res := cdl.ParseFiles(src.fsys, src.paths, extended, src.options())
	if res.Diags.HasErrors() {
		return nil, res.Files, res.Diags, nil
	}
	text := parsed.Marshal(res.Trees, parsed.Options{Extended: extended, Indent: true, Docs: f.docs, Creator: creator()})
	var err error
	if t.names[0] == "yaml" {
		text, err = codegen.YAML(text)
	}
	return []output{{name: "model" + t.ext, text: append(text, '\n')}}, res.Files, res.Diags, err
}

// pickServices returns the services to describe. nil stands for the whole model, for targets that can do without a service.
func pickServices(m *csn.Model, name string, needed bool) ([]*csn.Service, error) {
	var names []string
	for _, s := range m.Services {
		names = append(names, s.Name)
	}
	sort.Strings(names)
	switch {
	case name == "all" && m.Service(name) == nil:
		if len(m.Services) == 0 {
			return nil, usageError{fmt.Errorf("the model has no service")}
		}
		return m.Services, nil
	case name != "":
		if s := m.Service(name); s != nil {
			return []*csn.Service{s}, nil
		}
	case !needed:
		return []*csn.Service{nil}, nil
	case len(names) == 1:
		return m.Services, nil
	}
	return nil, usageError{fmt.Errorf("--service must name one of the model's services, or all: %s", strings.Join(names, ", "))}
}

// metadataOptions are those that metadata documents are served with, so that files and server agree.
func metadataOptions(f *compileFlags) edmx.Options {
	return edmx.Options{Version: f.odataVersion, Author: "https://cap.cloud.sap"}
}

func creator() string { return "cds" }

func writeCSN(w io.Writer, m *csn.Model, f *compileFlags) error {
	return csn.Write(w, m, csn.MarshalOptions{Indent: true, Docs: f.docs})
}

func renderCDL(trees []*ast.File, f *compileFlags) ([]byte, error) {
	return printer.Generate(parsed.Marshal(trees, parsed.Options{Docs: f.docs, Leave: cdl.IsReuse}))
}

func renderSQL(m *csn.Model, _ *csn.Service, f *compileFlags) ([]byte, error) {
	dialect := sqlite.New().Dialect()
	if f.dialect == "postgres" {
		dialect = postgres.Dialect()
	}
	stmts, err := ddl.Create(m, dialect)
	if err != nil {
		return nil, err
	}
	return []byte(strings.Join(stmts, ";\n\n") + ";\n"), nil
}

func renderOpenAPI(m *csn.Model, s *csn.Service, f *compileFlags) ([]byte, error) {
	opt := openapi.Options{Version: "3.0"}
	if strings.HasPrefix(f.openapiVersion, "3.1") {
		opt.Version = "3.1"
	}
	if f.openapiURL != "" {
		path := ""
		for _, e := range cds.Endpoints(s) {
			if e.Protocol == "odata" {
				path = e.Path
				break
			}
		}
		opt.Servers = []string{strings.ReplaceAll(f.openapiURL, "${service-path}", path)}
	}
	return openapi.Generate(m, s, opt)
}
