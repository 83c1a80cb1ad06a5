package lint

import (
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// keys reports tables without a key; those in services are a matter of package check.
func (l *linter) keys() {
	for _, e := range l.model.Entities {
		if e.Source != nil || e.Service != nil || len(e.Keys) > 0 || !l.own[e.Span.File] || e.Annotations.Is("odata.singleton") {
			continue
		}
		l.add(codeNoKey, e.Span, "%s has no key: its records can't be told apart", e.Name).Hint = "Write: key ID : UUID; or include cuid."
	}
}

// access reports restrictions that are missing or wider than they look.
func (l *linter) access() {
	for _, s := range l.model.Services {
		if !l.own[s.Span.File] {
			continue
		}
		open := !restricted(s.Annotations)
		var bare []string
		for _, e := range s.Entities {
			if e.Exposure != csn.Exposed {
				continue
			}
			if !restricted(e.Annotations) {
				bare = append(bare, e.LocalName())
			}
			if open {
				l.wideWrites(e.Annotations, e.Span, e.LocalName())
			}
		}
		for _, o := range s.Ops {
			if !restricted(o.Annotations) {
				bare = append(bare, o.LocalName())
			}
		}
		if open && len(bare) > 0 && !internal(s) {
			d := l.add(codeServiceOpen, s.Span, "Nothing says who may use %s: the service has no @requires, nor has %s", s.Name, bare[0])
			d.Hint = "Write @requires: 'authenticated-user', the name of a role, or 'any' for everybody."
		}
		l.wideWrites(s.Annotations, s.Span, s.Name)
		l.outside(s)
	}
}

// outside reports associations that lead to entities outside of all services: clients can't follow them.
func (l *linter) outside(s *csn.Service) {
	for _, e := range s.Entities {
		if e.Exposure != csn.Exposed {
			continue
		}
		for _, el := range e.Elements {
			a := el.Assoc()
			if a == nil || a.Target == nil || a.Target.Service != nil {
				continue
			}
			at := el.Span
			if !at.Valid() {
				at = e.Span
			}
			l.add(codeOutside, at, "Association target “%s” is outside any service", a.Target.Name).Hint = "Expose the target in " + s.Name + ", or leave the association out."
		}
	}
}

// internal reports whether a service can't be reached from outside.
func internal(s *csn.Service) bool { return s.Annotations.Str("protocol") == "none" }

func restricted(a csn.Annotations) bool {
	for i := range a {
		switch a[i].Name {
		case "requires", "restrict", "restrict.grant", "restrict.to", "restrict.where":
			return true
		}
	}
	return false
}

// wideWrites reports privileges that let everybody write all rows.
func (l *linter) wideWrites(a csn.Annotations, at token.Span, name string) {
	v := a.Get("restrict")
	if v == nil || v.Kind != cqn.AnnoArray || a.Get("requires") != nil {
		return
	}
	for _, p := range v.Items {
		if p == nil || p.Kind != cqn.AnnoStruct || p.Field("to") != nil || p.Field("where") != nil || p.Field("if") != nil {
			continue
		}
		if ev := writes(p.Field("grant")); ev != "" {
			if p.Span.Valid() {
				at = p.Span
			}
			l.add(codeOpenWrite, at, "Everybody may %s %s: the privilege has neither ‘to’ nor ‘where’", ev, name).Hint = "Say whom it is meant for: to: 'authenticated-user', a role, or 'any'."
		}
	}
}

// writes returns an event of a grant that changes data, "" for none.
func writes(grant *cqn.AnnoValue) string {
	if grant == nil {
		return ""
	}
	items := grant.Items
	if grant.Kind != cqn.AnnoArray {
		items = []*cqn.AnnoValue{grant}
	}
	for _, g := range items {
		switch g.Str() {
		case "*", "WRITE", "CREATE", "UPDATE", "DELETE", "UPSERT":
			return g.Str()
		}
	}
	return ""
}

func relatedTo(message string, at token.Span) diag.Related {
	return diag.Related{Message: message, Span: at}
}
