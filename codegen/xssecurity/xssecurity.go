// Package xssecurity writes xs-security.json, the description of scopes, attributes and role templates for the XSUAA service, from the roles
// and user attributes that a model's restrictions name.
package xssecurity

import (
	"slices"
	"sort"

	"cds/codegen"
	"cds/parser/cqn"
	"cds/parser/csn"
)

// pseudo are roles that nobody is given: they follow from how a request was authenticated.
var pseudo = []string{"any", "authenticated-user", "system-user", "internal-user"}

// Generate returns xs-security.json for a model: a scope and a role template for every role, and the attributes of those privileges that
// use `$user.x` beside it. Names are sorted, so that equal models give equal texts.
func Generate(m *csn.Model) ([]byte, error) {
	c := &collector{roles: map[string]map[string]bool{}, attrs: map[string]bool{}}
	for _, d := range m.Defs {
		c.definition(d)
	}
	doc := codegen.NewObject()
	scopes, attrs, templates := []any{}, []any{}, []any{}
	for _, role := range keys(c.roles) {
		scope := "$XSAPPNAME." + role
		scopes = append(scopes, codegen.NewObject("name", scope, "description", role))
		t := codegen.NewObject("name", role, "description", "generated", "scope-references", []any{scope})
		if refs := keys(c.roles[role]); len(refs) > 0 {
			t.Set("attribute-references", refs)
		}
		templates = append(templates, t)
	}
	for _, a := range keys(c.attrs) {
		attrs = append(attrs, codegen.NewObject("name", a, "description", a, "valueType", "string", "valueRequired", false))
	}
	return codegen.JSON(doc.Set("scopes", scopes).Set("attributes", attrs).Set("role-templates", templates))
}

type collector struct {
	roles map[string]map[string]bool // to the attributes used with them
	attrs map[string]bool
}

func (c *collector) definition(d csn.Definition) {
	c.def(d.Definition())
	switch d := d.(type) {
	case *csn.Entity:
		c.operations(d.Actions)
		for _, el := range d.Elements {
			c.def(&el.Def)
		}
	case *csn.Aspect:
		c.operations(d.Actions)
	}
}

func (c *collector) operations(ops []*csn.Operation) {
	for _, o := range ops {
		c.def(&o.Def)
	}
}

func (c *collector) def(d *csn.Def) {
	c.rolesOf(d.Annotations.Get("requires"), nil)
	if v := d.Annotations.Get("restrict"); v != nil {
		for _, p := range v.Items {
			c.privilege(p.Field("to"), p.Field("where"))
		}
	}
	// @restrict: { … } without a list is flattened to its parts.
	c.privilege(d.Annotations.Get("restrict.to"), d.Annotations.Get("restrict.where"))
}

func (c *collector) privilege(to, where *cqn.AnnoValue) {
	attrs := map[string]bool{}
	if where != nil && where.Expr != nil {
		cqn.Walk(where.Expr, func(n any) bool {
			if p, ok := n.(*cqn.Param); ok && p.From == cqn.FromUserAttr {
				attrs[p.Name], c.attrs[p.Name] = true, true
			}
			return true
		})
	}
	c.rolesOf(to, attrs)
}

// rolesOf notes the roles of a text or list of texts, and the attributes used with them.
func (c *collector) rolesOf(v *cqn.AnnoValue, attrs map[string]bool) {
	if v == nil {
		return
	}
	switch v.Kind {
	case cqn.AnnoArray:
		for _, it := range v.Items {
			if it.Kind != cqn.AnnoArray {
				c.rolesOf(it, attrs)
			}
		}
	case cqn.AnnoString:
		if v.Text == "" || slices.Contains(pseudo, v.Text) {
			return
		}
		if c.roles[v.Text] == nil {
			c.roles[v.Text] = map[string]bool{}
		}
		for a := range attrs {
			c.roles[v.Text][a] = true
		}
	}
}

func keys[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
