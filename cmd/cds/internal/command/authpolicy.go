package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strings"

	cdl "cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/audit"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/policies"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

// policyFlags are what a policy says on the command line.
type policyFlags struct {
	name, entity, effect, where, tenant string
	events, roles, users                []string
	inactive, json                      bool
}

func (e *env) authPolicy(f *authFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Policies in the database, beside those of the model",
		Long: `Write, list and remove policies that are kept in the database and narrow what the model allows. Servers of the project take them over within
authz.policies.refresh, by default 5 seconds. They count where authz.policies is configured.`,
		RunE: func(*cobra.Command, []string) error {
			return e.usageText("cds auth policy add/list/on/off/remove/check")
		},
	}
	cmd.AddCommand(e.policyAdd(f), e.policyList(f), e.policySwitch(f, true), e.policySwitch(f, false), e.policyRemove(f), e.policyCheck(f))
	for _, c := range cmd.Commands() {
		f.databaseFlag(c)
	}
	return cmd
}

// A policyDB is the project with its model and the policies in its database.
type policyDB struct {
	*policies.Manager
	pool db.Pool
	user *auth.User // who works on the command line, for the audit log
}

func (d *policyDB) close() { _ = d.pool.Close() }

// openPolicies compiles the project and opens its database.
func (e *env) openPolicies(ctx context.Context, f *authFlags) (*policyDB, error) {
	p, err := newProject([]string{f.dir}, f.profile)
	if err != nil {
		return nil, err
	}
	res, err := p.compile()
	if err != nil {
		return nil, err
	}
	if res.Model == nil || res.Diags.HasErrors() {
		return nil, &serve.ModelError{Diags: res.Diags, Files: res.Files}
	}
	opt := serve.Options{Dir: p.dir, Profiles: p.profiles}
	cfg, err := serve.LoadConfig(opt)
	if err != nil {
		return nil, err
	}
	section, err := policies.FromConfig(cfg.Sub("authz"))
	if err != nil {
		return nil, err
	}
	if !section.On {
		fmt.Fprintln(e.err, "note: authz.policies is not configured; policies in the database count where it is")
	}
	app, diags := cds.NewApp(res.Model, policyAppOptions(cfg))
	if app == nil {
		return nil, &serve.ModelError{Diags: diags, Files: res.Files}
	}
	pool, err := e.openForPolicies(ctx, f, cfg, opt)
	if err != nil {
		return nil, err
	}
	app.Connect(pool)
	d := &policyDB{pool: pool, user: operator()}
	mo := policies.Options{Extend: section.Extend, Parse: cdl.ParseExpr}
	err = d.audited(ctx, app, cfg, opt, &mo)
	if err == nil {
		d.Manager, err = policies.Open(ctx, app, pool, mo)
	}
	if err != nil {
		d.close()
		return nil, policyError(err)
	}
	return d, nil
}

// policyAppOptions are the options that change what the model's restrictions mean.
func policyAppOptions(cfg *config.Config) cds.AppOptions {
	return cds.AppOptions{Log: slog.New(slog.DiscardHandler), Authz: authz.Options{
		Strict:              cfg.Bool("requires.auth.strict", true),
		RestrictAllServices: cfg.Bool("requires.auth.restrict_all_services", !openProfiles(cfg.Profiles)),
		Disclose:            cfg.Bool("authz.disclose", false),
	}, Production: cfg.Is(config.Production)}
}

