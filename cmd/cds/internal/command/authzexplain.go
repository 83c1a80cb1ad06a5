package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/config"
	"cds/runtime/crypt"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/explain"
	"cds/runtime/serve"
	"cds/strategies/mocked"

	"github.com/spf13/cobra"
)

// authzExplainFlags are the flags of cds authz explain.
type authzExplainFlags struct {
	ask           explain.Ask
	user, tenant  string
	roles, attrs  []string
	profile, to   string
	offline, json bool
}

func (e *env) authzExplain() *cobra.Command {
	var f authzExplainFlags
	cmd := &cobra.Command{
		Use:   "explain [folder]",
		Short: "Say why a user may or may not do something, and what would have to be different",
		Long: `Shows how a decision comes about: the verdict and the HTTP status; every privilege that was asked, with its place in the model; which part of a condition
fails, with the values it compared; the SQL that the database is asked; how many rows conditions hide; and the smallest change of roles, attributes or
user that would allow it.

The user is one of requires.auth.users, or any name; --role, --attr and --tenant add to what is configured. Without --user nobody is logged in. The rows
are those of the configured database, which is only read; a database in memory is filled from the project's CSV files. --offline asks none.`,
		Example: "  cds authz explain --user bob --target CatalogService.Books --event UPDATE --key 201\n" +
			"  cds authz explain --user eve --role Support --attr country=DE --target OrderService.Orders",
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			defer oneShot()()
			if f.ask.Target == "" {
				return e.usageText("cds authz explain --target Service.Entity[.element|.action] [--event E] [--user U] [--key K]")
			}
			return e.runAuthzExplain(cmd.Context(), args, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.ask.Target, "target", "", "service, entity, operation or element, by its absolute name; /association may follow an entity")
	fl.StringVar(&f.ask.Event, "event", "", "READ, CREATE, UPDATE, DELETE, UPSERT or the name of an operation (default READ)")
	fl.StringVar(&f.ask.Key, "key", "", "one row, by its key: 201, or name=value,name=value")
	fl.StringVar(&f.user, "user", "", "who asks (default: nobody is logged in)")
	fl.StringArrayVar(&f.roles, "role", nil, "a role more; may be repeated")
	fl.StringArrayVar(&f.attrs, "attr", nil, "a value more of an attribute, as name=value; may be repeated")
	fl.StringVar(&f.tenant, "tenant", "", "the user's tenant")
	fl.StringVar(&f.profile, "profile", "", "configuration profiles, separated by commas")
	fl.StringVarP(&f.to, "to", "2", "", "database: sqlite[:file] or postgres[:url]; by default the configured one")
	fl.BoolVar(&f.offline, "offline", false, "ask no database")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func (e *env) runAuthzExplain(ctx context.Context, args []string, f *authzExplainFlags) error {
	p, err := newProject(args, f.profile)
	if err != nil {
		return err
	}
	res, err := p.compile()
	if err != nil {
		return err
	}
	if res.Model == nil || res.Diags.HasErrors() {
		return &serve.ModelError{Diags: res.Diags, Files: res.Files}
	}
	opt := serve.Options{Dir: p.dir, Profiles: p.profiles}
	cfg, err := serve.LoadConfig(opt)
	if err != nil {
		return err
	}
	if f.ask.User, err = f.asUser(cfg); err != nil {
		return err
	}
	keys, err := serve.KeysOf(cfg)
	if err != nil {
		return err
	}
	if keys == nil {
		keys = crypt.Samples() // of rows in memory, or of which only keys are read
	}
	app, diags := cds.NewApp(res.Model, cds.AppOptions{Log: slog.New(slog.DiscardHandler), Authz: authz.Options{
		Strict:              cfg.Bool("requires.auth.strict", true),
		RestrictAllServices: cfg.Bool("requires.auth.restrict_all_services", !openProfiles(cfg.Profiles)),
		Disclose:            cfg.Bool("authz.disclose", false),
	}, Production: cfg.Is(config.Production), Keys: keys})
	if app == nil {
		return &serve.ModelError{Diags: diags, Files: res.Files}
	}
	if !f.offline {
		pool, err := e.readable(ctx, cfg, opt, res.Model, f.to, keys)
		if err != nil {
			return err
		}
		if pool != nil {
			defer pool.Close()
			app.Connect(pool)
			if err := explainPolicies(ctx, cfg, app, pool); err != nil {
				return err
			}
		}
	}
	r, err := explain.Of(ctx, app, f.ask, sqlite.Dialect())
	if err != nil {
		var ee *explain.Error
		if errors.As(err, &ee) {
			return &serve.StartError{Code: "authz-explain", Message: ee.Message, Hint: ee.Hint}
		}
		return err
	}
	if f.json {
		enc := json.NewEncoder(e.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	return r.Text(e.out)
}

// readable opens the database whose rows are to be told of. One in memory is filled from the project's data. A file that is not there is none.
func (e *env) readable(ctx context.Context, cfg *config.Config, opt serve.Options, m *csn.Model, to string, keys *crypt.Ring) (db.Pool, error) {
	var d serve.Database
	var err error
	if to != "" {
		d, err = deployTarget(cfg, opt, to)
	} else {
		d, err = serve.DatabaseOf(cfg, opt)
	}
	if err != nil {
		return nil, err
	}
	if d.Kind == "sqlite" && !d.Memory {
		if _, err := os.Stat(d.Config.URL); errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(e.err, "note: there is no database yet: %s\n", d.Shown)
			return nil, nil
		}
	}
	pool, err := d.Open(ctx, databases())
	if err != nil {
		return nil, explainOpen(err)
	}
	if d.Memory {
		dep := deploy.Options{Files: os.DirFS(opt.Dir), Log: slog.New(slog.DiscardHandler), TestData: !cfg.Is(config.Production), Integrity: d.Config.ForeignKeys, Keys: keys}
		if err := deploy.New(ctx, pool, m, dep); err != nil {
			pool.Close()
			return nil, err
		}
	}
	return pool, nil
}

// asUser is who asks: as configured, with what the flags add; nil for nobody.
func (f *authzExplainFlags) asUser(cfg *config.Config) (*auth.User, error) {
	if f.user == "" {
		if len(f.roles)+len(f.attrs) > 0 || f.tenant != "" {
			return nil, usageError{errors.New("--role, --attr and --tenant need --user")}
		}
		return nil, nil
	}
	u := auth.User{ID: f.user, Tenant: f.tenant, Attrs: map[string][]string{}}
	users := cfg.Sub("requires.auth.users")
	if cfg.Str("requires.auth.kind") == "mocked" {
		users = config.Merge(config.Section(mocked.Defaults()).Sub("users"), users)
	}
	section := users.Sub(f.user)
	if u.Tenant == "" {
		u.Tenant = section.Str("tenant")
	}
	attrs := section.Sub("attr")
	for _, name := range attrs.Keys() {
		u.Attrs[name] = attrs.Strings(name)
	}
	for _, a := range f.attrs {
		name, value, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("--attr is written as name=value, not %q", a)}
		}
		u.Attrs[name] = append(u.Attrs[name], value)
	}
	roles := append(section.Strings("roles"), f.roles...)
	for _, k := range []struct {
		role string
		kind auth.Kind
	}{{auth.RoleSystem, auth.KindSystem}, {auth.RoleInternal, auth.KindInternal}} {
		if slices.Contains(roles, k.role) {
			u.Kind = k.kind
		}
	}
	return auth.New(u, roles...), nil
}
