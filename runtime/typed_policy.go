package cds

import (
	"fmt"
	"strings"

	"cds/runtime/authz"
)

// A PolicyTable is what generated code says about the rights of one service, to be read and reviewed. It decides nothing: the app
// compiles its policy from the model. But Serve compares both, and an app with stale generated code does not start.
type PolicyTable struct {
	Digest string // of the policy of the whole model
	Rows   []PolicyRow
}

// A PolicyRow is one privilege: who may do what on which resource, on which rows. A resource with several rows is open to whom any of them
// fits; On ending in "@requires" must hold in addition. A row without Grant grants nothing.
type PolicyRow struct {
	On      string // service, entity, operation or element
	Grant   string // events, separated by commas; after "deny", those that are taken away from whom the row fits
	To      string // roles, separated by commas
	Where   string // condition; "" for none
	Closed  string // why nobody may do anything
	Follows string // composition parents whose rules hold too, separated by commas
}

// PolicyOf returns the compiled policy of a service in the form of generated code.
func PolicyOf(a *App, service string) PolicyTable { return PolicyTableOf(a.Policy, service) }

// Check compares the table with what the app has compiled. The error names the first difference.
func (t PolicyTable) Check(a *App, service string) error {
	if a.Options.ModelAhead && !a.Options.Production {
		return nil // the App enforces the newer model's policy; this table is only its readable copy
	}
	now := PolicyOf(a, service)
	for i := range max(len(t.Rows), len(now.Rows)) {
		switch {
		case i >= len(t.Rows):
			return stale(service, "the model also has "+now.Rows[i].String())
		case i >= len(now.Rows):
			return stale(service, "the model no longer has "+t.Rows[i].String())
		case t.Rows[i] != now.Rows[i]:
			return stale(service, "generated is "+t.Rows[i].String()+", the model has "+now.Rows[i].String())
		}
	}
	if t.Digest != now.Digest {
		return stale(service, "the digest of the policy differs")
	}
	return nil
}

func stale(service, what string) error {
	return fmt.Errorf("error[policy-stale]: the generated policy of %s does not agree with the model: %s\n  hint: run cds gen and build again", service, what)
}

// String shows the privilege in one line.
func (r PolicyRow) String() string {
	parts := []string{r.On}
	for _, p := range []struct{ word, text string }{{"grant", r.Grant}, {"to", r.To}, {"where", r.Where}, {"closed:", r.Closed}, {"follows", r.Follows}} {
		if p.text != "" {
			parts = append(parts, p.word+" "+p.text)
		}
	}
	return strings.Join(parts, " ")
}

func concerns(on, service string) bool { return on == service || strings.HasPrefix(on, service+".") }

// PolicyTableOf is PolicyOf for a policy without an app.
func PolicyTableOf(p *authz.Policy, service string) PolicyTable {
	t := PolicyTable{Digest: p.Digest()}
	for _, r := range p.Table() {
		if !concerns(strings.TrimSuffix(r.On, "@requires"), service) {
			continue
		}
		grant := strings.Join(r.Grant, ", ")
		if r.Deny {
			grant = "deny " + grant
		}
		t.Rows = append(t.Rows, PolicyRow{r.On, grant, strings.Join(r.To, ", "), r.Where, r.Closed, strings.Join(r.Follows, ", ")})
	}
	return t
}

// Authorize adds an Authorizer, which narrows what the model's rules decide. It belongs before Start, where handlers are registered;
// after it, it panics as registering a handler does.
func (a *App) Authorize(z Authorizer) {
	if a.inner.started.Load() {
		panic("authorizer added after Start")
	}
	a.Options.Authorizers = append(a.Options.Authorizers[:len(a.Options.Authorizers):len(a.Options.Authorizers)], z)
}
