package token

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// JWKSOptions say where a key set comes from and how long it counts. Exactly one of URL, Find and File is set.
type JWKSOptions struct {
	URL  string
	Find func(ctx context.Context) (url string, err error) // the URL, where it has to be found first, by discovery
	File string                                            // absolute, or in Files

	Files    fs.FS // nil: the working directory
	Client   *http.Client
	Header   http.Header // of the request
	Now      func() time.Time
	Log      *slog.Logger
	TTL      time.Duration // where the issuer says nothing; default 5 min
	Refetch  time.Duration // the least time between fetches for unknown kids; default 30 s
	Stale    time.Duration // how long a set is used after its time while no new one is to be had; default 24 h
	MaxKeys  int           // default 100
	MaxBytes int64         // default 1 MB
	Loopback bool          // http is fine for loopback addresses
	Removed  func()        // called after a newer set lacks keys that the one before had
}

func (o *JWKSOptions) defaults() {
	set(&o.TTL, 5*time.Minute)
	set(&o.Refetch, 30*time.Second)
	set(&o.Stale, 24*time.Hour)
	set(&o.MaxKeys, 100)
	set(&o.MaxBytes, 1<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: fetchTimeout, CheckRedirect: noRedirect}
	}
	if o.Files == nil {
		o.Files = os.DirFS(".")
	}
}

func set[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// A JWKS is a set of keys (RFC 7517) that comes from a URL or a file. It is fetched when a key is needed first; see remote for what happens
// afterwards. It is safe for concurrent use.
type JWKS struct {
	opt  JWKSOptions
	r    remote[*keySet]
	file *File // used by the one load that is under way
}

// fileTTL is how often a file is looked at.
const fileTTL = time.Second

// NewJWKS returns a set. Nothing is fetched yet.
func NewJWKS(opt JWKSOptions) *JWKS {
	opt.defaults()
	s := &JWKS{opt: opt}
	s.r = remote[*keySet]{name: "the key set " + s.Name(), load: s.load, now: opt.Now, log: opt.Log, stale: opt.Stale, pause: opt.Refetch}
	s.r.least = minTTL
	if opt.Removed != nil {
		s.r.after = func(old, set *keySet) {
			if !set.contains(old) {
				opt.Removed()
			}
		}
	}
	if opt.File != "" { // a file is near
		s.r.pause, s.r.least = fileTTL, fileTTL
		s.file = NewFile(opt.Files, opt.File, opt.MaxBytes)
	}
	s.r.start()
	return s
}

// Name is where the set comes from.
func (s *JWKS) Name() string {
	switch {
	case s.opt.URL != "":
		return s.opt.URL
	case s.opt.File != "":
		return s.opt.File
	}
	return "found by discovery"
}

// Key returns the public key with an id that may verify an algorithm. An unknown id makes the set be fetched again, at most once in
// Options.Refetch. Errors are *Refusal: token-unknown-key, or token-keys-unavailable if there is no set.
func (s *JWKS) Key(ctx context.Context, kid, alg string) (any, error) {
	set, err := s.r.get(ctx)
	if err != nil {
		return nil, refuse("token-keys-unavailable", "the keys of %s are not available: %v", s.Name(), err)
	}
	key, known := set.find(kid, alg)
	if key == nil && !known && s.r.again(ctx) {
		if newer, ok := s.r.peek(); ok {
			key, known = newer.find(kid, alg)
		}
	}
	switch {
	case key != nil:
		return key, nil
	case known:
		return nil, refuse("token-algorithm", "the key %.60q of %s is not for %.20q", kid, s.Name(), alg)
	}
	return nil, refuse("token-unknown-key", "%s has no key with the kid %.60q", s.Name(), kid)
}

// Prefetch fetches the set if it is not there yet, so that the first request does not wait.
func (s *JWKS) Prefetch(ctx context.Context) error {
	_, err := s.r.get(ctx)
	return err
}

// Kids returns the ids of the keys that are known at the moment, sorted.
func (s *JWKS) Kids() []string {
	set, ok := s.r.peek()
	if !ok {
		return nil
	}
	var out []string
	for _, k := range set.keys {
		out = append(out, k.kid)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// has reports whether the set has a key with an id, without a fetch.
func (s *JWKS) has(kid string) bool {
	return slices.Contains(s.Kids(), kid)
}

// Close ends a fetch that is under way. The set must not be used any more.
func (s *JWKS) Close() { s.r.close() }

// Refresh starts a fetch if the set is about to end, and does not wait for it.
func (s *JWKS) Refresh() { s.r.ahead() }

// FreshUntil returns when the set has to be fetched again; zero if it is stale, or not there.
func (s *JWKS) FreshUntil() time.Time { return s.r.freshUntil() }

func (s *JWKS) load(ctx context.Context, old *keySet) (*keySet, time.Duration, error) {
	if s.file != nil {
		if old != nil && !s.file.Changed() {
			return old, fileTTL, nil
		}
		b, err := s.file.Read()
		if err != nil {
			return nil, 0, err
		}
		set, err := parseSet(b, s.opt.MaxKeys, true)
		return set, fileTTL, err
	}
	url := s.opt.URL
	if s.opt.Find != nil {
		var err error
		if url, err = s.opt.Find(ctx); err != nil {
			return nil, 0, err
		}
	}
	b, ttl, err := fetch(ctx, s.opt.Client, url, s.opt.Header, s.opt.MaxBytes, s.opt.Loopback, s.opt.Now())
	if err != nil {
		return nil, 0, err
	}
	if ttl == 0 {
		ttl = s.opt.TTL
	}
	set, err := parseSet(b, s.opt.MaxKeys, false)
	return set, ttl, err
}

// open opens an absolute path of the machine, such as a mounted secret, or a relative one of the project.
func open(files fs.FS, name string) (fs.File, error) {
	if filepath.IsAbs(name) {
		return os.Open(name)
	}
	return files.Open(filepath.ToSlash(filepath.Clean(name)))
}
