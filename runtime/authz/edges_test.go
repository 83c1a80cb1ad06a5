package authz

import (
	"testing"

	"cds/parser/csn"
)

// TestDeny_drafts: what is denied of active rows is denied of drafts, as far as they have it.
func TestDeny_drafts(t *testing.T) {
	m, diags := csn.WithDrafts(compiled(t, `service S {
  @odata.draft.enabled @restrict: [{ grant: '*' }, { deny: '*', to: 'banned' }, { deny: ['CREATE', 'UPDATE'], to: 'reader' }, { deny: 'CREATE', to: 'editor' },
    { deny: 'go', to: 'quiet' }, { deny: 'READ', where: (x > 3), to: 'some' }]
  entity A { key ID : Integer; x : Integer; } actions { action go(); };
}`), "")
	if m == nil {
		t.Fatal(diags)
	}
	p, faults := Compile(m, Options{Strict: true})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	drafts := m.Entity("S.A.drafts")
	for role, want := range map[string]map[Event]bool{
		"":       {Read: true, New: true, Patch: true, Discard: true, "go": true},
		"banned": {Read: false, New: false, Patch: false, Discard: false, "go": false},
		"reader": {Read: true, New: false, Patch: false, Discard: true, "go": true},
		"editor": {Read: true, New: false, Patch: true, Discard: true, "go": true},
		"quiet":  {Read: true, New: true, Patch: true, Discard: true, "go": false},
		"some":   {Read: true, New: true, Patch: true, Discard: true, "go": true},
	} {
		for ev, allowed := range want {
			a := Access{Service: drafts.Service, Event: ev, Path: []*csn.Entity{drafts}}
			if ev == "go" {
				a.Op = drafts.Action("go")
			}
			if d := p.Decide(named("u", role), a); d.Allowed() != allowed {
				t.Errorf("%s of a draft as %q: allowed %v (%v)", ev, role, d.Allowed(), d.Rules)
			}
		}
	}
}
