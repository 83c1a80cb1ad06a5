package authz

import (
	"errors"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// TestMask_who: what an element shows to whom: its value, or what stands in its place, with the condition of rows that show the value.
func TestMask_who(t *testing.T) {
	m, p, diags := policyOf(t, `
@authz.condition.low: (n < 5)
entity d.A { key ID : Integer; n : Integer; grade : Integer;
  @mask: 'x' name : String; @mask every : String; @mask: null open : String; @mask @mask.value: 'z' both : String; @mask: 7 number : Integer;
  @mask: { value: 'x', unless: 'hr' } role : String;
  @mask: { value: 'x', unless: ['hr', 'boss'] } roles : String;
  @mask: { value: 'x', unless: { to: 'mgr', where: (ID > 3) } } cond : String;
  @mask: { value: 'x', unless: ['hr', { where: ($user.level > 3) }, { to: 'mgr', where: (ID > 3) }, { to: ['mgr', 'lead'], where: (n = 1) }] } mixed : String;
  @mask: { value: 'x', unless: { to: 'mgr' } } to : String;
  @mask: { value: 'x', unless: { to: 'mgr', where: (1 = 1) } } always : String;
  @mask.value: 'x' @mask.unless.to: 'mgr' @mask.unless.where: (ID > 3) parts : String;
  @mask.value: 'x' @mask.unless.to: null @mask.unless.where: (ID > 3) nulled : String;
  @mask: { value: 'x', write: 'clerk' } writable : String;
  @mask: { value: 'x', unless: 'hr', write: ['clerk', 'temp'] } written : String;
  @mask: (grade + 1) computed : Integer; calc : String = name || '!'; @requires: 'boss' @mask: 'x' restricted : String; }
service S { entity A as projection on d.A; entity V as projection on d.A { ID, name as name2, open as open2, name || 'x' as made : String, @mask.value: null @mask.unless: null role as freed }; }`)
	if diags.HasErrors() {
		t.Fatal(codesOf(diags))
	}
	mgr, level := named("u", "mgr"), with("level", "5")
	for _, c := range []struct {
		user       *auth.User
		entity, el string
		want       string // "+" for the value, "-" for nothing, else what is shown and where the value is
		update     bool
	}{
		{named("u"), "S.A", "ID", "+", true}, {named("u"), "S.A", "name", "'x'", false}, {named("u"), "S.A", "every", "null", false}, {named("u"), "S.A", "open", "+", true}, {named("u"), "S.A", "both", "'z'", false}, {named("u"), "S.A", "number", "7", false},
		{named("u"), "S.A", "role", "'x'", false}, {named("u", "hr"), "S.A", "role", "+", true}, {named("u", "boss"), "S.A", "role", "'x'", false}, {named("u", "boss"), "S.A", "roles", "+", true},
		{named("u"), "S.A", "cond", "'x'", false}, {named("u", "hr"), "S.A", "cond", "'x'", false}, {mgr, "S.A", "cond", "'x' unless ID > 3", false},
		{named("u"), "S.A", "mixed", "'x'", false}, {named("u", "hr"), "S.A", "mixed", "+", true}, {level, "S.A", "mixed", "+", true}, {with("level", "2"), "S.A", "mixed", "'x'", false}, {mgr, "S.A", "mixed", "'x' unless ID > 3 or n = 1", false}, {named("u", "lead"), "S.A", "mixed", "'x' unless n = 1", false},
		{named("u"), "S.A", "to", "'x'", false}, {mgr, "S.A", "to", "+", true}, {named("u"), "S.A", "always", "'x'", false}, {mgr, "S.A", "always", "+", true},
		{named("u"), "S.A", "parts", "'x'", false}, {mgr, "S.A", "parts", "'x' unless ID > 3", false}, {named("u"), "S.A", "nulled", "'x' unless ID > 3", false},
		{named("u"), "S.A", "writable", "'x'", false}, {named("u", "clerk"), "S.A", "writable", "'x'", true}, {named("u", "temp"), "S.A", "written", "'x'", true}, {named("u", "hr"), "S.A", "written", "+", true}, {named("u"), "S.A", "written", "'x'", false},
		{named("u"), "S.A", "computed", "cast(grade as cds.Int64) + 1", false}, {named("u"), "S.A", "calc", "-", false}, {named("u"), "S.A", "restricted", "-", false}, {named("u", "boss"), "S.A", "restricted", "'x'", false},
		{named("u"), "S.V", "name2", "'x'", false}, {named("u"), "S.V", "open2", "+", true}, {named("u"), "S.V", "made", "-", false}, {named("u"), "S.V", "freed", "+", true}, {auth.NewDummy("d"), "S.A", "name", "+", true}, {auth.Privileged, "S.A", "cond", "+", true}, {auth.Anonymous, "S.A", "name", "'x'", false},
	} {
		el := m.Entity(c.entity).Element(c.el)
		d := p.Decide(c.user, access(t, m, "READ "+c.entity))
		got := "+"
		var f *sqlgen.Forbidden
		if err := d.Guard.Element(el, sqlgen.Root); errors.As(err, &f) {
			if got = "-"; f.Mask != nil {
				got = cqn.Format(f.Mask.X)
				if f.Mask.Unless != nil {
					got += " unless " + cqn.Format(f.Mask.Unless)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s.%s to %v: %s, want %s", c.entity, c.el, c.user.Roles(), got, c.want)
		}
		d = p.Decide(c.user, access(t, m, "UPDATE "+c.entity))
		if err := d.Guard.Element(el, sqlgen.Update); (err == nil) != c.update {
			t.Errorf("%s.%s by %v: update: %v", c.entity, c.el, c.user.Roles(), err)
		}
	}
	if got := strings.Join(p.Roles(nil), " "); got != "boss clerk hr lead mgr temp" {
		t.Errorf("roles %s", got)
	}
}

// TestMask_texts: translations are masked as what they translate.
func TestMask_texts(t *testing.T) {
	m, p, diags := policyOf(t, `
entity d.A { key ID : Integer; n : Integer;
  @mask: { expr: (case when ID > 3 then 'many' else 'few' end), unless: [{ to: 'a', where: (ID > 5) }] } byKey : localized String;
  @mask: { value: 'm', unless: [{ to: 'a', where: (n > 5) }, { to: 'b', where: (ID > 5 and n > 5) }, { to: 'c', where: (n > 5 and ID > 5) }, { to: 'd', where: (n > ID or $user.level = 'high') }, { to: 'e', where: ($user.level = 'high') },
    { to: 'f', where: (o.n = 1) }, { to: 'g', where: (o.ID = 1) }] } byRow : localized String;
  @mask: 'x' plain : localized String; @requires: 'hr' hidden : localized String; open : localized String; key o : Association to d.O; }
entity d.O { key ID : Integer; n : Integer; }
service S { entity A as projection on d.A; entity O as projection on d.O; }`)
	if len(diags) > 0 {
		t.Fatal(codesOf(diags))
	}
	e := m.Entity("S.A.texts")
	for _, c := range []struct{ role, el, want string }{
		{"", "byKey", "case when ID > 3 then 'many' else 'few' end"}, {"a", "byKey", "case when ID > 3 then 'many' else 'few' end unless ID > 5"}, {"b", "byKey", "case when ID > 3 then 'many' else 'few' end"}, {"", "plain", "'x'"}, {"", "byRow", "'m'"},
		{"a", "byRow", "'m' unless exists S.A over texts[n > 5]"}, {"b", "byRow", "'m' unless exists S.A over texts[ID > 5 and n > 5]"}, {"c", "byRow", "'m' unless exists S.A over texts[n > 5 and ID > 5]"},
		{"d", "byRow", "'m' unless exists S.A over texts[n > ID or $user.level = 'high']"}, {"e", "byRow", "'m'"}, {"f", "byRow", "'m' unless exists S.A over texts[o.n = 1]"}, {"g", "byRow", "'m' unless exists S.A over texts[o.ID = 1]"}, {"", "hidden", "-"}, {"hr", "hidden", "+"}, {"", "open", "+"},
	} {
		d := p.Decide(named("u", c.role), access(t, m, "READ S.A"))
		got := "+"
		var f *sqlgen.Forbidden
		if err := d.Guard.Element(e.Element(c.el), sqlgen.Root); errors.As(err, &f) {
			if got = "-"; f.Mask != nil {
				got = cqn.Format(f.Mask.X)
				if f.Mask.Unless != nil {
					got += " unless " + cqn.Format(f.Mask.Unless)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s to %q: %s, want %s", c.el, c.role, got, c.want)
		}
	}
}

// TestMask_said: what says two things, or nothing, closes the element.
func TestMask_said(t *testing.T) {
	for mask, fault := range map[string]bool{
		"@mask: 'a'": false, "@mask: 'a' @mask.value: 'b'": true, "@mask.value: 'a' @mask.fn: 'last(2)'": true, "@mask: { value: 'a', expr: (n) }": true, "@mask.expr: ('a') @mask.fn: 'last(2)'": true, "@mask: true @mask.value: 'a'": false, "@mask.value: 'a' @mask: true": false, "@mask.fn: 'last(2)' @mask": false,
		"@mask: { unless: { were: (n = 1) } }": true, "@mask: { unless: { where: 'n = 1' } }": true, "@mask: { unless: [5] }": true, "@mask.unless.to: 'a' @mask.unless.too: 'b'": true,
		"@mask.value: 5": true, "@mask.value: 'a' @mask.write: 5": true, "@masked: 'a'": true, "@Mask: 'a'": true, "@masking: 'a'": true, "@masks: 'a'": true, "@maskInput: 'a'": false, "@task: 'a' @mark": false, "@mask.vale: 'a'": true, "@mask: null @mask.unless: null": false, "@mask.value: null": false, "@mask.unless: [{ to: 'a' }, 'b']": false, "@mask.unless: 'b'": false,
	} {
		m, p, diags := policyOf(t, "service S { entity E { key ID : Integer; n : String; "+mask+" x : String; } }")
		_, strict := Compile(m, Options{Strict: true})
		if strict.HasErrors() != fault || (len(diags) > 0) != fault {
			t.Errorf("%s: %v", mask, strict)
		}
		for _, d := range strict {
			if !d.Span.Valid() {
				t.Errorf("%s: no place", mask)
			}
		}
		d := p.Decide(named("u", "a", "b"), access(t, m, "READ S.E"))
		var f *sqlgen.Forbidden
		if err := d.Guard.Element(m.Entity("S.E").Element("x"), sqlgen.Root); fault && (!errors.As(err, &f) || f.Mask != nil) {
			t.Errorf("%s: open: %v", mask, err)
		}
	}
}
