package serve

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
	cds "cds/runtime"
	"cds/runtime/audit"
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/generic"
	"cds/runtime/i18n"
	"cds/runtime/odata/edmx"
	"cds/runtime/policies"
	"cds/strategies/mocked"
)

// A Server is a configured application, ready to answer.
type Server struct {
	CDS      *cds.App
	Model    *csn.Model
	Config   *config.Config
	Strategy auth.Strategy
	Kind     string // of the strategy

	members     []string // kinds of a chain
	optional    bool     // wrong credentials count as none
	tolerated   sync.Once
	identifiers []Identifier
	defaultUser *auth.User // instead of anonymous; nil for none
	authLog     *authLog
	audit       *audit.Log        // nil unless it is wanted
	policies    *policies.Handler // nil unless policies in the database are wanted
	Database    string            // what is connected, without secrets
	Warnings    diag.List
	Notes       []string // warnings without a place in a model
	Log         *slog.Logger

	pool    db.Pool
	ownPool bool
	authn   authn
	opt     Options
	handler *router
	outer   http.Handler // handler with the application's middlewares around it

	listening []func(net.Addr)
	limits    config.Server

	counters *counters // nil unless they are wanted
	texts    *i18n.Bundle
	ahead    bool // the model is newer than generated code
	openapi  func(*csn.Model, *csn.Service, string) ([]byte, error)
	// openapiByRole is openapi where descriptions follow roles.
	openapiByRole func(*csn.Model, *csn.Service, string, *edmx.View) ([]byte, error)
}

// A StartError is a start that failed for a reason that the user can mend.
type StartError struct{ Code, Message, Hint string }

func (e *StartError) Error() string {
	s := "error[" + e.Code + "]: " + e.Message
	if e.Hint != "" {
		s += "\n  hint: " + e.Hint
	}
	return s
}

// A ModelError is a model that cannot be served: its diagnostics, and the files that their spans point into (nil for an embedded model).
type ModelError struct {
	Diags diag.List
	Files *token.FileSet
}

func (e *ModelError) Error() string { return e.Diags.Error() }

// Defaults is the weakest configuration: mocked users in development, SQLite in memory.
func Defaults() config.Section {
	return config.Section{
		"requires": map[string]any{
			"[development]": map[string]any{"auth": map[string]any{"kind": "mocked"}},
			"db":            map[string]any{"kind": "sqlite"},
			"kinds": kindsByBinding(map[string]any{
				"mocked": mocked.Defaults(),
				"sqlite": map[string]any{"credentials": map[string]any{"url": ":memory:"}},
			}),
		},
		"i18n":   map[string]any{"default_language": "en"},
		"server": map[string]any{"port": 4004},
	}
}

// LoadConfig loads the configuration that Build would use.
func LoadConfig(opt Options) (*config.Config, error) {
	o := config.Options{Dir: opt.files(), Env: opt.environ(), Profiles: opt.Profiles, Defaults: Defaults(), Mount: os.DirFS, Follow: followedKinds()}
	c, err := config.Load(o)
	if err == nil && weakenDefaults(c, &o) {
		c, err = config.Load(o)
	}
	if err != nil {
		return nil, err
	}
	usersByName(c.Sub("requires.auth"))
	if opt.Overrides != nil {
		c.Section = config.Merge(c.Section, opt.Overrides)
	}
	return c, nil
}

// usersByName turns the list of users that CAP for Java writes into the usual form, so that it can be refined like that. A list that is malformed stays, for
// the strategy to complain of.
func usersByName(auth config.Section) {
	list, ok := auth["users"].([]any)
	if !ok {
		return
	}
	users := map[string]any{}
	for _, it := range list {
		u, _ := it.(map[string]any)
		name := config.Section(u).Str("name")
		if _, twice := users[name]; name == "" || twice {
			return
		}
		users[name] = u
	}
	auth["users"] = users
}

// weakenDefaults takes away defaults that would be in the way of what is configured, and reports whether there were some: the default users where they are not
// wanted; the default kind, and that of a bound service, where a list of strategies says who is asked.
func weakenDefaults(c *config.Config, o *config.Options) bool {
	changed, defaults := false, o.Defaults.Sub("requires")
	if !c.Bool("requires.auth.defaultUsers", true) {
		delete(defaults.Sub("kinds"), "mocked")
		changed = true
	}
	if _, list := c.Get("requires.auth.strategies"); list {
		delete(defaults, "[development]")
		o.Follow = nil
		changed = true
	}
	return changed
}

func (o Options) environ() []string {
	if o.Env != nil {
		return o.Env
	}
	return os.Environ()
}

