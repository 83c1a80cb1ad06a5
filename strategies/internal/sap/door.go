package sap

import (
	"context"
	"net/http"
	"time"

	"cds/runtime/auth"
	"cds/strategies/internal/token"
)

// A Door lets requests in by their tokens. Verified ones are known for a moment; that a token is bound to a certificate belongs to the request, so it is checked
// each time.
type Door struct {
	Extract *token.Extractor
	// Cross decides about tokens from cookies, which browsers send of their own accord.
	Cross *http.CrossOriginProtection
	Cert  CertRule
	Cache *token.Cache
	// Judge checks all of a token but its certificate. It returns the user and the token's end.
	Judge func(ctx context.Context, t *token.Token) (*auth.User, time.Time, error)
	// Other returns the door that a token belongs to instead, with its own rules and its own memory; nil for this one. It may be nil.
	Other func(t *token.Token) *Door
}

// Authenticate returns the user of a request; Anonymous for one without a token.
func (d *Door) Authenticate(ctx context.Context, r *http.Request) (*auth.User, error) {
	raw, ok, err := d.Extract.SameOrigin(r, d.Cross)
	if err != nil {
		return nil, err
	}
	if !ok {
		return auth.Anonymous, nil
	}
	return d.admit(ctx, r, raw)
}

func (d *Door) admit(ctx context.Context, r *http.Request, raw string) (*auth.User, error) {
	u, ok := d.Cache.Get(raw)
	if !ok {
		t, err := token.Parse(raw)
		if err != nil {
			return nil, err
		}
		if d.Other != nil {
			if o := d.Other(t); o != nil {
				return o.admit(ctx, r, raw)
			}
		}
		if u, err = d.verify(ctx, t); err != nil {
			return nil, err
		}
	}
	claims, _ := u.Info.(map[string]any)
	if err := d.Cert.Check(r, claims); err != nil {
		return nil, err
	}
	return u, nil
}

// Challenge asks for a token.
func (d *Door) Challenge() string { return "Bearer" }

// Vary tells caches which headers decide about the answer, beside Authorization.
func (d *Door) Vary() []string { return d.Extract.Vary() }

func (d *Door) verify(ctx context.Context, t *token.Token) (*auth.User, error) {
	cleared := d.Cache.Cleared()
	u, exp, err := d.Judge(ctx, t)
	if err != nil {
		return nil, err
	}
	d.Cache.PutUntil(t.Raw, u, exp, time.Time{}, cleared)
	return u, nil
}
