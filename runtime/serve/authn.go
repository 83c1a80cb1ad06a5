package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authstore"
	"cds/runtime/config"
)

// authn is what the server knows of its strategy: what it can do besides Authenticate, found out once.
type authn struct {
	group      auth.Group      // nil: it is no group
	refreshers bool            // it, or a member of it, may have something to tell with answers
	prompters  []auth.Prompter // without one 401 is all there is to say
	routes     *authRoutes     // nil: it has no pages
	vary       []string
	faults     faultLog
	cancel     context.CancelFunc // ends its background work
}

// outgoing bounds calls that strategies make.
const (
	outgoingTimeout   = 10 * time.Second
	outgoingRedirects = 3
)

// errStrategy is a strategy that breaks its contract.
var errStrategy = errors.New("the strategy returned no user, or one that only code may be")

// setupStrategy lends the strategy what it needs. Its context outlives that of the start and ends with Close.
func (s *Server) setupStrategy(ctx context.Context, production bool) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.authn.cancel = cancel
	s.authn.faults.now = s.CDS.Options.Now
	s.authn.group, _ = s.Strategy.(auth.Group)
	s.authLog = newAuthLog(s)
	var env *auth.Env
	for _, setter := range partsOf[auth.Setter](s.Strategy, 0) {
		var err error
		if env == nil {
			env, err = s.strategyEnv(background, production)
		}
		if err == nil {
			err = setter.Setup(background, env)
		}
		if err != nil {
			return s.strategyError(err)
		}
	}
	s.authn.refreshers = len(partsOf[auth.Refresher](s.Strategy, 0)) > 0
	s.authn.prompters = partsOf[auth.Prompter](s.Strategy, 0)
	for _, v := range partsOf[auth.Varier](s.Strategy, 0) {
		for _, name := range v.Vary() {
			if !slices.Contains(s.authn.vary, name) {
				s.authn.vary = append(s.authn.vary, name)
			}
		}
	}
	return nil
}

// strategyError is the start error for what a strategy says of its configuration.
func (s *Server) strategyError(err error) error {
	hint := "see requires.auth in the configuration"
	var c *auth.ConfigError
	var f *config.Error
	switch {
	case errors.As(err, &c) && c.Hint() != "":
		hint = c.Hint()
	case errors.As(err, &f):
		if f.Hint != "" {
			hint = f.Hint
		}
		err = errors.New(f.Place + ": " + f.Message)
	}
	return &StartError{"auth-config", "authentication kind \"" + s.Kind + "\": " + err.Error(), hint}
}

// maxGroups bounds groups within groups.
const maxGroups = 10

// partsOf returns the strategies that implement T: the strategy itself, or those members of a group that does not answer for them.
func partsOf[T any](strategy auth.Strategy, depth int) []T {
	if t, ok := strategy.(T); ok {
		return []T{t}
	}
	g, ok := strategy.(auth.Group)
	if !ok || depth > maxGroups {
		return nil
	}
	var out []T
	for _, m := range g.Members() {
		out = append(out, partsOf[T](m, depth+1)...)
	}
	return out
}

// closeStrategy ends the strategy's background work, then the strategy itself where it is an io.Closer.
func (s *Server) closeStrategy() {
	if s.authn.cancel == nil {
		return
	}
	s.authn.cancel()
	s.authn.cancel = nil
	for _, c := range partsOf[io.Closer](s.Strategy, 0) {
		if err := c.Close(); err != nil {
			s.Log.Warn("the authentication strategy has not ended", "err", err)
		}
	}
}

// outgoingClient makes the client for calls to identity providers: with a deadline for the whole call, and redirects to the same origin only.
func outgoingClient() *http.Client {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if ok {
		transport = transport.Clone()
		transport.MaxIdleConnsPerHost = 8
		transport.MaxResponseHeaderBytes = 64 << 10
	} else {
		transport = &http.Transport{}
	}
	return &http.Client{Timeout: outgoingTimeout, Transport: transport, CheckRedirect: sameOrigin}
}

// sameOrigin refuses redirects that lead elsewhere: who answers for an issuer is said by its configuration, not by an answer.
func sameOrigin(req *http.Request, via []*http.Request) error {
	if len(via) > outgoingRedirects {
		return errors.New("too many redirects")
	}
	if from := via[0].URL; req.URL.Scheme != from.Scheme || !strings.EqualFold(req.URL.Host, from.Host) {
		return errors.New("a redirect to another host is not followed")
	}
	return nil
}

// authenticate finds out who asks. Where that fails it answers and returns nil: a strategy that cannot tell, for whatever reason, lets nobody in.
func (r *router) authenticate(ctx context.Context, w http.ResponseWriter, req *http.Request) *auth.User {
	s := r.server
	user, by, err := s.identify(ctx, req)
	if err == nil {
		s.authLog.admitted(ctx, req, user)
		if s.authn.refreshers {
			if f, ok := by.(auth.Refresher); ok {
				f.Refresh(w, req, user)
			}
		}
		return user
	}
	id := w.Header().Get("X-Correlation-Id")
	s.counters.unauthenticated(errors.Is(err, auth.ErrCredentials) || errors.Is(err, auth.ErrForbidden))
	switch {
	case errors.Is(err, auth.ErrForbidden):
		s.authLog.refused(ctx, id, err)
		s.auditRefused(ctx, req, id, http.StatusForbidden, err)
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		http.Error(w, "Forbidden", http.StatusForbidden)
		return nil
	case errors.Is(err, auth.ErrCredentials):
		s.authLog.refused(ctx, id, err)
		s.auditRefused(ctx, req, id, http.StatusUnauthorized, err)
	case req.Context().Err() != nil: // the client has gone
	default:
		if n, ok := s.authn.faults.next(); ok {
			s.Log.Error("authentication failed", "correlation", id, "err", err, "unreported", n)
		}
	}
	if _, prompts := by.(auth.Prompter); by == nil || prompts {
		r.refuse(w, req, err, s.authn.prompters)
	} else { // a login is no answer to what another member of a group refused
		r.refuse(w, req, err, nil)
	}
	return nil
}