// openForPolicies opens a database that outlives the command.
func (e *env) openForPolicies(ctx context.Context, f *authFlags, cfg *config.Config, opt serve.Options) (db.Pool, error) {
	target, err := deployTarget(cfg, opt, f.to)
	if err != nil {
		var se *serve.StartError
		if errors.As(err, &se) && se.Code == "deploy-no-database" {
			return nil, &serve.StartError{Code: "policies-no-database", Message: "the configured database is in memory: policies in it would be gone when the command ends", Hint: se.Hint}
		}
		return nil, err
	}
	if target.Kind == "sqlite" {
		if _, err := os.Stat(target.Config.URL); errors.Is(err, fs.ErrNotExist) {
			return nil, &serve.StartError{Code: "policies-no-database", Message: "there is no database yet: " + target.Shown, Hint: "cds deploy makes it"}
		}
	}
	pool, err := target.Open(ctx, databases())
	if err != nil {
		return nil, explainOpen(err)
	}
	return pool, nil
}

// audited keeps account of what the command changes as the server would. Sinks other than the table get the records from a server.
func (d *policyDB) audited(ctx context.Context, app *cds.App, cfg *config.Config, opt serve.Options, mo *policies.Options) error {
	ao, err := audit.FromConfig(cfg.Sub("audit"), audit.HasPersonalData(app.Model), audit.Place{Dir: opt.Dir, Out: os.Stdout, Production: cfg.Is(config.Production)})
	if err != nil || !ao.Enabled {
		return err
	}
	ao.Now, ao.NewID, ao.Log = app.Options.Now, app.Options.NewUUID, app.Options.Log
	log, err := audit.Open(ctx, app.Model, d.pool, ao)
	if err != nil {
		return err
	}
	mo.Audit = log
	return nil
}

// operator is who works on this machine.
func operator() *auth.User {
	name := "?"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return auth.New(auth.User{ID: "cli:" + name})
}

// makePolicyTable makes the table of policies, where the configuration asks for them.
func makePolicyTable(ctx context.Context, cfg *config.Config, pool db.Pool, m *csn.Model) error {
	section, err := policies.FromConfig(cfg.Sub("authz"))
	if err != nil || !section.On {
		return err
	}
	if e := policies.Taken(m); e != nil {
		return &serve.StartError{Code: "policies-table", Message: "entity " + e.Name + " has the table of policies", Hint: "rename it"}
	}
	return policyError(policies.Prepare(ctx, pool))
}

// explainPolicies lets the policies of a database count for an explanation, where the configuration asks for them.
func explainPolicies(ctx context.Context, cfg *config.Config, app *cds.App, pool db.Pool) error {
	section, err := policies.FromConfig(cfg.Sub("authz"))
	if err != nil || !section.On {
		return err
	}
	_, err = policies.Load(ctx, app, pool, policies.Options{Extend: section.Extend, Parse: cdl.ParseExpr})
	return policyError(err)
}

// policyError shows errors of policies in the form of the others.
func policyError(err error) error {
	var pe *policies.Error
	var te *policies.TableError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pe):
		return &serve.StartError{Code: "policy-invalid", Message: pe.Message, Hint: pe.Hint}
	case errors.As(err, &te):
		m := te.Error()
		if te.Cause != nil {
			m += ": " + te.Cause.Error()
		}
		return &serve.StartError{Code: "policies-table", Message: m}
	case errors.Is(err, policies.ErrExists):
		return &serve.StartError{Code: "policy-exists", Message: err.Error(), Hint: "cds auth policy list shows those that are there"}
	case errors.Is(err, policies.ErrNotFound):
		return &serve.StartError{Code: "policy-unknown", Message: err.Error(), Hint: "cds auth policy list shows those that are there; --tenant names the tenant of one"}
	case errors.Is(err, policies.ErrFull):
		return &serve.StartError{Code: "policies-full", Message: err.Error()}
	}
	return err
}

// withPolicies runs a command with the project's policies.
func (e *env) withPolicies(cmd *cobra.Command, f *authFlags, run func(ctx context.Context, d *policyDB) error) error {
	defer oneShot()()
	d, err := e.openPolicies(cmd.Context(), f)
	if err != nil {
		return err
	}
	defer d.close()
	return policyError(run(cmd.Context(), d))
}

