package command

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"

	"cds/codegen/openapi"
	cdl "cds/parser"
	"cds/parser/csn"
	"cds/parser/load"
	"cds/runtime/config"
	"cds/runtime/db/postgres"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies"
)

// A project is a folder with models, data, configuration and maybe Go code.
type project struct {
	dir      string
	profiles []string
	cache    *load.Cache
	resolver *resolver // of bound services; nil until it is needed
	lenient  bool      // requires.auth.strict is false; known after compile
}

func newProject(args []string, profile string) (*project, error) {
	dir := "."
	if len(args) > 0 {
		dir = args[0]
	}
	st, err := os.Stat(dir)
	if err != nil || !st.IsDir() {
		return nil, &serve.StartError{Code: "no-project", Message: "there is no folder " + dir, Hint: "name the folder of a project: one with db/, srv/ or .cds files"}
	}
	return &project{dir: dir, profiles: serve.SplitProfiles(profile), cache: load.NewCache()}, nil
}

// compile compiles the project's models. The result's diagnostics include warnings.
func (p *project) compile() (*cdl.Result, error) {
	cfg, err := serve.LoadConfig(serve.Options{Dir: p.dir, Profiles: p.profiles})
	if err != nil {
		return nil, err
	}
	p.lenient = !cfg.Bool("requires.auth.strict", true)
	if err := configuredNames(cfg); err != nil {
		return nil, err
	}
	severities, err := severitiesOf(configured(cfg), messages())
	if err != nil {
		return nil, &serve.StartError{Code: "config-severities", Message: "cdsc.severities: " + err.Error(), Hint: "cds explain CODE tells what a message may be"}
	}
	return cdl.CompileProject(os.DirFS(p.dir), cdl.Options{Strict: !p.lenient, Cache: p.cache, Severities: severities,
		Models: configuredModels(cfg), StringLength: cfg.Int("cdsc.defaultStringLength", 0)}), nil
}

// compiled compiles the models of a project and shows what there is to say of them. Where that leaves no model, the error has been shown.
func (e *env) compiled(p *project) (*cdl.Result, error) {
	res, err := p.compile()
	if err != nil {
		return nil, err
	}
	e.diagnostics(res.Diags, res.Files)
	if res.Model == nil {
		return nil, silent{res.Diags}
	}
	return res, nil
}

// configuredNames refuses a kind of names in the database that is not made: tables of other names would be looked for.
func configuredNames(cfg *config.Config) error {
	for _, key := range []string{"sql.names", "sql_mapping", "cdsc.sqlMapping"} {
		if err := checkNames(cfg.Str(key)); err != nil {
			return &serve.StartError{Code: "config-sql-names", Message: key + ": " + err.Error(), Hint: "leave the setting out, or set it to plain"}
		}
	}
	return nil
}

// app is the application that serves the project's models without Go code.
func (p *project) app(m *csn.Model) *serve.App {
	return newApp(func() (*csn.Model, error) { return m, nil })
}

func newApp(model func() (*csn.Model, error)) *serve.App {
	app := serve.New(model)
	app.Databases(sqlite.New(), postgres.New())
	app.Strategies(strategies.Builtin())
	app.OpenAPI(openapi.REST)
	app.OpenAPIByRole(openapi.RESTByRole)
	app.Conditions(cdl.ParseExpr)
	return app
}

// hasGoMain reports whether the project's folder is a Go main package.
func (p *project) hasGoMain() bool {
	files, _ := filepath.Glob(filepath.Join(p.dir, "*.go"))
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		if ast, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.PackageClauseOnly); err == nil && ast.Name.Name == "main" {
			return true
		}
	}
	return false
}
