package jwt

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"cds/runtime/auth"
	"cds/strategies/internal/settings"
	"cds/strategies/internal/token"
)

// introspection is the section of that name: an endpoint that knows about tokens (RFC 7662).
type introspection struct {
	url, clientID, clientSecret string
	always                      bool // tokens that were verified with a key are asked for too
	rules                       keySpec
}

func (s *settingsOf) readIntrospection(r *settings.Reader) {
	if len(r.Config) == 0 {
		return
	}
	r.Known("url", "clientId", "clientSecret", "jwt")
	i := &introspection{url: r.Text("url"), clientID: r.Text("clientId"), clientSecret: r.Text("clientSecret"), always: r.Bool("jwt", true), rules: s.common}
	i.rules.name = r.Path
	if i.url == "" {
		r.Missing("url", "", `"https://issuer.example/oauth2/introspect"`)
	} else if err := token.CheckURL(i.url, s.set.Loopback); err != nil {
		r.Fail("url", "", "%v", err)
	}
	if i.clientID == "" || i.clientSecret == "" {
		r.Missing("clientSecret", "the endpoint answers known clients only, which need clientId and clientSecret", `"…"`)
	}
	if len(s.common.audience) == 0 && !s.common.noAudience {
		r.Fail("", "set requires.auth.jwt.audience, or false if the endpoint tells about tokens of this application only", "tokens for other applications would be accepted")
	}
	s.introspection = i
}

// An introspector asks for tokens. The same token is asked for once at a time; a few refusals are remembered, so that a client that repeats itself
// does not reach the issuer.
type introspector struct {
	cfg    *introspection
	client *http.Client
	now    func() time.Time
	slots  chan struct{} // bounds what is asked at the same time

	mu      sync.Mutex
	flights map[[sha256.Size]byte]*flight
	refused map[[sha256.Size]byte]time.Time
}

type flight struct {
	done   chan struct{}
	claims token.Claims
	err    error
}

const (
	introspectionTimeout = 10 * time.Second
	parallel             = 32
	remembered           = 1000
	refusedFor           = 10 * time.Second
)

func newIntrospector(cfg *introspection, env *auth.Env) *introspector {
	client := env.HTTP
	if client == nil {
		client = &http.Client{Timeout: introspectionTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &introspector{cfg: cfg, client: client, now: env.Now, slots: make(chan struct{}, parallel), flights: map[[32]byte]*flight{}, refused: map[[32]byte]time.Time{}}
}

// key is what an answer must say: what the tokens of other keys must, except that an answer need not name the issuer or an end.
func (i *introspector) key(c token.Claims) *token.Key {
	r := &i.cfg.rules
	_, hasIss := c["iss"]
	return &token.Key{
		Name: r.name, Issuer: r.issuer, NoIssuer: r.noIssuer || !hasIss || len(r.issuer) == 0, Audience: r.audience, NoAudience: r.noAudience, Subject: r.subject, NoExp: true,
		Audiences: r.audiences(),
	}
}

// token returns what the endpoint knows of an active token.
func (i *introspector) token(ctx context.Context, raw string) (token.Claims, error) {
	key := sha256.Sum256([]byte(raw))
	i.mu.Lock()
	if until, ok := i.refused[key]; ok && i.now().Before(until) {
		i.mu.Unlock()
		return nil, inactive()
	}
	f := i.flights[key]
	if f == nil {
		f = &flight{done: make(chan struct{})}
		i.flights[key] = f
		go i.fly(context.WithoutCancel(ctx), key, raw, f)
	}
	i.mu.Unlock()
	select {
	case <-f.done:
		return f.claims, f.err
	case <-ctx.Done():
		return nil, token.Refuse("token-introspection-unavailable", "the request ended while the introspection endpoint was asked")
	}
}

func inactive() error {
	return token.Refuse("token-inactive", "the introspection endpoint says that the token is not active")
}

// safely asks. What is answered must not end the process, whatever it is: in a goroutine of its own nobody else would catch a panic.
func (i *introspector) safely(ctx context.Context, raw string) (c token.Claims, active bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return i.ask(ctx, raw)
}

func (i *introspector) fly(ctx context.Context, key [sha256.Size]byte, raw string, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, introspectionTimeout)
	defer cancel()
	active := true
	select {
	case i.slots <- struct{}{}:
		f.claims, active, f.err = i.safely(ctx, raw)
		<-i.slots
	case <-ctx.Done():
		f.err = ctx.Err()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.flights, key)
	switch {
	case f.err != nil:
		f.claims, f.err = nil, token.Refuse("token-introspection-unavailable", "the introspection endpoint can't be asked: %v", f.err)
	case !active:
		f.claims, f.err = nil, inactive()
		if len(i.refused) >= remembered {
			clear(i.refused)
		}
		i.refused[key] = i.now().Add(refusedFor)
	}
	close(f.done)
}

func (i *introspector) ask(ctx context.Context, raw string) (token.Claims, bool, error) {
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.cfg.url, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(i.cfg.clientID), url.QueryEscape(i.cfg.clientSecret)) // RFC 6749 section 2.3.1
	res, err := i.client.Do(req)
	if err != nil {
		return nil, false, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, false, fmt.Errorf("it answered %d", res.StatusCode)
	}
	const limit = 256 << 10
	b, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return nil, false, err
	case len(b) > limit:
		return nil, false, fmt.Errorf("it answered with more than %d bytes", limit)
	}
	claims, err := token.ParseClaims(b)
	if err != nil {
		return nil, false, err
	}
	active, ok := claims["active"].(bool)
	if !ok {
		return nil, false, fmt.Errorf("its answer does not say whether the token is active")
	}
	return claims, active, nil
}
