// Package chain is the strategy made of several: API keys for machines beside logins of people, or another issuer for each part of an application.
//
// The members are asked in their order. A member whose conditions don't hold for a request is passed over; the first that finds credentials of its own
// decides, and its refusal is final: wrong credentials never become somebody else's chance.
package chain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"cds/runtime/auth"
	"cds/runtime/config"
)

// Kind is the name of the strategy in configurations.
const Kind = "chain"

// section is where the settings are.
const section = "requires.auth"

// maxMembers bounds a chain.
const maxMembers = 16

// Builder makes a strategy from its section.
type Builder = func(cfg config.Section) (auth.Strategy, error)

// A Chain is the strategy.
type Chain struct{ members []member }

type member struct {
	auth.Strategy
	place string // in the configuration
	when  when
}

// A Part is what a configuration says of one member.
type Part struct {
	Kind    string
	Section config.Section // what requires.auth would be if the member stood alone
	Place   string         // in the configuration, such as requires.auth.strategies[0]
	when    when
}

// KindOf is the kind that a section names. impl names one too, and wins; a list of strategies is a chain. A script, which is not run here, is no kind.
func KindOf(sec config.Section) string {
	if impl := sec.Str("impl"); impl != "" && !IsScript(impl) {
		return impl
	}
	if _, list := sec.Get("strategies"); list && sec.Str("kind") == "" {
		return Kind
	}
	return sec.Str("kind")
}

// IsScript reports whether an implementation is a file of another language.
func IsScript(impl string) bool {
	return strings.HasSuffix(impl, ".js") || strings.HasSuffix(impl, ".ts") || strings.HasSuffix(impl, ".mjs") || strings.HasSuffix(impl, ".cjs")
}

