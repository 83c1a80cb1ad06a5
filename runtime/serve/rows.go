package serve

import (
	"context"
	"slices"
	"strings"

	"cds/parser/csn"
	"cds/parser/token"
	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/policies"
	"cds/runtime/rls"
	"cds/runtime/sqlgen"
)

// RowSecurity is what requires.db.rls says: whether the database holds a second lock on its tables, for which role, and the key by which it believes the server.
type RowSecurity struct {
	On   bool
	Role string
	Key  *db.RowKey
}

// RowSecurityOf reads requires.db.rls: role and key. It is off where the section is missing or false.
func RowSecurityOf(cfg *config.Config) (RowSecurity, error) {
	r := RowSecurity{}
	sec := cfg.Sub("requires.db.rls")
	if sec == nil {
		if v, there := cfg.Get("requires.db.rls"); there && v != nil && v != false && v != "false" {
			return r, &StartError{"rls-config", "requires.db.rls does not say for whom row-level security is", "write requires.db.rls: { role: … }, and the key in the variable cds_requires_db_rls_key"}
		}
		return r, nil
	}
	for _, k := range sec.Keys() {
		if !slices.Contains([]string{"role", "key", "enabled"}, k) {
			return r, &StartError{"rls-config", "requires.db.rls has no setting " + k, "expected role, key or enabled"}
		}
	}
	if r.On = sec.Bool("enabled", true); !r.On {
		return r, nil
	}
	if r.Role = sec.Str("role"); r.Role == "" || strings.IndexByte(r.Role, 0) >= 0 {
		return r, &StartError{"rls-config", "requires.db.rls.role is missing: the role with which the server connects to the database", "an owner of the tables cannot be it"}
	}
	secret := sec.Str("key")
	if secret == "" {
		return r, &StartError{"rls-key-missing", "requires.db.rls needs a key, by which the database believes what the server says of its users", "set the variable cds_requires_db_rls_key to a random text, the same for cds deploy and the server: openssl rand -base64 32"}
	}
	var err error
	if r.Key, err = db.NewRowKey(secret); err != nil {
		return r, &StartError{"rls-key-short", "requires.db.rls.key has fewer than 32 bytes", "openssl rand -base64 32 writes one"}
	}
	return r, nil
}

// policyOptions are the settings that change what the model's restrictions mean.
func policyOptions(cfg *config.Config) authz.Options {
	open := !slices.ContainsFunc(cfg.Profiles, func(p string) bool { return p != config.Development && p != config.Test })
	return authz.Options{
		Strict:              cfg.Bool("requires.auth.strict", true),
		RestrictAllServices: cfg.Bool("requires.auth.restrict_all_services", !open),
		Disclose:            cfg.Bool("authz.disclose", false),
	}
}

// RowPolicies makes the row-level security of a model, as the configuration has it understood.
func RowPolicies(cfg *config.Config, m *csn.Model, d sqlgen.Dialect) (*rls.Schema, error) {
	drafts, err := draftOptions(cfg.Section)
	if err != nil {
		return nil, err
	}
	files := m.Files
	m, diags := csn.WithDrafts(m, drafts.Lock.String())
	if m == nil {
		return nil, &ModelError{Diags: diags, Files: files}
	}
	p, diags := authz.Compile(m, policyOptions(cfg))
	if diags.HasErrors() {
		return nil, &ModelError{Diags: diags, Files: files}
	}
	return rowPolicies(m, p, d, files)
}

func rowPolicies(m *csn.Model, p *authz.Policy, d sqlgen.Dialect, files *token.FileSet) (*rls.Schema, error) {
	schema, diags := rls.Compile(m, p, d)
	if diags.HasErrors() {
		return nil, &ModelError{Diags: diags, Files: files}
	}
	return schema, nil
}

// lockRows gets ready for a database with row-level security: it is compared with the model, and requests will tell it who asks.
func (s *Server) lockRows(ctx context.Context) error {
	d := s.pool.Dialect()
	if !d.Tables().RowSecurity {
		return nil
	}
	if own, err := policies.FromConfig(s.Config.Sub("authz")); err == nil && own.Extend {
		return &StartError{"rls-policies", "authz.policies lets policies in the database grant more than the model does, which row-level security (requires.db.rls) would hide",
			"let them narrow only, or leave out row-level security"}
	}
	schema, err := rowPolicies(s.CDS.Model, s.CDS.Policy, d, s.Model.Files)
	if err != nil {
		return err
	}
	claims := make([]cds.Claim, len(schema.Claims))
	for i, c := range schema.Claims {
		claims[i] = cds.Claim(c)
	}
	s.CDS.RowSecurity(claims)
	if s.opt.RowSecurity != nil {
		if err := s.opt.RowSecurity(schema); err != nil {
			return err
		}
	}
	problems, err := schema.Check(ctx, s.pool)
	if err != nil {
		s.Log.Error("database", "err", err)
		return &StartError{"rls-unreadable", "the row-level security of the database can't be read: " + s.Database, "check the rights of the user in requires.db.credentials"}
	}
	if len(problems) == 0 {
		return nil
	}
	const hint = "cds deploy, as the owner of the tables, makes the policies that the model asks for"
	if s.Config.Is(config.Production) {
		return &StartError{"rls-differs", "the row-level security of the database is not that of the model: " + listed(problems), hint}
	}
	for _, p := range problems {
		s.Log.Warn("row-level security differs from the model", "what", p.String())
	}
	s.Notes = append(s.Notes, "the row-level security of the database is not that of the model ("+problems[0].String()+"); "+hint)
	return nil
}

// maxListed is how many problems a message lists.
const maxListed = 5

func listed(problems []rls.Problem) string {
	var out []string
	for i, p := range problems {
		if i == maxListed {
			out = append(out, "and more")
			break
		}
		out = append(out, p.String())
	}
	return strings.Join(out, "; ")
}
