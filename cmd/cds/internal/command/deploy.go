package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cds/parser/csn"
	"cds/runtime/authstore"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/rls"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

// deployFlags are the flags of deploy.
type deployFlags struct {
	to, profile, out  string
	dry, script       bool
	allowDrop, fresh  bool
	noIndexes, noData bool
	rows              bool
}

func (e *env) deploy() *cobra.Command {
	var f deployFlags
	cmd := &cobra.Command{
		Use:   "deploy [dir]",
		Short: "Deploy a project's model and data to a database",
		Long: `Deploy the models of a project to its configured database, or to the one that --to names: tables, views, indexes, and the data of CSV and JSON
files, whose rows replace those with the same key. What is deployed is remembered in the table cds_model. A database that was deployed before is
changed to what the model has become: the plan is shown, then carried out in one transaction. What would lose data is refused: tables and
columns are dropped with --allow-drop only, and nothing ever becomes narrower.`,
		Example: `  cds deploy --to sqlite:db.sqlite
  cds deploy --to postgres:postgres://user:password@localhost/bookshop --dry
  cds deploy --profile production --script --out migration.sql`,
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.runDeploy(cmd.Context(), args, &f) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.to, "to", "2", "", "database: sqlite[:file] or postgres[:url]; by default the configured one")
	fl.StringVar(&f.profile, "profile", "", "configuration profiles, separated by commas")
	fl.BoolVar(&f.dry, "dry", false, "print the SQL, do nothing")
	fl.BoolVar(&f.script, "script", false, "like --dry, as a script for other tools: with the plan as comments, in a transaction, and with what remembers the deployment")
	fl.StringVarP(&f.out, "out", "o", "", "write the SQL of --dry or --script to a file")
	fl.BoolVar(&f.allowDrop, "allow-drop", false, "drop tables and columns that the model does not have any more, with their data")
	fl.BoolVar(&f.fresh, "fresh", false, "drop all that the model has in the database, with all data, and begin anew")
	fl.BoolVar(&f.noIndexes, "no-indexes", false, "make no indexes for associations and restrictions (requires.db.indexes: false)")
	fl.BoolVar(&f.rows, "rls", false, "row-level security (PostgreSQL): an error if requires.db.rls does not say for whom; it is deployed wherever that is configured")
	fl.BoolVar(&f.noData, "model-only", false, "load no data")
	return cmd
}

// errDry ends a deployment that is only looked at.
var errDry = errors.New("nothing was done")

// A destination is the database that a command works on, with the project that says so.
type destination struct {
	*project
	cfg      *config.Config
	model    *csn.Model
	database serve.Database
}

// destination finds the database of a project, or the one that --to names, with the services that are bound to the project.
func (e *env) destination(ctx context.Context, args []string, f *deployFlags) (*destination, error) {
	p, err := newProject(args, f.profile)
	if err != nil {
		return nil, err
	}
	opt := serve.Options{Dir: p.dir, Profiles: p.profiles}
	if opt.Env, err = e.environ(ctx, p); err != nil {
		return nil, err
	}
	to := &destination{project: p}
	if to.cfg, err = serve.LoadConfig(opt); err != nil {
		return nil, err
	}
	if to.database, err = deployTarget(to.cfg, opt, f.to); err != nil {
		return nil, err
	}
	res, err := e.compiled(p)
	if err != nil {
		return nil, err
	}
	to.model = res.Model
	return to, nil
}

func (e *env) runDeploy(ctx context.Context, args []string, f *deployFlags) error {
	to, err := e.destination(ctx, args, f)
	if err != nil {
		return err
	}
	if e := authstore.Taken(to.model); e != nil && needsAuthTables(to.cfg) {
		return authError(authstore.Blocked(e).Prepare(ctx))
	}
	dep := deploy.Options{
		Log: slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: noTime})), TestData: !to.cfg.Is(config.Production),
		NoIndexes: f.noIndexes || !to.cfg.Bool("requires.db.indexes", true), Integrity: to.cfg.Str("features.assert_integrity") == "db",
		AllowDrop: f.allowDrop, Fresh: f.fresh,
	}
	if dep.Keys, err = serve.KeysOf(to.cfg); err != nil {
		return err
	}
	if !f.noData {
		dep.Files = os.DirFS(to.dir)
	}
	if dep.Rows, err = rowsOf(to.cfg, &to.database, to.model, f); err != nil {
		return err
	}
	if f.dry || f.script {
		return e.dryDeploy(ctx, to.database, to.model, dep, f)
	}
	pool, err := to.database.Open(ctx, databases())
	if err != nil {
		return explainOpen(err)
	}
	defer func() { _ = pool.Close() }()
	dep.Show = func(pl *deploy.Plan) error {
		showPlan(e.err, pl)
		showRows(e.err, dep.Rows)
		return nil
	}
	if err := e.ownTables(ctx, to.cfg, pool, to.model); err != nil {
		return err
	}
	if err := deploy.Evolve(ctx, pool, to.model, dep); err != nil {
		return err
	}
	fmt.Fprintf(e.err, "/> successfully deployed to %s\n", strings.TrimPrefix(to.database.Shown, "sqlite "))
	return nil
}

func noTime(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		return slog.Attr{}
	}
	return a
}

func databases() map[string]db.Driver {
	s, p := sqlite.New(), postgres.New()
	return map[string]db.Driver{s.Name(): s, p.Name(): p}
}

// explainOpen adds the driver's reason, which those who deploy may read: it has no password in it.
func explainOpen(err error) error {
	var se *serve.StartError
	if !errors.As(err, &se) || se.Code != "db-connect" {
		return err
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		if many, ok := cause.(interface{ Unwrap() []error }); ok {
			list := many.Unwrap()
			return &serve.StartError{Code: se.Code, Message: fmt.Sprintf("%s: %v", se.Message, list[len(list)-1]), Hint: se.Hint}
		}
	}
	return err
}

