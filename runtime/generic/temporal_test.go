package generic_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

const temporal = `
context db {
entity Depts { key ID : Integer; name : String; staff : Association to many Jobs on staff.dept = $self; }
entity Jobs { key ID : Integer; key validFrom : Timestamp @cds.valid.from; validTo : Timestamp @cds.valid.to; dept : Association to Depts; title : String; pay : Association to Pays; }
entity Pays { key ID : Integer; amount : Integer; since : Date @cds.valid.from; until : Date @cds.valid.to; }
}
service Cat {
  entity Depts as projection on db.Depts;
  @restrict: [{ grant: '*', where: 'title != \'secret\'' }] entity Jobs as projection on db.Jobs;
  entity Pays as projection on db.Pays;
}`

const temporalData = `INSERT INTO db_Depts (ID, name) VALUES (1, 'D');
INSERT INTO db_Jobs (ID, validFrom, validTo, dept_ID, title, pay_ID) VALUES
 (1, '2020-01-01T00:00:00.000Z', '2022-01-01T00:00:00.000Z', 1, 'clerk', 1), (1, '2022-01-01T00:00:00.000Z', '9999-12-31T00:00:00.000Z', 1, 'boss', 1),
 (2, '2020-01-01T00:00:00.000Z', '2023-01-01T00:00:00.000Z', 1, 'gone', 1), (3, '2020-01-01T00:00:00.000Z', '9999-12-31T00:00:00.000Z', 1, 'secret', 1);
INSERT INTO db_Pays (ID, amount, since, until) VALUES (1, 100, '2022-01-01', '9999-12-31');`

func TestTemporalReads(t *testing.T) {
	a := newApp(t, strings.ReplaceAll(temporal, `\'`, `''`), temporalData, cds.AppOptions{}, nil)
	read := func(query string, fill func(*cqn.Select)) string {
		t.Helper()
		s := a.Service("Cat")
		sel := &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Cat.Jobs")}}
		fill(sel)
		e := a.Model.Entity(sel.From.(*cqn.From).Path.Path[0].Name)
		res, err := s.Dispatch(a.as(user("u")), &cds.RawRequest{Event: authz.Read, Target: e, Query: sel, User: user("u"), HTTP: httptest.NewRequest("GET", "/?"+query, nil)})
		if err != nil {
			return fmt.Sprint(cds.AsError(err).Status)
		}
		var out []string
		for _, r := range res.Rows {
			out = append(out, text(r))
		}
		return strings.Join(out, ";")
	}
	titles := func(sel *cqn.Select) {
		sel.Columns = []cqn.Column{{X: cqn.NewRef("title")}, {X: cqn.NewRef("pay", "amount"), As: "amount"}}
	}
	staff := func(sel *cqn.Select) {
		sel.From = &cqn.From{Path: cqn.NewRef("Cat.Depts")}
		sel.Columns = []cqn.Column{{X: cqn.NewRef("staff"), Expand: &cqn.Select{Columns: []cqn.Column{{X: cqn.NewRef("title")}}}}}
	}
	boss := func(sel *cqn.Select) {
		sel.From = &cqn.From{Path: cqn.NewRef("Cat.Depts")}
		sel.Columns = []cqn.Column{{X: cqn.NewRef("ID")}}
		sel.Where = &cqn.Exists{Path: cqn.NewRef("staff"), Pred: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("title"), R: &cqn.Lit{Value: cqn.String("clerk")}}}
	}
	for _, tt := range []struct {
		query, want string
		fill        func(*cqn.Select)
	}{
		{"", `{"title":"boss","amount":100}`, titles}, // now is 2024
		{"sap-valid-at=2021-06-01", `{"title":"clerk","amount":null};{"title":"gone","amount":null}`, titles},
		{"sap-valid-at=2022-01-01T00:00:00Z", `{"title":"boss","amount":100};{"title":"gone","amount":100}`, titles},
		{"sap-valid-at=2019-01-01", ``, titles},
		{"sap-valid-from=2021-01-01&sap-valid-to=2022-06-01", `{"title":"clerk","amount":100};{"title":"boss","amount":100};{"title":"gone","amount":100}`, titles},
		{"sap-valid-from=2021-01-01", `{"title":"clerk","amount":100};{"title":"boss","amount":100};{"title":"gone","amount":100}`, titles},
		{"sap-valid-at=tomorrow", "400", titles},
		{"", `{"staff":[{"title":"boss"}]}`, staff},
		{"sap-valid-at=2021-06-01", `{"staff":[{"title":"clerk"},{"title":"gone"}]}`, staff},
		{"", ``, boss},
		{"sap-valid-at=2021-06-01", `{"ID":1}`, boss},
	} {
		if got := read(tt.query, tt.fill); got != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.query, got, tt.want)
		}
	}
	// The next request without a time is of now again, and the owner of the database sees all.
	if got := a.sql("db.Jobs", "title"); got != "boss;clerk;gone;secret" {
		t.Error(got)
	}
}
