package authz

import (
	"testing"

	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

const draftText = `
entity db.A { key ID : Integer; owner : String; x : String; parts : Composition of many { key n : Integer; } }
@requires: 'authenticated-user' @restrict: [{grant: ['READ', 'UPDATE']}, {grant: '*', to: 'maker'}] service S {
  @odata.draft.enabled @restrict: [{grant: 'READ', where: (owner = $user)}, {grant: 'UPDATE', to: 'editor', where: (owner = $user)}, {grant: ['CREATE', 'go'], to: 'maker'}]
  entity A as projection on db.A actions { action go(); };
}
service T {
  @odata.draft.enabled @Capabilities.Insertable: false entity NoInsert { key ID : Integer; }
  @odata.draft.enabled @Capabilities.Updatable: false entity NoUpdate { key ID : Integer; }
  @odata.draft.enabled @readonly entity ReadOnly { key ID : Integer; }
  @odata.draft.enabled @requires: [] entity Closed { key ID : Integer; }
}`

// TestDecide_drafts has the steps of drafts, for roots: who may take them, and on which condition.
func TestDecide_drafts(t *testing.T) {
	base := compiled(t, draftText)
	m, diags := csn.WithDrafts(base, "")
	if m == nil {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{Strict: true})
	reader, editor, maker := named("u"), named("u", "editor"), named("u", "maker")
	const own = "DraftOwner.InProcessByUser = $user"
	for _, c := range []struct {
		user    *auth.User
		event   Event
		entity  string
		verdict Verdict
	}{
		{reader, Read, "S.A.drafts", AllowIf}, {editor, Read, "S.A.drafts", AllowIf}, {maker, Read, "S.A.drafts", AllowIf}, {auth.Anonymous, Read, "S.A.drafts", Deny401},
		{reader, New, "S.A.drafts", Deny403}, {editor, New, "S.A.drafts", Deny403}, {maker, New, "S.A.drafts", AllowIf},
		{reader, Edit, "S.A", Deny403}, {editor, Edit, "S.A", AllowIf}, {maker, Edit, "S.A", Deny403},
		{reader, Patch, "S.A.drafts", Deny403}, {editor, Patch, "S.A.drafts", AllowIf}, {maker, Patch, "S.A.drafts", AllowIf},
		{reader, Save, "S.A.drafts", Deny403}, {editor, Save, "S.A.drafts", AllowIf}, {maker, Save, "S.A.drafts", AllowIf},
		{reader, Discard, "S.A.drafts", Deny403}, {editor, Discard, "S.A.drafts", AllowIf}, {maker, Discard, "S.A.drafts", AllowIf},
		{editor, Create, "S.A.drafts", AllowIf}, {maker, Upsert, "S.A.drafts", AllowIf},
		{maker, Read, "S.A.activeOrDraft", Deny403}, {maker, Read, "S.A.parts.activeOrDraft", Deny405}, {maker, Read, "S.DraftAdministrativeData", Deny405},
		{maker, Read, "DRAFT.DraftAdministrativeData", Deny403}, {maker, Read, "S.A.parts.drafts", Deny405},
		{named("u"), New, "T.NoInsert.drafts", Deny405}, {named("u"), Edit, "T.NoInsert", Allow}, {named("u"), New, "T.NoUpdate.drafts", AllowIf}, {named("u"), Edit, "T.NoUpdate", Deny405},
		{named("u"), Patch, "T.NoUpdate.drafts", AllowIf}, {named("u"), New, "T.ReadOnly.drafts", Deny405}, {named("u"), Edit, "T.ReadOnly", Deny405},
		{named("u"), New, "T.Closed.drafts", Deny403}, {named("u"), Read, "T.Closed.drafts", Deny403}, {named("u"), Patch, "T.Closed.drafts", Deny403},
	} {
		e := m.Entity(c.entity)
		s := e.Service
		if s == nil {
			s = m.Service("S")
		}
		d := p.Decide(c.user, Access{Service: s, Event: c.event, Path: []*csn.Entity{e}})
		if d.Verdict != c.verdict {
			t.Errorf("%s %s as %v: verdict %d, want %d (%v)", c.event, c.entity, c.user.ID, d.Verdict, c.verdict, d.Rules)
		}
		if d.Allowed() && e.Active != nil {
			for _, use := range []sqlgen.Use{sqlgen.Root, sqlgen.Path, sqlgen.Expand, sqlgen.Exists, sqlgen.Update, sqlgen.Delete} {
				if got := condition(d.Guard, e, use); got != own && use != sqlgen.Update && use != sqlgen.Delete {
					t.Errorf("%s %s: %v may use rows where %s", c.event, c.entity, use, got)
				}
			}
			if (c.event == New || c.event == Patch) && (d.Check == nil || show(d.Check) != own) {
				t.Errorf("%s %s: new values are checked by %s", c.event, c.entity, show(d.Check))
			}
		}
	}
	// Steps that are operations are decided as what they do, and are no operations that a grant could name.
	a := m.Entity("S.A")
	for _, c := range []struct {
		user *auth.User
		e    *csn.Entity
		op   string
		want Verdict
	}{{editor, a, "draftEdit", AllowIf}, {maker, a, "draftEdit", Deny403}, {maker, a.Drafts, "draftActivate", AllowIf}, {reader, a.Drafts, "draftActivate", Deny403},
		{maker, a, "go", Allow}, {maker, a.Drafts, "go", AllowIf}, {editor, a.Drafts, "go", Deny403}} {
		op := c.e.Action(c.op)
		if d := p.Decide(c.user, Access{Service: a.Service, Event: Event(c.op), Op: op, Path: []*csn.Entity{c.e}}); d.Verdict != c.want {
			t.Errorf("%s on %s: verdict %d, want %d (%v)", c.op, c.e.Name, d.Verdict, c.want, d.Rules)
		}
	}
	// The table is that of the model without drafts: generated code knows none.
	q, _ := Compile(base, Options{Strict: true})
	if got, want := p.Digest(), q.Digest(); got != want {
		t.Errorf("the table differs: %v, want %v", p.Table(), q.Table())
	}
}