// Parts reads requires.auth.strategies: a list of sections with a kind and the conditions of the member (when), or of names of sections that stand beside
// the list. presets are the defaults of kinds (requires.kinds). Errors are *auth.ConfigError.
func Parts(cfg config.Section, presets config.Section) ([]Part, error) {
	raw, _ := cfg.Get("strategies")
	list, ok := raw.([]any)
	if !ok || len(list) == 0 {
		return nil, auth.Missing(section+".strategies", "a chain needs members", `[ { "kind": "apikey", "apikey": { … } }, { "kind": "jwt", "jwt": { … } } ]`)
	}
	if len(list) > maxMembers {
		return nil, &auth.ConfigError{Key: section + ".strategies", Message: fmt.Sprintf("has more than %d members", maxMembers)}
	}
	var parts []Part
	for i, it := range list {
		p := Part{Place: fmt.Sprintf("%s.strategies[%d]", section, i)}
		switch v := it.(type) {
		case string:
			p.Section, p.Place = cfg.Sub(v), section+"."+v
			if p.Section == nil || strings.Contains(v, ".") {
				return nil, auth.Missing(p.Place, "strategies names it", `{ "kind": "…" }`)
			}
		case map[string]any:
			p.Section = v
		default:
			return nil, &auth.ConfigError{Key: p.Place, Message: "an object with kind and when is expected, or the name of a section of " + section}
		}
		if slices.ContainsFunc(parts, func(o Part) bool { return o.Place == p.Place }) {
			return nil, &auth.ConfigError{Key: section + ".strategies", Message: p.Place + " is there twice"}
		}
		if err := p.read(cfg, presets); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// ofChain are settings of the whole, which a member can't have.
var ofChain = [...]string{"strict", "restrict_all_services", "optional", "allowInProduction", "strategies"}

func (p *Part) read(cfg, presets config.Section) error {
	p.Kind = KindOf(p.Section)
	switch p.Kind {
	case "":
		return auth.Missing(p.Place+".kind", "", `"jwt"`)
	case Kind:
		return &auth.ConfigError{Key: p.Place + ".kind", Message: "a chain in a chain: write its members into one list"}
	}
	for _, name := range ofChain {
		if _, there := p.Section.Get(name); there {
			return &auth.ConfigError{Key: p.Place + "." + name, Message: "is a setting of the whole: write it to " + section + "." + name}
		}
	}
	for _, name := range p.Section.Keys() {
		if strings.HasPrefix(name, "[") {
			return &auth.ConfigError{Key: p.Place + "." + name, Message: "profiles don't work in lists: name the section in the list, and write it beside, as " + section + ".NAME"}
		}
	}
	var err error
	raw, _ := p.Section.Get("when")
	if p.when, err = readWhen(raw); err != nil {
		var ce *auth.ConfigError
		if errors.As(err, &ce) {
			return ce.At("when", p.Place+".when")
		}
		return &auth.ConfigError{Key: p.Place + ".when", Message: err.Error(), Example: `{ "path": "/odata/v4/machines" }`}
	}
	own := config.Merge(presets.Sub(p.Kind), p.Section)
	delete(own, "when")
	for _, name := range [...]string{"credentials", "xsuaa"} { // a bound service is bound to the application
		if v, there := cfg[name]; there && own[name] == nil {
			own[name] = v
		}
	}
	p.Section = own
	return nil
}

// New returns what makes a chain of the kinds in a table, which is looked at when the chain is made.
func New(kinds map[string]Builder, presets config.Section) Builder {
	return func(cfg config.Section) (auth.Strategy, error) {
		parts, err := Parts(cfg, presets)
		if err != nil {
			return nil, err
		}
		c := &Chain{}
		for _, p := range parts {
			build, ok := kinds[p.Kind]
			if !ok {
				return nil, &auth.ConfigError{Key: p.Place + ".kind", Message: fmt.Sprintf("kind %q is not known", p.Kind)}
			}
			s, err := build(p.Section)
			if err != nil {
				return nil, errors.Join(p.moved(err), c.Close())
			}
			c.members = append(c.members, member{Strategy: s, place: p.Place, when: p.when})
		}
		return c, nil
	}
}

// moved says of the member's own section what its strategy said of requires.auth.
func (p *Part) moved(err error) error {
	var ce *auth.ConfigError
	if errors.As(err, &ce) {
		return ce.At(section, p.Place)
	}
	return &auth.ConfigError{Key: p.Place, Message: err.Error()}
}

// Members implements auth.Group.
func (c *Chain) Members() []auth.Strategy {
	out := make([]auth.Strategy, len(c.members))
	for i := range c.members {
		out[i] = c.members[i].Strategy
	}
	return out
}

// Authenticate implements auth.Strategy.
func (c *Chain) Authenticate(ctx context.Context, r *http.Request) (*auth.User, error) {
	u, _, err := c.Decide(ctx, r)
	return u, err
}

// Decide implements auth.Group.
func (c *Chain) Decide(ctx context.Context, r *http.Request) (*auth.User, auth.Strategy, error) {
	foreign, fits := false, false
	for i := range c.members {
		m := &c.members[i]
		holds, other := m.when.holds(r)
		foreign = foreign || other
		if !holds {
			continue
		}
		fits = fits || m.when.issuers != nil
		u, err := m.Authenticate(ctx, r)
		switch {
		case err != nil:
			return nil, m.Strategy, err
		case u == nil:
			return nil, m.Strategy, fmt.Errorf("%s: the strategy returned neither a user nor an error", m.place)
		case u.Identified():
			return u, m.Strategy, nil
		}
	}
	if foreign && !fits { // members are chosen by issuers, and nobody is for this one
		return nil, nil, errForeign
	}
	return auth.Anonymous, nil, nil
}

// errForeign is a token that no member has a say in.
var errForeign = fmt.Errorf("%w: a bearer token of an issuer that no member of the chain is for", auth.ErrCredentials)

// Challenge lists the challenges of the members (RFC 9110 section 11.6.1 allows several).
func (c *Chain) Challenge() string {
	var out []string
	for i := range c.members {
		if ch := c.members[i].Challenge(); ch != "" && !slices.Contains(out, ch) {
			out = append(out, ch)
		}
	}
	return strings.Join(out, ", ")
}
