package generic_test

import (
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

const tree = `
context db {
entity Nodes { key a : Integer; key b : String; name : String; parent : Association to Nodes; at : Timestamp;
  kids : Association to many Nodes on kids.parent = $self;
  leaves : Composition of many { key pos : Integer; text : String; hidden : Boolean; }; }
}
service T {
  entity Nodes as projection on db.Nodes;
  @restrict: [{grant: 'READ', where: 'hidden is null'}, {grant: 'WRITE'}] entity Leaves as projection on db.Nodes.leaves;
}`

const treeData = `INSERT INTO db_Nodes (a, b, name, parent_a, parent_b, at) VALUES
 (1, 'x', 'root', NULL, NULL, '2024-01-01T00:00:00Z'), (1, 'y', 'one', 1, 'x', NULL), (2, 'x', 'two', 1, 'x', NULL), (2, 'y', 'deep', 2, 'x', NULL);
INSERT INTO db_Nodes_leaves (up__a, up__b, pos, text, hidden) VALUES (1, 'y', 1, 'l1', NULL), (1, 'y', 2, 'secret', TRUE), (2, 'y', 1, 'l3', NULL), (1, 'x', 1, 'top', TRUE);`

func col(path string, sub *cqn.Select) cqn.Column {
	return cqn.Column{X: cqn.NewRef(path), Expand: sub}
}

func cols(names ...string) []cqn.Column {
	var out []cqn.Column
	for _, n := range names {
		out = append(out, cqn.Column{X: cqn.NewRef(n)})
	}
	return out
}

// Rows read as JSON and as values are the same, on every level, with compound keys, and without what the user may not read.
func TestExpandsInBothForms(t *testing.T) {
	tests := []struct {
		name string
		cols []cqn.Column
		want string
	}{
		{"to-many", append(cols("name"), col("kids", &cqn.Select{Columns: cols("name")})),
			`{"name":"root","kids":[{"name":"one"},{"name":"two"}]},{"name":"one","kids":[]},{"name":"two","kids":[{"name":"deep"}]},{"name":"deep","kids":[]}`},
		{"to-one", append(cols("name"), col("parent", &cqn.Select{Columns: cols("name")})),
			`{"name":"root","parent":null},{"name":"one","parent":{"name":"root"}},{"name":"two","parent":{"name":"root"}},{"name":"deep","parent":{"name":"two"}}`},
		{"to-many in to-one", append(cols("name"), col("parent", &cqn.Select{Columns: append(cols("b"), col("kids", &cqn.Select{Columns: cols("name")}))})),
			`{"name":"root","parent":null},{"name":"one","parent":{"b":"x","kids":[{"name":"one"},{"name":"two"}]}},{"name":"two","parent":{"b":"x","kids":[{"name":"one"},{"name":"two"}]}},{"name":"deep","parent":{"b":"x","kids":[{"name":"deep"}]}}`},
		{"two levels and two branches", append(cols("b"), col("kids", &cqn.Select{Columns: append(cols("name"), col("kids", &cqn.Select{Columns: cols("name")}), col("leaves", &cqn.Select{Columns: cols("text")}))}), col("leaves", &cqn.Select{Columns: cols("pos", "text")})),
			`{"b":"x","kids":[{"name":"one","kids":[],"leaves":[{"text":"l1"}]},{"name":"two","kids":[{"name":"deep"}],"leaves":[]}],"leaves":[]},` +
				`{"b":"y","kids":[],"leaves":[{"pos":1,"text":"l1"}]},{"b":"x","kids":[{"name":"deep","kids":[],"leaves":[{"text":"l3"}]}],"leaves":[]},{"b":"y","kids":[],"leaves":[{"pos":1,"text":"l3"}]}`},
		{"limit per parent", append(cols("name"), col("kids", &cqn.Select{Columns: cols("name"), Limit: &cqn.Lit{Value: cqn.Int(1)}, OrderBy: []cqn.Order{{X: cqn.NewRef("name"), Desc: true}}})),
			`{"name":"root","kids":[{"name":"two"}]},{"name":"one","kids":[]},{"name":"two","kids":[{"name":"deep"}]},{"name":"deep","kids":[]}`},
		{"timestamps", cols("at"), `{"at":"2024-01-01T00:00:00.000Z"},{"at":null},{"at":null},{"at":null}`},
	}
	a := newApp(t, tree, treeData, cds.AppOptions{}, nil)
	f := &cds.Format{OData: true, DecimalStrings: true}
	e := a.Model.Entity("T.Nodes")
	for _, tt := range tests {
		sel := func(s *cqn.Select) { s.Columns = tt.cols }
		for range 2 {
			res, _ := a.want(req{event: authz.Read, path: "T.Nodes", query: sel, format: f}, 200)
			if string(res.JSON) != tt.want {
				t.Errorf("%s: json\n%s, want\n%s", tt.name, res.JSON, tt.want)
			}
		}
		res, _ := a.want(req{event: authz.Read, path: "T.Nodes", query: sel}, 200)
		var rows []string
		for _, r := range res.Rows {
			rows = append(rows, string(f.AppendRow(nil, e, r)))
		}
		if got := strings.Join(rows, ","); got != tt.want {
			t.Errorf("%s: rows\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
	// Children that the user may not read survive an update of the set.
	key := &cqn.Binary{Op: cqn.And, L: eq("a", 1), R: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("b"), R: &cqn.Lit{Value: cqn.String("y")}}}
	ctx := a.as(user("bob"))
	if _, err := a.Service("T").Run(ctx, &cqn.Update{Entity: cqn.NewRef("Nodes"), Where: key, Data: row("leaves", []*cds.Row{row("pos", 7, "text", "new")})}); err != nil {
		t.Fatal(err)
	}
	if s := a.sql("db.Nodes.leaves", "up__a", "up__b", "pos", "text"); s != "1,x,1,top;1,y,2,secret;1,y,7,new;2,y,1,l3" {
		t.Error(s)
	}
}