func (o Options) variable(name string) string {
	for _, e := range slices.Backward(o.environ()) {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

// usableDir refuses a folder for media data that is not there: that would show with the first large upload only.
func usableDir(dir string) error {
	if dir == "" {
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return &config.Error{Code: "config-bad-value", Place: "server.media.dir", Message: strconv.Quote(dir) + " is not a folder", Hint: "make it, or leave the key out for the system's folder for temporary files"}
	}
	return nil
}

func (o Options) files() fs.FS {
	if o.FS != nil {
		return o.FS
	}
	dir := o.Dir
	if dir == "" {
		dir = "."
	}
	return os.DirFS(dir)
}

// Build configures the application: it loads the configuration and the model, compiles the policy, connects and (in memory) deploys
// the database, and registers handlers. Errors are *config.Error, *StartError, *ModelError, or what deploy
// returns, all with a place or a hint.
func (a *App) Build(ctx context.Context, opt Options) (*Server, error) {
	cfg, err := LoadConfig(opt)
	if err != nil {
		return nil, err
	}
	s := &Server{Config: cfg, opt: opt, Log: opt.Log, openapi: a.openapi, openapiByRole: a.openapiByRole}
	production := cfg.Is(config.Production)
	if s.Log == nil {
		s.Log = newLogger(production)
	}
	s.Log = slog.New(careful{s.Log.Handler()})
	if s.limits, err = config.ServerOf(cfg); err != nil {
		return nil, err
	}
	if err := usableDir(s.limits.SpoolDir); err != nil {
		return nil, err
	}
	s.Notes = slices.Clone(cfg.Warnings)
	if s.limits.Metrics != "" {
		s.counters = &counters{started: time.Now()}
	}
	if err := s.loadModel(a, production); err != nil {
		return nil, err
	}
	for _, fn := range a.ext.loaded {
		if err := fn(s.Model); err != nil {
			return nil, err
		}
	}
	if err := s.chooseStrategy(a, production); err != nil {
		return nil, err
	}
	if err := s.checkIdentity(a, production); err != nil {
		return nil, err
	}
	if s.texts, err = i18n.Load(opt.files(), cfg.Str("i18n.default_language")); err != nil {
		return nil, &StartError{"i18n-file", "texts can't be read: " + err.Error(), "mend the file or take it away"}
	}
	var diags diag.List
	appOpt := s.appOptions(production)
	if appOpt.LogLevels, err = s.logLevels(); err != nil {
		return nil, err
	}
	if appOpt.Drafts, err = draftOptions(s.Config.Section); err != nil {
		return nil, err
	}
	if appOpt.Keys, err = KeysOf(s.Config); err != nil {
		return nil, err
	}
	if err := needKeys(s.Model, appOpt.Keys); err != nil {
		return nil, err
	}
	if appOpt.Keys != nil && cfg.Bool("encryption.allowPlain", false) {
		s.Notes = append(s.Notes, "encryption.allowPlain: values that are not encrypted are taken for what they say; cds encrypt --plain encrypts them")
	}
	s.CDS, diags = cds.NewApp(s.Model, appOpt)
	s.Warnings = diags
	if diags.HasErrors() {
		return nil, &ModelError{Diags: diags, Files: s.Model.Files}
	}
	generic.Install(s.CDS)
	for _, fn := range a.register {
		if err := fn(s.CDS); err != nil {
			return nil, err
		}
	}
	if err := s.connect(ctx, a); err != nil {
		return nil, err
	}
	if err := s.lockRows(ctx); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.setupAudit(ctx); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.setupPolicies(ctx, a); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.CDS.Start(ctx); err != nil {
		s.Close()
		var found diag.List
		if errors.As(err, &found) {
			err = &ModelError{Diags: found, Files: s.Model.Files}
		}
		return nil, err
	}
	if err := s.setupStrategy(ctx, production); err != nil {
		s.Close()
		return nil, err
	}
	if s.handler, err = newRouter(s, production); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.handler.extend(a.ext); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.handler.mountPolicies(a.ext.routes); err != nil {
		s.Close()
		return nil, err
	}
	if s.authn.routes, err = s.handler.newAuthRoutes(s, a.ext.routes); err != nil {
		s.Close()
		return nil, err
	}
	s.outer, s.listening = wrap(s.handler, a.ext.use), a.ext.listening
	return s, nil
}

// loadModel gets the model from the application, or under cds watch from the file that CDS_MODEL names: a model that is newer than the program
// built from it. Production takes no notice of the variable.
func (s *Server) loadModel(a *App, production bool) (err error) {
	file := s.opt.variable("CDS_MODEL")
	if file == "" || production {
		s.Model, err = a.model()
		return err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return &StartError{"model-unreadable", "the model that CDS_MODEL names can't be read", "unset CDS_MODEL"}
	}
	m, diags := csn.Read(b)
	if m == nil {
		return &ModelError{Diags: diags}
	}
	s.Model, s.ahead = m, true
	return nil
}

// shutdownGrace is how long Close waits for background jobs.
const shutdownGrace = 5 * time.Second

// Close ends background jobs and what Build opened.
func (s *Server) Close() error {
	s.closeStrategy()
	if s.CDS != nil {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		if err := s.CDS.Shutdown(ctx); err != nil {
			s.Log.Warn("background jobs have not ended", "err", err)
		}
	}
	s.closeAudit()
	if s.pool != nil && s.ownPool {
		return s.pool.Close()
	}
	return nil
}

func (s *Server) appOptions(production bool) cds.AppOptions {
	now := s.opt.Now
	if now == nil {
		now = time.Now
	}
	return cds.AppOptions{
		Authz:         policyOptions(s.Config),
		Production:    production,
		OnRefused:     tellDecision,
		ModelAhead:    s.ahead,
		Log:           s.Log,
		Now:           now,
		DefaultLocale: s.Config.Str("i18n.default_language"),
		Texts:         s.texts,
		PageDefault:   s.Config.Int("query.limit.default", 1000),
		PageMax:       s.Config.Int("query.limit.max", 1000),
		Spool:         s.limits.MaxSpool,
		SpoolDir:      s.limits.SpoolDir,
	}
}

func newLogger(production bool) *slog.Logger {
	if production {
		return slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{
		Level: slog.LevelInfo,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		},
	}))
}