// deployTarget is the configured database, or what --to says: a kind, and a file or URL behind a colon.
func deployTarget(cfg *config.Config, opt serve.Options, to string) (serve.Database, error) {
	kind, param, _ := strings.Cut(to, ":")
	if kind == "postgres" && strings.HasPrefix(param, "//") || kind == "postgresql" { // the URL itself
		kind, param = "postgres", to
	}
	switch kind {
	case "":
	case "sqlite", "postgres":
		db := map[string]any{"kind": kind}
		switch {
		case param != "":
			db["credentials"] = map[string]any{"url": param}
		case kind == cfg.Str("requires.db.kind"):
			db["credentials"] = map[string]any(cfg.Sub("requires.db.credentials"))
		case kind == "sqlite":
			db["credentials"] = map[string]any{"url": "db.sqlite"}
		}
		if kind == "sqlite" && param == "" {
			if u := config.Section(db).Str("credentials.url"); u == "" || u == ":memory:" {
				db["credentials"] = map[string]any{"url": "db.sqlite"}
			}
		}
		old := cfg.Sub("requires.db")
		delete(old, "credentials")
		cfg.Section = config.Merge(cfg.Section, config.Section{"requires": map[string]any{"db": db}})
	default:
		return serve.Database{}, usageError{fmt.Errorf("--to: the database %q is not known: expected sqlite[:file] or postgres[:url]", kind)}
	}
	d, err := serve.DatabaseOf(cfg, opt)
	if err == nil && d.Memory {
		return d, &serve.StartError{Code: "deploy-no-database", Message: "the configured database is in memory: there is nothing to deploy to",
			Hint: "name one: --to sqlite:db.sqlite, or configure requires.db"}
	}
	return d, err
}

// dryDeploy prints what a deployment would do. A database that is not there yet is taken for an empty one.
func (e *env) dryDeploy(ctx context.Context, target serve.Database, m *csn.Model, dep deploy.Options, f *deployFlags) error {
	driver := databases()[target.Kind]
	var plan *deploy.Plan
	missing := false
	if target.Kind == "sqlite" {
		_, err := os.Stat(target.Config.URL)
		missing = errors.Is(err, fs.ErrNotExist)
	}
	if !missing {
		pool, err := target.Open(ctx, databases())
		if err != nil {
			if !errors.Is(err, db.ErrBusy) {
				return explainOpen(err)
			}
			fmt.Fprintf(e.err, "note: %s cannot be reached; this is the SQL for an empty database\n", target.Shown)
			missing = true
		} else {
			defer func() { _ = pool.Close() }()
			dep.Show = func(p *deploy.Plan) error { plan = p; return errDry }
			if err := deploy.Evolve(ctx, pool, m, dep); !errors.Is(err, errDry) {
				return err
			}
		}
	}
	if missing {
		var err error
		if plan, err = deploy.PlanFor(m, driver.Dialect(), dep); err != nil {
			return err
		}
	}
	out := e.out
	if f.out != "" {
		file, err := os.OpenFile(filepath.Clean(f.out), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
		if err != nil {
			return &serve.StartError{Code: "deploy-output", Message: "the file of --out cannot be written: " + f.out, Hint: "check the folder and its permissions"}
		}
		defer func() { _ = file.Close() }()
		out = file
	}
	printSQL(out, plan, f.script)
	for _, r := range plan.Refused {
		fmt.Fprintf(e.err, "error[%s]: %s\n  hint: %s\n", r.Code, r.Message, r.Hint)
	}
	if len(plan.Refused) > 0 {
		return silent{errors.New("refused")}
	}
	return nil
}

// printSQL writes statements. A script has the plan in comments and remembers the deployment.
func printSQL(w io.Writer, p *deploy.Plan, script bool) {
	stmts := slices.Concat(p.Unlock, p.SQL, p.Rows)
	if script {
		stmts = slices.Concat(p.Unlock, p.Script(), p.Rows)
		for _, c := range p.Changes {
			fmt.Fprintln(w, "--", strings.ReplaceAll(c.String(), "\n", " "))
		}
		for _, r := range p.Refused {
			fmt.Fprintln(w, "-- refused:", strings.ReplaceAll(r.Message, "\n", " "))
		}
		fmt.Fprint(w, "BEGIN;\n\n")
	}
	for _, s := range stmts {
		fmt.Fprint(w, s, ";\n\n")
	}
	if len(p.Rows) > 0 {
		fmt.Fprintf(w, "-- The key in %s is secret: cds deploy writes it.\n\n", rls.KeyTable)
	}
	if script {
		fmt.Fprint(w, "COMMIT;\n")
	}
}

// shownChanges bounds how much of a first deployment is listed.
const shownChanges = 200

// showPlan tells people what is about to be done. Of a first deployment the indexes are listed, since nobody has asked for them by name.
func showPlan(w io.Writer, p *deploy.Plan) {
	if p.Same {
		fmt.Fprintln(w, "  the database has everything already")
		return
	}
	n := map[string]int{}
	shown := 0
	for _, c := range p.Changes {
		n[c.Kind]++
		if p.First && (c.Kind == "create table" || c.Kind == "create view") {
			continue
		}
		if shown++; shown <= shownChanges {
			fmt.Fprintln(w, " ", c)
		}
	}
	if shown > shownChanges {
		fmt.Fprintf(w, "  … and %d more\n", shown-shownChanges)
	}
	if p.First {
		fmt.Fprintf(w, "  %d tables, %d views, %d indexes\n", n["create table"], n["create view"], n["create index"])
	}
}
