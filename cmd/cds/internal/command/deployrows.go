package command

import (
	"context"
	"fmt"
	"io"

	"cds/parser/csn"
	"cds/runtime/audit"
	"cds/runtime/authz"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/deploy"
	"cds/runtime/policies"
	"cds/runtime/rls"
	"cds/runtime/serve"
	"cds/runtime/sqlgen/ddl"
)

// rowsOf is the row-level security that a deployment brings along, nil for none. Whoever deploys owns the tables and is not held to it.
func rowsOf(cfg *config.Config, target *serve.Database, m *csn.Model, f *deployFlags) (*deploy.RowSecurity, error) {
	if target.Kind != "postgres" {
		if f.rows {
			return nil, &serve.StartError{Code: "rls-database", Message: "row-level security needs PostgreSQL, and the database is " + target.Shown, Hint: "deploy without --rls, or to another database"}
		}
		return nil, nil
	}
	target.Config.RowKey = nil
	rows, err := serve.RowSecurityOf(cfg)
	if err != nil {
		return nil, err
	}
	if !rows.On {
		if f.rows {
			return nil, &serve.StartError{Code: "rls-config", Message: "requires.db.rls does not say for whom row-level security is",
				Hint: "configure requires.db.rls: { role: … }, and the key in the variable cds_requires_db_rls_key"}
		}
		return nil, nil
	}
	schema, err := serve.RowPolicies(cfg, m, postgres.Dialect())
	if err != nil {
		return nil, err
	}
	return &deploy.RowSecurity{Schema: schema, App: rls.Application{Role: rows.Role, Key: rows.Key}}, nil
}

// ownTables makes the tables that belong to no model, where the configuration needs them. They come first: row-level security locks them as well.
func (e *env) ownTables(ctx context.Context, cfg *config.Config, pool db.Pool, m *csn.Model) error {
	if needsAuthTables(cfg) {
		if err := makeAuthTables(ctx, pool); err != nil {
			return err
		}
	}
	if own, err := policies.FromConfig(cfg.Sub("authz")); err != nil {
		return err
	} else if own.On && policies.Taken(m) == nil {
		if err := policies.Prepare(ctx, pool); err != nil {
			return &serve.StartError{Code: "policies-table", Message: err.Error(), Hint: "the user of requires.db.credentials needs the right to create tables"}
		}
	}
	if needsAuditTables(cfg, m) {
		if e := audit.Taken(m); e != nil {
			return &serve.StartError{Code: "audit-tables", Message: "entity " + e.Name + " has a table of the audit log", Hint: "rename it"}
		}
		if err := audit.Prepare(ctx, pool); err != nil {
			return &serve.StartError{Code: "audit-tables", Message: err.Error(), Hint: "the user of requires.db.credentials needs the right to create tables"}
		}
		if err := audit.PrepareShown(ctx, pool, m); err != nil {
			return &serve.StartError{Code: "audit-tables", Message: err.Error(), Hint: "the user of requires.db.credentials needs the right to create views"}
		}
	}
	return makePolicyTable(ctx, cfg, pool, m)
}

// showRows tells people about the second lock, and what it leaves to the first.
func showRows(w io.Writer, r *deploy.RowSecurity) {
	if r == nil {
		return
	}
	n := 0
	for _, t := range r.Schema.Tables {
		n += len(t.Policies)
	}
	fmt.Fprintf(w, "  row-level security for the role %s: %d policies on %d tables\n", r.App.Role, n, len(r.Schema.Tables))
	for _, x := range r.Schema.Notes {
		fmt.Fprintf(w, "  note: %s %s\n", x.Entity, x.Text)
	}
}

// renderRLS prints row-level security for people to read. Services without a restriction need a login, as in production.
func renderRLS(m *csn.Model, _ *csn.Service, _ *compileFlags) ([]byte, error) {
	full, err := ddl.WithDrafts(m)
	if err != nil {
		return nil, err
	}
	p, diags := authz.Compile(full, authz.Options{Strict: true, RestrictAllServices: true})
	if diags.HasErrors() {
		return nil, &serve.ModelError{Diags: diags, Files: m.Files}
	}
	schema, diags := rls.Compile(full, p, postgres.Dialect())
	if diags.HasErrors() {
		return nil, &serve.ModelError{Diags: diags, Files: m.Files}
	}
	return schema.Text(), nil
}
