package auth

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"time"
)

// An Env is what the server lends to strategies that need more than their configuration. All members but OnRefused are set.
type Env struct {
	Now        func() time.Time
	Log        *slog.Logger
	Production bool         // the profile production is active
	HTTP       *http.Client // for outgoing calls: with deadline, without redirects to other hosts
	Files      fs.FS        // the project's folder
	Sessions   SessionStore
	Users      UserStore
	// Client returns the address of the client that sent a request, without a port: that of the connection, or behind trusted proxies what they say.
	Client func(r *http.Request) string
	// Trusted reports whether a request comes from a trusted proxy (server.trusted_proxies), whose headers may be believed.
	Trusted func(r *http.Request) bool
	// OnRefused is told what pages and endpoints of the strategy refuse, as a wrong password; see Refused. What Authenticate refuses is known without.
	OnRefused func(r *http.Request, err error)
}

// Refused notes in log, counters and audit log that credentials sent to one of the strategy's own pages or endpoints were wrong. err says why, without
// anything that was presented.
func (e *Env) Refused(r *http.Request, err error) {
	if e.OnRefused != nil {
		e.OnRefused(r, err)
	}
}

// A Setter is a Strategy that needs an Env. Setup is called once, after the strategy was made and before its first request, and may start
// background work that ends with ctx. An error stops the start.
type Setter interface {
	Setup(ctx context.Context, env *Env) error
}

// Routes is implemented by strategies that have pages or endpoints of their own, such as login, callback and logout. The server mounts them
// beside the services; they get no user, find out themselves who asks, and can neither read data nor grant rights.
type Routes interface {
	// Routes returns handlers by a pattern of net/http.ServeMux with a method and an absolute path, such as "POST /auth/login".
	Routes() map[string]http.Handler
}

// A Refresher is a Strategy that has something to tell the client with an answer, such as a renewed cookie. It is asked after each
// successful Authenticate, before the service is called.
type Refresher interface {
	Refresh(w http.ResponseWriter, r *http.Request, u *User)
}

// A Challenger is an error that wraps ErrCredentials and knows a better WWW-Authenticate than Strategy.Challenge, such as
// `Bearer error="invalid_token"` (RFC 6750 section 3). Its value never tells more than the client knows already.
type Challenger interface {
	error
	Challenge() string
}

// An Explainer is a Strategy that can say why it accepts or refuses credentials, for `cds auth inspect` and logs of development. It must not
// be reachable by requests.
type Explainer interface {
	// Explain returns lines of text: which key, issuer, audience or claim decided, and what the user would be.
	Explain(ctx context.Context, credentials string) (lines []string, u *User, err error)
}

// Errors of the stores.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
)

// A Session is a record of a login, or of another secret handed out: a browser session, a refresh token, a revoked token.
type Session struct {
	// ID is the key: the SHA-256 of the random value that the client holds, in hex, with the strategy's prefix such as "oidc:". The client's value itself
	// is never stored.
	ID string
	// Subject and Group find sessions to end: the user, and the session of the identity provider (sid), both with the strategy's prefix.
	Subject, Group string
	Data           []byte // the strategy's own, at most 64 KB
	Expires        time.Time
}

// A SessionStore keeps sessions until they expire. Implementations are safe for concurrent use; all methods fail with the error of the
// database where there is one.
type SessionStore interface {
	// Session returns a session that has not expired, ErrNotFound if there is none.
	Session(ctx context.Context, id string) (*Session, error)
	// PutSession adds or replaces a session.
	PutSession(ctx context.Context, s *Session) error
	// TakeSession removes a session and returns it, ErrNotFound if there is none or it has expired. Of several callers one gets it: one-time values
	// such as the state of a login and refresh tokens rely on it.
	TakeSession(ctx context.Context, id string) (*Session, error)
	// EndSessions removes the sessions with the subject or the group; an empty one matches none. It returns how many.
	EndSessions(ctx context.Context, subject, group string) (int, error)
}

// A StoredUser is a user kept in the database, for strategies that check passwords themselves.
type StoredUser struct {
	ID       string // stable, assigned by the store on creation
	Name     string // unique; compared as it is
	Hash     string // of the password, in PHC form (argon2id) or as bcrypt; "" lets nobody in
	Roles    []string
	Attrs    map[string][]string
	Tenant   string
	Admin    bool
	Disabled bool
	// Valid is the time before which no token of this user counts any more: set by a change of password and by logout everywhere.
	Valid time.Time
}

// A UserStore keeps users. Implementations are safe for concurrent use.
type UserStore interface {
	// UserByName and UserByID return ErrNotFound for unknown users.
	UserByName(ctx context.Context, name string) (*StoredUser, error)
	UserByID(ctx context.Context, id string) (*StoredUser, error)
	// AddUser stores a user and returns its id, ErrExists if the name is taken.
	AddUser(ctx context.Context, u *StoredUser) (id string, err error)
	// SetUser replaces all but the id and the name, ErrNotFound if there is none.
	SetUser(ctx context.Context, u *StoredUser) error
	RemoveUser(ctx context.Context, name string) error
	// Users returns at most limit users in the order of their names, from the one after a name.
	Users(ctx context.Context, after string, limit int) ([]*StoredUser, error)
}