func (e *env) policyAdd(f *authFlags) *cobra.Command {
	const usage = "cds auth policy add [id] --entity Service.Entity [--event READ] [--role R] [--user U] [--tenant T] [--effect restrict|deny|grant] [--where CONDITION]"
	var p policyFlags
	cmd := &cobra.Command{
		Use:   "add [id]",
		Short: "Add a policy",
		Long: `Add a policy. Its condition is checked against the model and the database. A policy with a condition restricts to the rows that fulfil it, unless
--effect says deny; one without a condition denies. What may be granted is said by the model alone, unless authz.policies is 'extend'.`,
		Example: "  cds auth policy add germany --entity CatalogService.Orders --event READ --role clerk --where \"country = 'DE'\"\n" +
			"  cds auth policy add freeze --entity '*' --event WRITE --name 'No changes over the holidays'",
		Args: e.between(0, 1, usage),
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.entity == "" {
				return e.usageText(usage)
			}
			in := &policies.Policy{Name: p.name, Entity: p.entity, Events: nonEmpty(p.events), Roles: nonEmpty(p.roles), Users: nonEmpty(p.users), Tenant: p.tenant,
				Effect: p.effect, Where: p.where, Active: !p.inactive}
			if len(args) == 1 {
				in.ID = args[0]
			}
			if in.Effect == "" {
				if in.Effect = string(authz.Restrict); in.Where == "" {
					in.Effect = string(authz.Refuse)
				}
			}
			return e.withPolicies(cmd, f, func(ctx context.Context, d *policyDB) error {
				warnings, err := d.Add(ctx, d.user, in)
				if err != nil {
					return err
				}
				for _, w := range warnings {
					fmt.Fprintln(e.err, "warning: "+w)
				}
				if p.json {
					return e.asJSON(in)
				}
				fmt.Fprintf(e.out, "policy %s is added: %s\n", in.ID, in)
				return nil
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&p.name, "name", "", "what it is for, for people")
	fl.StringVar(&p.entity, "entity", "", "entity of a service, a service for all that is in it, or * for all services")
	fl.StringArrayVar(&p.events, "event", nil, "READ, CREATE, UPDATE, DELETE, WRITE or the name of an operation; may be repeated (default: all)")
	fl.StringArrayVar(&p.roles, "role", nil, "whom it is for; may be repeated (default: everybody)")
	fl.StringArrayVar(&p.users, "user", nil, "id of a user whom it is for in addition; may be repeated")
	fl.StringVar(&p.tenant, "tenant", "", "for users of one tenant only")
	fl.StringVar(&p.effect, "effect", "", "restrict, deny or grant (default: restrict with a condition, else deny)")
	fl.StringVar(&p.where, "where", "", "condition on rows, as where of @restrict")
	fl.BoolVar(&p.inactive, "inactive", false, "write it without letting it count")
	fl.BoolVar(&p.json, "json", false, "print JSON")
	return cmd
}

func (e *env) asJSON(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (e *env) policyList(f *authFlags) *cobra.Command {
	var asJSON bool
	var tenant string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the policies, with what is wrong with them",
		Args:  e.between(0, 0, "cds auth policy list [--json]"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.withPolicies(cmd, f, func(ctx context.Context, d *policyDB) error {
				var list []policies.Checked
				var err error
				if cmd.Flags().Changed("tenant") {
					list, err = d.ListOf(ctx, tenant)
				} else {
					list, err = d.List(ctx)
				}
				if err != nil {
					return err
				}
				if asJSON {
					return e.asJSON(list)
				}
				for i := range list {
					e.showPolicy(&list[i])
				}
				e.countPolicies(list)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&tenant, "tenant", "", "only those for users of one tenant, or with '' those for users of all tenants")
	return cmd
}

// countPolicies says how many there are of those that there may be: for the users of each tenant, and for those of all.
func (e *env) countPolicies(list []policies.Checked) {
	if len(list) == 0 {
		fmt.Fprintf(e.out, "0 of at most %d\n", policies.MaxPolicies)
	}
	for len(list) > 0 {
		tenant, n := list[0].Tenant, 1
		for n < len(list) && list[n].Tenant == tenant {
			n++
		}
		whose := ""
		if tenant != "" {
			whose = " for users of " + tenant
		}
		fmt.Fprintf(e.out, "%d of at most %d%s\n", n, policies.MaxPolicies, whose)
		list = list[n:]
	}
}

func (e *env) showPolicy(p *policies.Checked) {
	name := p.Name
	if name != "" {
		name = "  " + name
	}
	fmt.Fprintf(e.out, "%s%s\n    %s\n    written %s by %s\n", p.ID, name, p.String(), p.Created.Format("2006-01-02 15:04:05"), p.CreatedBy)
	if p.Fault != "" {
		fmt.Fprintf(e.out, "    does not fit the model: %s\n", p.Fault)
	}
	if p.Denies != "" {
		fmt.Fprintf(e.out, "    so it denies %s\n", p.Denies)
	}
}

func (e *env) policySwitch(f *authFlags, on bool) *cobra.Command {
	use, short, done := "off", "Switch policies off, without removing them", "is off"
	if on {
		use, short, done = "on", "Switch policies on again", "is on"
	}
	cmd := &cobra.Command{Use: use + " <id>…", Short: short}
	e.eachPolicy(cmd, f, done, func(ctx context.Context, d *policyDB, tenant, id string) error {
		return d.Activate(ctx, d.user, tenant, id, on)
	})
	return cmd
}

func (e *env) policyRemove(f *authFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "remove <id>…", Aliases: []string{"delete", "rm"}, Short: "Remove policies"}
	e.eachPolicy(cmd, f, "is removed", func(ctx context.Context, d *policyDB, tenant, id string) error {
		return d.Remove(ctx, d.user, tenant, id)
	})
	return cmd
}

// eachPolicy makes a command that does something with policies by their ids.
func (e *env) eachPolicy(cmd *cobra.Command, f *authFlags, done string, do func(ctx context.Context, d *policyDB, tenant, id string) error) {
	var tenant string
	cmd.Args = e.between(1, policies.MaxPolicies, "cds auth policy "+cmd.Use+" [--tenant T]")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.withPolicies(cmd, f, func(ctx context.Context, d *policyDB) error {
			for _, id := range args {
				if err := do(ctx, d, tenant, id); err != nil {
					return err
				}
				fmt.Fprintf(e.out, "policy %s %s\n", id, done)
			}
			return nil
		})
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "the tenant whose users they are for (default: those for users of all tenants)")
}

func (e *env) policyCheck(f *authFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check that all policies fit the model, before a new version of it is deployed",
		Long: `Checks all policies in the database against the model of the project. The exit code is 1 if one does not fit: a server with that model
would deny what the policy is about.`,
		Args: e.between(0, 0, "cds auth policy check"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.withPolicies(cmd, f, func(ctx context.Context, d *policyDB) error {
				list, err := d.List(ctx)
				if err != nil {
					return err
				}
				bad := slices.DeleteFunc(list, func(p policies.Checked) bool { return p.Fault == "" })
				for i := range bad {
					e.showPolicy(&bad[i])
				}
				if len(bad) > 0 {
					return &serve.StartError{Code: "policies-unfit", Message: fmt.Sprintf("%d policies do not fit the model", len(bad)),
						Hint: "mend the model, or remove them: " + strings.Join(ids(bad), ", ")}
				}
				fmt.Fprintln(e.out, "all policies fit the model")
				return nil
			})
		},
	}
}

func ids(list []policies.Checked) []string {
	out := make([]string, len(list))
	for i := range list {
		if out[i] = list[i].ID; list[i].Tenant != "" {
			out[i] += " of " + list[i].Tenant
		}
	}
	return out
}
