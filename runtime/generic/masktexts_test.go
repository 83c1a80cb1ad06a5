package generic_test

import (
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// TestMaskOfTranslations: whether a translation is shown is a question of the row that it translates, on whatever way it is read.
func TestMaskOfTranslations(t *testing.T) {
	a := newApp(t, `
entity d.E { key ID : Integer; owner : String; boss : Association to d.Staff; @mask: { value: '***', unless: [{ where: (owner = $user) }, { to: 'hr' }] } title : localized String;
  @mask: { unless: { where: (boss.name = $user) } } note : localized String; free : localized String; }
entity d.Staff { key ID : Integer; name : String; }
@requires: 'any' service S { entity E as projection on d.E; entity Staff as projection on d.Staff; }`,
		`INSERT INTO d_Staff (ID, name) VALUES (1, 'u'), (2, 'w');
INSERT INTO d_E (ID, owner, boss_ID, title, note, free) VALUES (1, 'u', 2, 'one', 'n1', 'f1'), (2, 'v', 1, 'two', 'n2', 'f2');
INSERT INTO d_E_texts (locale, ID, title, note, free) VALUES ('de', 1, 'eins', 'd1', 'g1'), ('de', 2, 'zwei', 'd2', 'g2');`, cds.AppOptions{}, nil)
	text := func(r *cds.Row) string {
		return r.Value("title").Format() + " " + r.Value("note").Format() + " " + r.Value("free").Format()
	}
	is := func(what string, rows []*cds.Row, want ...string) {
		t.Helper()
		for i, w := range want {
			if len(rows) != len(want) || text(rows[i]) != w {
				t.Errorf("%s: %d rows, row %d: %s, want %s", what, len(rows), i, text(rows[min(i, len(rows)-1)]), w)
			}
		}
	}
	null := cqn.Null.Format()
	for _, c := range []struct {
		u            *cds.User
		first, other string
	}{{user("u"), "eins " + null + " g1", "*** d2 g2"}, {user("v"), "*** " + null + " g1", "zwei " + null + " g2"}, {user("x", "hr"), "eins " + null + " g1", "zwei " + null + " g2"}} {
		byID := []cqn.Order{{X: cqn.NewRef("ID")}}
		res, _ := a.want(req{event: authz.Read, path: "S.E", user: c.u, locale: "de", query: func(s *cqn.Select) { s.OrderBy, s.Localized = byID, true }}, 200)
		is("localized", res.Rows, c.first, c.other)
		sub := &cqn.Select{Columns: []cqn.Column{{Star: true}}}
		res, _ = a.want(req{event: authz.Read, path: "S.E", user: c.u, query: func(s *cqn.Select) {
			s.OrderBy, s.Columns = byID, []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef("texts"), Expand: sub}}
		}}, 200)
		var rows []*cds.Row
		for _, r := range res.Rows {
			rows = append(rows, r.Value("texts").Rows()...)
		}
		is("expanded", rows, c.first, c.other)
		res, _ = a.want(req{event: authz.Read, path: "S.E(1)/texts", user: c.u}, 200)
		is("over the path", res.Rows, c.first)
		_, err := a.do(req{event: authz.Read, path: "S.E(2)/texts", user: c.u, query: func(s *cqn.Select) {
			s.Where = &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("note"), R: &cqn.Lit{Value: cqn.String("d2")}}
		}})
		if err == nil {
			t.Error("who sees the mask filters by the value")
		}
	}
}

// TestMaskOfTranslations_drafts: entities with drafts and such masks start strictly.
func TestMaskOfTranslations_drafts(t *testing.T) {
	a := newApp(t, `
@requires: 'any' service S { @odata.draft.enabled entity E { key ID : UUID; owner : String; @mask: { unless: { where: (owner = $user) } } title : localized String; } }`,
		`INSERT INTO S_E (ID, owner, title) VALUES ('00000000-0000-4000-8000-000000000001', 'u', 'one');
INSERT INTO S_E_texts (locale, ID, title) VALUES ('de', '00000000-0000-4000-8000-000000000001', 'eins');`, cds.AppOptions{}, nil)
	for who, want := range map[string]string{"u": "eins", "v": cqn.Null.Format()} {
		res, _ := a.want(req{event: authz.Read, path: "S.E", user: user(who), query: func(s *cqn.Select) {
			s.Columns = []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef("texts"), Expand: &cqn.Select{Columns: []cqn.Column{{Star: true}}}}}
		}}, 200)
		if len(res.Rows) != 1 || len(res.Rows[0].Value("texts").Rows()) != 1 || res.Rows[0].Value("texts").Rows()[0].Value("title").Format() != want {
			t.Errorf("%s: %v", who, res.Rows)
		}
	}
}
