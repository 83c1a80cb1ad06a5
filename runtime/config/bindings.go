package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Binding is a service that the platform bound to the application: what it is, and how to reach it.
type Binding struct {
	Name         string   // of the binding, or of the instance where the binding has none
	BindingName  string   // "" for none
	InstanceName string   // "" for none
	Label        string   // of the offering, such as "xsuaa"; the type of a Kubernetes binding
	Plan         string   // "" for none
	Tags         []string // "" for none
	Credentials  Section
	Source       string // "VCAP_SERVICES" …
}

// A Pointer is a binding that a configuration names without its credentials (requires.x.binding, as `cds bind` writes it): what runs the server
// fetches them.
type Pointer struct {
	Service string // the x of requires.x
	Kind    string // of requires.x, "" for none
	Data    Section
	Vcap    Section // requires.x.vcap
}

// Names of the sources of bindings.
const (
	fromVCAP = "VCAP_SERVICES"
	fromRoot = "SERVICE_BINDING_ROOT"
)

// rank says how well a binding fits a required service without a filter of its own, the best first; 0 is not at all. As in CAP the name of the required service
// is looked for among names, then tags, then labels.
func (b *Binding) rank(service string) int {
	switch {
	case b.Name == service:
		return 1
	case b.BindingName == service:
		return 2
	case b.InstanceName == service:
		return 3
	case slices.Contains(b.Tags, service):
		return 4
	case b.Label == service:
		return 5
	}
	return 0
}

// fits reports whether every property of a filter (requires.x.vcap) has the binding's value. A property that is false is switched off; one that is not
// known fits nothing, since a filter that is not understood must not bind what was not meant.
func (b *Binding) fits(filter Section) bool {
	for key, v := range filter {
		if v == false || v == nil {
			continue
		}
		want := text(v)
		switch key {
		case "name":
			if want != b.Name && want != b.BindingName && want != b.InstanceName {
				return false
			}
		case "binding_name":
			if want != b.BindingName {
				return false
			}
		case "instance_name":
			if want != b.InstanceName {
				return false
			}
		case "label", "type":
			if want != b.Label {
				return false
			}
		case "plan":
			if want != b.Plan {
				return false
			}
		case "tag", "tags":
			for _, tag := range filter.Strings(key) {
				if !slices.Contains(b.Tags, tag) {
					return false
				}
			}
		default:
			return false
		}
	}
	return true
}

// switchedOn reports whether a filter has any property that counts.
func switchedOn(filter Section) bool {
	for _, v := range filter {
		if v != false && v != nil {
			return true
		}
	}
	return false
}

// find returns the binding of a required service: with a filter the first that fits it in full, else the one of the best rank. others are those that would
// have done as well.
func find(list []Binding, service string, filter Section) (best *Binding, others int) {
	bestRank := 0
	filtered := switchedOn(filter)
	for i := range list {
		b := &list[i]
		r := 0
		if !filtered {
			r = b.rank(service)
		} else if b.fits(filter) {
			r = 1
		}
		switch {
		case r == 0:
		case best == nil || r < bestRank:
			best, bestRank, others = b, r, 0
		case r == bestRank:
			others++
		}
	}
	return best, others
}

// bind merges the credentials of bound services into requires.x.credentials, where they win over all other sources, and notes the pointers that are left.
func (c *Config) bind(list []Binding) {
	c.Bindings = list
	requires := c.Sub("requires")
	found := Section{}
	for _, name := range slices.Sorted(maps.Keys(requires)) {
		entry, ok := asMap(requires[name])
		if !ok || name == "kinds" {
			continue
		}
		s := Section(entry)
		filters := []Section{s.Sub("vcap")}
		for _, kind := range slices.Backward(memberKinds(s)) {
			if filter := requires.Sub("kinds." + kind + ".vcap"); switchedOn(filter) {
				filters = append(filters, filter)
			}
		}
		var b *Binding
		others := 0
		for _, filter := range slices.Backward(filters) {
			if b == nil {
				b, others = find(list, name, filter)
			}
		}
		if b == nil {
			if p := s.Sub("binding"); p != nil && !p.Bool("resolved", false) {
				c.Unbound = append(c.Unbound, Pointer{name, s.Str("kind"), p, s.Sub("vcap")})
			}
			continue
		}
		if others > 0 {
			c.Warnings = append(c.Warnings, fmt.Sprintf("requires.%s: %d bound services fit, and %q is taken; name one: requires.%s.vcap.name", name, others+1, b.Name, name))
		}
		cred := Merge(b.Credentials, s.Sub("binding.credentials"))
		found[name] = map[string]any{"credentials": map[string]any(cred)}
	}
	if len(found) > 0 {
		over := Section{"requires": map[string]any(found)}
		c.Section = Merge(c.Section, over)
		c.Sources = slices.Insert(c.Sources, 0, Source{"bindings", over})
	}
}