// unauthorized answers a request that needs a user and has none.
func (r *router) unauthorized(w http.ResponseWriter, req *http.Request) {
	r.refuse(w, req, nil, r.server.authn.prompters)
}

// refuse answers as CAP does, with plain text and a challenge, unless the strategy knows better. err is what was wrong with the credentials, if anything.
func (r *router) refuse(w http.ResponseWriter, req *http.Request, err error, prompters []auth.Prompter) {
	h := w.Header()
	h.Del("OData-Version")
	h.Set("Vary", r.vary)
	for _, p := range prompters {
		h.Set("Cache-Control", "no-store")
		if p.Prompt(w, req) {
			return
		}
	}
	challenge := r.server.Strategy.Challenge()
	var own auth.Challenger
	if errors.As(err, &own) {
		challenge = own.Challenge()
	}
	if challenge != "" && !strings.ContainsAny(challenge, "\r\n") {
		h.Set("WWW-Authenticate", challenge)
	}
	var wait auth.Waiter
	if errors.As(err, &wait) {
		if d := wait.RetryAfter(); d > 0 {
			h.Set("Retry-After", strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10))
		}
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte("Unauthorized")) // the client may be gone
}

// A faultLog lets one line a second through: an identity provider that is down fails every request.
type faultLog struct {
	now     func() time.Time
	mu      sync.Mutex
	last    time.Time
	skipped int
}

// next reports whether a line may be written, and how many were not since the last one.
func (l *faultLog) next() (skipped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if d := now.Sub(l.last); d >= 0 && d < time.Second {
		l.skipped++
		return 0, false
	}
	skipped, l.last, l.skipped = l.skipped, now, 0
	return skipped, true
}

// cleanEvery is how often expired sessions are removed where nobody logs in.
const cleanEvery = 10 * time.Minute

// refusedByPage notes credentials that a strategy's own page or endpoint refused.
func (s *Server) refusedByPage(req *http.Request, err error) {
	id, _ := req.Context().Value(correlationKey{}).(string)
	s.counters.unauthenticated(true)
	s.authLog.refused(req.Context(), id, err)
	s.auditRefused(req.Context(), req, id, http.StatusUnauthorized, err)
}

// strategyEnv is what strategies are lent.
func (s *Server) strategyEnv(ctx context.Context, production bool) (*auth.Env, error) {
	env := &auth.Env{Now: s.CDS.Options.Now, Log: s.CDS.Logger("auth"), Production: production, HTTP: outgoingClient(), Files: s.opt.files(), Client: s.client, Trusted: s.fromProxy,
		OnRefused: s.refusedByPage}
	if e := authstore.Taken(s.Model); e != nil {
		s.Notes = append(s.Notes, "entity "+e.Name+" has the table that users and sessions of logins are kept in: they are kept in memory instead, until the server ends")
	} else if s.pool != nil {
		store, err := authstore.Open(ctx, s.pool, env.Now)
		if err != nil {
			return nil, err
		}
		env.Sessions, env.Users = store, store
		s.CDS.Background(s.CDS.NewContext(ctx, auth.Anonymous, ""), cds.Job{Name: "expired sessions", After: cleanEvery, Every: cleanEvery, Run: store.Clean})
		return env, nil
	}
	store := authstore.Memory(env.Now)
	env.Sessions, env.Users = store, store
	if e := authstore.Taken(s.Model); e != nil {
		env.Users = authstore.Blocked(e)
	}
	return env, nil
}

// client returns the address of the client: that of the connection, or where a trusted proxy is at its other end what the proxies say, up to the first
// one that is not trusted.
func (s *Server) client(req *http.Request) string {
	from, err := netip.ParseAddrPort(req.RemoteAddr)
	if err != nil {
		return req.RemoteAddr
	}
	addr := from.Addr()
	if len(s.limits.TrustedProxies) == 0 && addr.Is4() { // nothing else to look at, and no other way to write it
		return req.RemoteAddr[:strings.LastIndexByte(req.RemoteAddr, ':')]
	}
	hops := strings.Split(strings.Join(req.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(addr); i-- {
		next, err := forwardedAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next
	}
	return addr.Unmap().WithZone("").String()
}

// forwardedAddr reads an address as proxies write it, some of them with the port.
func forwardedAddr(text string) (netip.Addr, error) {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr(), nil
	}
	return netip.ParseAddr(text)
}

func (s *Server) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(s.limits.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// fromProxy reports whether a request comes from a trusted proxy.
func (s *Server) fromProxy(req *http.Request) bool {
	from, err := netip.ParseAddrPort(req.RemoteAddr)
	return err == nil && s.trusted(from.Addr())
}
