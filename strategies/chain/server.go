package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"cds/runtime/auth"
)

// What the members ask of the server, the chain asks for them.

// Setup implements auth.Setter.
func (c *Chain) Setup(ctx context.Context, env *auth.Env) error {
	for i := range c.members {
		m := &c.members[i]
		s, ok := m.Strategy.(auth.Setter)
		if !ok {
			continue
		}
		if err := s.Setup(ctx, env); err != nil {
			p := Part{Place: m.place}
			return p.moved(err)
		}
	}
	_, err := c.routes()
	return err
}

// Routes implements auth.Routes.
func (c *Chain) Routes() map[string]http.Handler {
	out, _ := c.routes() // Setup has said what is wrong with them
	return out
}

// routes collects the pages of the members. Two with the same path can't both be served.
func (c *Chain) routes() (map[string]http.Handler, error) {
	out, of := map[string]http.Handler{}, map[string]string{}
	for i := range c.members {
		m := &c.members[i]
		p, ok := m.Strategy.(auth.Routes)
		if !ok {
			continue
		}
		for pattern, h := range p.Routes() {
			if other, taken := of[pattern]; taken {
				return nil, &auth.ConfigError{Key: m.place, Message: fmt.Sprintf("has a page at %s, and so has %s: configure another path for one of them", pattern, other)}
			}
			out[pattern], of[pattern] = h, m.place
		}
	}
	return out, nil
}

// Prompt implements auth.Prompter: the first member that has a better answer than 401 gives it, of those that would have been asked who it is.
func (c *Chain) Prompt(w http.ResponseWriter, r *http.Request) bool {
	for i := range c.members {
		m := &c.members[i]
		if p, ok := m.Strategy.(auth.Prompter); ok && m.when.path(r) && p.Prompt(w, r) {
			return true
		}
	}
	return false
}

// Vary implements auth.Varier: what the members look at, and what their conditions do.
func (c *Chain) Vary() []string {
	var out []string
	for i := range c.members {
		m := &c.members[i]
		if v, ok := m.Strategy.(auth.Varier); ok {
			out = append(out, v.Vary()...)
		}
		out = append(out, m.when.headers...)
		if m.when.cookies != nil {
			out = append(out, "Cookie")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Explain implements auth.Explainer: what each member that can explain says.
func (c *Chain) Explain(ctx context.Context, credentials string) (lines []string, u *auth.User, err error) {
	err = fmt.Errorf("%w: no member of the chain explains what it does", auth.ErrCredentials)
	for i := range c.members {
		m := &c.members[i]
		e, ok := m.Strategy.(auth.Explainer)
		if !ok {
			continue
		}
		text, who, why := e.Explain(ctx, credentials)
		lines = append(lines, m.place+":")
		for _, l := range text {
			lines = append(lines, "  "+l)
		}
		if why == nil {
			return lines, who, nil
		}
		err = why
	}
	return lines, nil, err
}

// Close ends the members that are io.Closers.
func (c *Chain) Close() error {
	var errs []error
	for i := range c.members {
		if cl, ok := c.members[i].Strategy.(io.Closer); ok {
			errs = append(errs, cl.Close())
		}
	}
	return errors.Join(errs...)
}