// memberKinds are the kinds of the members of a chain (requires.auth.strategies), none if the section is no chain or says what to bind itself.
func memberKinds(s Section) (out []string) {
	list, _ := s["strategies"].([]any)
	if switchedOn(s.Sub("vcap")) {
		return nil
	}
	for _, v := range list {
		member, ok := asMap(v)
		if name, isName := v.(string); isName {
			member, ok = asMap(s[name])
		}
		if kind := Section(member).Str("kind"); ok && kind != "" {
			out = append(out, kind)
		}
	}
	return out
}

// followKind gives a required service without a kind that of a bound service (Options.Follow): the first whose preset has a filter that fits.
func (c *Config) followKind(list []Binding, follow map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(follow)) {
		if c.Str("requires."+name+".kind") != "" || !c.Bool("requires."+name, true) {
			continue
		}
		if v, ok := c.Get("requires." + name); ok && v == nil {
			continue
		}
		if s := c.Sub("requires." + name); s["impl"] != nil || s["strategies"] != nil {
			continue // which say it without a kind
		}
		var fit []string
		for _, kind := range follow[name] {
			filter := c.Sub("requires.kinds." + kind + ".vcap")
			if b, _ := find(list, name, filter); switchedOn(filter) && b != nil {
				fit = append(fit, kind)
			}
		}
		if len(fit) == 0 {
			continue
		}
		c.Section = expandKinds(Merge(c.Section, Section{"requires": map[string]any{name: map[string]any{"kind": fit[0]}}}))
		if len(fit) > 1 {
			c.Warnings = append(c.Warnings, fmt.Sprintf("requires.%s has no kind, and bound services fit %s: %s is taken; name one", name, strings.Join(fit, " and "), fit[0]))
		}
	}
}

// vcapService is an entry of VCAP_SERVICES.
type vcapService struct {
	Name         string   `json:"name"`
	BindingName  *string  `json:"binding_name"`
	InstanceName string   `json:"instance_name,omitempty"`
	Label        string   `json:"label"`
	Plan         string   `json:"plan,omitempty"`
	Tags         []string `json:"tags"`
	Credentials  Section  `json:"credentials"`
}

// ParseVCAP reads the text of VCAP_SERVICES: an object of lists of services by their label. Errors are *Error with the place given; they quote nothing of the
// text, which holds secrets.
func ParseVCAP(text []byte, place string) ([]Binding, error) {
	var labels map[string]json.RawMessage
	if err := decodeObject(text, &labels); err != nil {
		return nil, badBinding(place, "an object of lists of services was expected")
	}
	var out []Binding
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		var services []vcapService
		if err := decodeObject(labels[label], &services); err != nil {
			return nil, badBinding(place+"."+label, "a list of services was expected, each with name, label, tags and credentials")
		}
		for _, s := range services {
			b := Binding{Name: s.Name, InstanceName: s.InstanceName, Label: cmp.Or(s.Label, label), Plan: s.Plan, Tags: s.Tags, Credentials: s.Credentials, Source: fromVCAP}
			if s.BindingName != nil {
				b.BindingName = *s.BindingName
			}
			b.Name = cmp.Or(b.Name, b.BindingName, b.InstanceName)
			out = append(out, b)
		}
	}
	return out, nil
}

// VCAP returns bindings as a text of VCAP_SERVICES, for programs that are started with them.
func VCAP(list []Binding) ([]byte, error) {
	out := map[string][]vcapService{}
	for _, b := range list {
		s := vcapService{Name: b.Name, InstanceName: b.InstanceName, Label: b.Label, Plan: b.Plan, Tags: b.Tags, Credentials: b.Credentials}
		if b.BindingName != "" {
			s.BindingName = &b.BindingName
		}
		if s.Tags == nil {
			s.Tags = []string{}
		}
		label := cmp.Or(b.Label, "user-provided")
		out[label] = append(out[label], s)
	}
	return json.Marshal(out)
}

func badBinding(place, want string) error {
	return &Error{"config-bad-binding", place, want, "its text is not shown, since it may hold secrets"}
}
