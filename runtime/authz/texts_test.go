package authz

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// translated is a model with all that translations may be reached by.
const translated = `
entity d.A { key ID : Integer; owner : String; parent : Association to d.A; more : Integer;
  @mask: { unless: { where: (owner = $user) } } title : localized String; @mask: { unless: { where: (owner = $user) } } @title: 'y' plain : localized String;
  @mask: 'x' g : localized String; @mask: 'x' h : localized String; @mask: { unless: { where: (owner = $user) } } i : localized String;
  a : localized String; b : localized String; c : localized String; f : localized String; }
entity d.C { key ID : Integer; @mask: { unless: { where: (owner = $user) } } title : String; owner : String; texts : Association to d.Ctexts; }
entity d.Ctexts as projection on d.C { ID, owner, title };
entity d.D { key ID : Integer; owner : String; @mask: { unless: { where: (owner = $user) } } title : localized String; }
service S {
  @cds.redirection.target: false entity V as select from d.A { key ID, owner, title, parent as texts }; @cds.redirection.target: false entity X as select from d.A { key ID, 'x' as texts : String };
  @cds.redirection.target: false entity Twin as select from d.A { key ID, parent.owner as owner, title, texts }; @cds.redirection.target: false entity None as select from d.A { key ID, c };
  @cds.redirection.target: false entity J as select from d.A as a join d.A as b on a.ID = b.ID { key a.ID as ID, b.c as texts };
  @cds.redirection.target entity A as projection on d.A; entity C as projection on d.C; @cds.redirection.target: false entity Few as projection on D; @cds.redirection.target @odata.draft.enabled entity D as projection on d.D;
  @cds.redirection.target: false entity Late as projection on A; }
service P { entity A as projection on d.A; entity Names as projection on d.A.texts; }
service Z { @cds.redirection.target entity A as projection on d.A; @cds.redirection.target: false @odata.draft.enabled entity V as select from d.A { key ID, owner, title, parent as texts }; }
service T { entity Tx as projection on d.A.texts; }
service O { entity A as projection on d.A { *, texts : redirected to T.Tx }; }
annotate S.A with { a @requires: 'hr'; b @mask: { unless: { where: (owner = $user) } }; c @mask: { unless: 'hr' }; f @mask: 'x'; g @mask.unless: 'hr' };
annotate S.A.texts with { plain @title: 'z'; h @mask.unless: 'hr'; i @masked: 'x'; f @mask: 'x' @mask.unless: 'hr'; };
annotate O.A with { a @requires: 'hr'; };
`

// TestElements_translations: translations are as restricted as the element that they translate, whose row conditions are asked of; another element of the name that
// compositions of translations have leads to none.
func TestElements_translations(t *testing.T) {
	res := parser.CompileString("m.cds", translated)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	m, diags := csn.WithDrafts(res.Model, "")
	if m == nil {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{})
	own := "null unless owner = $user"
	for on, want := range map[string]string{
		"S.A.title": own, "S.V.title": own, "S.Twin.title": "-", "S.C.title": own, "S.D.title": own, "S.A.b": own, "S.D.drafts.title": own,
		"S.A.texts.title": "by S.A.texts", "S.A.texts.b": "by S.A.texts", "S.D.texts.title": "by S.D.texts", "S.D.texts.drafts.title": "by S.D.drafts.texts",
		"S.A.texts.plain": "by S.A.texts", "S.A.texts.i": "-", "d.Ctexts.title": own, "Z.A.title": own, "S.A.texts.a": "-", "S.A.texts.c": "null", "S.A.texts.f": "'x'", "S.A.texts.locale": "+", "S.A.texts.ID": "+", "S.None.c": "+", "S.X.texts": "+", "S.J.texts": "+", "T.Tx.a": "+", "P.Names.title": "by P.A.texts",
	} {
		i := strings.LastIndex(on, ".")
		e := m.Entity(on[:i])
		if e == nil || e.Element(on[i+1:]) == nil {
			t.Errorf("no %s", on)
			continue
		}
		g := &Guard{state: &guard{p: p.state, s: p.state.roles.subject(named("u"), false, nil), access: Access{Event: Read}}}
		got := "+"
		var f *sqlgen.Forbidden
		if err := g.Element(e.Element(on[i+1:]), sqlgen.Root); errors.As(err, &f) {
			if got = "-"; f.Mask != nil {
				got = cqn.Format(f.Mask.X)
				if x, ok := f.Mask.Unless.(*cqn.Exists); ok && cqn.Format(x.Pred) == "owner = $user" {
					got = "by " + x.Inverse + "." + x.Path.Path[0].Name
				} else if f.Mask.Unless != nil {
					got += " unless " + cqn.Format(f.Mask.Unless)
				}
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", on, got, want)
		}
	}
	for on, want := range map[string][]string{"S.A.texts.a": {"hr"}, "S.A.texts.c": {"hr"}, "S.A.texts.f": {"hr"}, "S.A.texts.title": nil, "S.A.f": nil, "S.A.g": {"hr"}, "S.A.texts.g": nil, "S.A.h": nil, "S.A.texts.h": {"hr"}} {
		i := strings.LastIndex(on, ".")
		if got := p.ElementRoles(m.Entity(on[:i]).Element(on[i+1:])); !slices.Equal(got, want) {
			t.Errorf("%s: roles %v", on, got)
		}
	}
}
