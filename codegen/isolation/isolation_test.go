package isolation

import (
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/runtime/authz"
	"cds/runtime/db/postgres"
	"cds/runtime/db/sqlite"
	"cds/runtime/sqlgen"
)

const model = `
namespace d;
aspect owned { @tenant tenant : String(36); }
entity Orders : owned { key ID : UUID; title : localized String(40); qty : Integer; customer : Association to Customers;
  items : Composition of many Items on items.order = $self; lines : Composition of many { key nr : Integer; text : String(40); } }
entity Items : owned { key ID : UUID; order : Association to Orders; product : Association to Products; }
entity Customers : owned { key ID : Integer; name : String(40); n : Integer; orders : Association to many Orders on orders.customer = $self; }
@tenant: false entity Products { key ID : Integer; name : String(40); items : Association to many Items on items.product = $self; }
@odata.draft.enabled entity Papers { @tenant key tenant : String(36); key ID : UUID; title : String(40); pages : Composition of many { key nr : Integer; text : String(40); } }
entity Flat as select from Items { key ID, order.title as title, order.customer.name as customer };
entity Risky as select from Customers { key ID, name } where 100 / n > 1;
entity Both as select from Customers { key ID, name } union all select from Products { key ID, name };
entity Pairs as select from Products as p left join Items as i on i.product.ID = p.ID { key p.ID as ID, i.ID as item };
service S {
  @cds.redirection.target entity Orders as projection on d.Orders actions { action close(); };
  @cds.redirection.target entity Items as projection on d.Items;
  @cds.redirection.target entity Customers as projection on d.Customers;
  entity Bare as projection on d.Customers { ID, name, orders };
  @cds.redirection.target entity Products as projection on d.Products;
  entity Papers as projection on d.Papers;
  entity Flat as projection on d.Flat;
  entity Risky as projection on d.Risky;
  entity Both as projection on d.Both;
  entity Pairs as projection on d.Pairs;
  action run();
}
@requires: 'any' service R {
  @restrict: [{ grant: '*', where: 'exists orders.items' }, { grant: 'READ', where: '100 / n > 1' }] entity Buyers as projection on d.Customers { ID, n, orders };
  @requires: 'any' @cds.redirection.target entity Bought as projection on d.Orders;
}
`

var databases = []Database{{"sqlite", sqlite.Dialect()}, {"postgres", postgres.Dialect()}}

func report(t *testing.T, text string) *Report {
	t.Helper()
	res := parser.CompileString("model.cds", text)
	if res.Model == nil || res.Diags.HasErrors() {
		t.Fatal(res.Diags.Err())
	}
	return New(res.Model, res.Files, databases...)
}

func TestProof(t *testing.T) {
	r := report(t, model)
	for _, row := range r.Rows {
		if row.Answer == Hole {
			t.Errorf("%+v", row)
		}
		t.Logf("%+v", row)
	}
	if r.Statements < 300 || r.Occurrences < r.Statements {
		t.Errorf("%d statements, %d occurrences", r.Statements, r.Occurrences)
	}
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "d.Customers") {
		t.Errorf("notes: %v", r.Notes)
	}
	if r := report(t, "service S { entity E { key ID : Integer; } }"); r.Tenants || len(r.Rows) != 0 || r.Holes != 0 {
		t.Errorf("without tenants: %+v", r)
	}
}

// What is no longer bound is found, whatever it is that was left out: a condition is taken out of each statement that has one, in all its places.
func TestProof_mutants(t *testing.T) {
	res := parser.CompileString("model.cds", model)
	policy, _ := authz.Compile(res.Model, authz.Options{})
	found := 0
	for i, db := range databases {
		p := &prover{m: res.Model, dbs: databases, policy: policy, report: &Report{}}
		p.tables(nil)
		try := func(sql string, binds []sqlgen.Bind) {
			s := statement{sql, binds, db.Dialect}
			if faults, _ := s.open(p.names[i]); len(faults) > 0 {
				t.Errorf("%v: %s", faults, sql)
			}
			for _, as := range []string{"1 = 1", "t0.tenant IS NOT NULL OR tenant"} {
				for at := 0; ; {
					j := strings.Index(sql[at:], ".tenant = ")
					if j < 0 {
						break
					}
					j += at
					start := strings.LastIndexAny(sql[:j], " (") + 1
					end := j + len(".tenant = ")
					for depth := 0; end < len(sql) && (depth > 0 || sql[end] != ' ' && sql[end] != ')'); end++ {
						switch sql[end] {
						case '(':
							depth++
						case ')':
							depth--
						}
					}
					mutant := sql[:start] + as + sql[end:]
					if as != "1 = 1" {
						mutant = sql[:end] + " OR 1 = 1" + sql[end:]
					}
					s := statement{mutant, binds, db.Dialect}
					if faults, _ := s.open(p.names[i]); len(faults) == 0 && owned(sql[start:j], sql, p.names[i]) {
						t.Errorf("%s: not found:\n%s\n%s", db.Name, sql, mutant)
					}
					found++
					at = end
				}
			}
		}
		for _, e := range res.Model.Entities {
			if e.Source != nil {
				if sql, err := sqlgen.CompileView(nil, e, res.Model, db.Dialect, sqlgen.ViewOptions{}); err == nil {
					try(sql, nil)
				}
			}
			if e.Service == nil {
				continue
			}
			qs := queries(e)
			for _, el := range e.Elements {
				if el.Assoc() != nil {
					qs = append(qs, pathQueries(e, el)...)
				}
			}
			for _, q := range qs {
				if plan, err := sqlgen.Compile(q, res.Model, policy.Privileged(), db.Dialect); err == nil {
					try(plan.SQL, plan.Binds)
				}
			}
		}
	}
	if found < 200 {
		t.Errorf("%d mutants", found)
	}
}

// owned reports whether an alias stands for a table: conditions on views only help the database to find an index.
func owned(alias, sql string, tables map[string]tenantTable) bool {
	ws, _ := words(sql)
	for i, w := range ws {
		if _, ok := tables[w.text]; ok && i+2 < len(ws) && ws[i+1].text == "AS" && ws[i+2].text == alias {
			return true
		}
	}
	return false
}

func TestStatements(t *testing.T) {
	tables := map[string]tenantTable{"d_Orders": {column: "tenant"}, "d_texts": {parents: []string{"d_Orders"}}}
	tenant := sqlgen.Bind{Param: cqn.Param{From: cqn.FromUserTenant}}
	user := sqlgen.Bind{Param: cqn.Param{From: cqn.FromUserID}}
	for sql, want := range map[string]int{
		"SELECT 1 FROM d_Orders AS t1 WHERE t1.tenant = ?1":                                           0,
		"SELECT 1 FROM d_Orders AS t1 WHERE t1.tenant = session_context('$user.tenant') AND t1.x = 1": 0,
		"SELECT 1 FROM d_Orders AS t1 WHERE t1.tenant = session_context('$user.id')":                  1,
		"SELECT 1 FROM d_Orders AS t1 WHERE t1.tenant = ?2":                                           1,
		"SELECT 1 FROM d_Orders AS t1 WHERE t1.tenant = ?1 OR t1.x = 1":                               1,
		"SELECT 1 FROM d_Orders AS t1 WHERE (t1.tenant = ?1)":                                         1, // not understood
		"SELECT 1 FROM d_Orders AS t1 WHERE t1.x = 't1.tenant = ?1'":                                  1,
		"SELECT 1 FROM d_Orders": 1,
		"SELECT 1 FROM d_Orders AS t1 JOIN d_Orders AS t2 ON t2.tenant = ?1 WHERE t1.x = t2.x":                                          1,
		"SELECT 1 FROM other AS t1 WHERE EXISTS (SELECT 1 FROM d_Orders AS t2 WHERE t2.x = t1.x)":                                       1,
		"SELECT 1 FROM d_texts AS t1 WHERE EXISTS (SELECT 1 FROM d_Orders AS t2 WHERE t2.ID = t1.ID AND t2.tenant = ?1)":                0,
		"SELECT 1 FROM d_texts AS t1 WHERE (EXISTS (SELECT 1 FROM d_Orders AS t2 WHERE t2.ID = t1.ID AND t2.tenant = ?1)) AND t1.x = 1": 0,
		"SELECT 1 FROM d_texts AS t1 WHERE (EXISTS (SELECT 1 FROM d_Orders AS t2 WHERE t2.ID = t1.ID AND t2.tenant = ?1) OR t1.x = 1)":  1,
		"SELECT 1 FROM d_texts AS t1 WHERE NOT EXISTS (SELECT 1 FROM d_Orders AS t2 WHERE t2.ID = t1.ID AND t2.tenant = ?1)":            1,
		"SELECT 1 FROM d_texts AS t1 WHERE EXISTS (SELECT 1 FROM d_Orders AS t2 WHERE t2.tenant = ?1)":                                  1,
		"SELECT t1.a OR t1.b FROM d_Orders AS t1 WHERE t1.tenant = ?1 ORDER BY t1.a OR t1.b":                                            0,
		"SELECT 1 FROM d_Orders AS t1 WHERE t1.x IS NOT NULL AND t1.tenant = ?1":                                                        0,
		"SELECT 1 FROM d_Orders AS t1 WHERE NOT t1.tenant = ?1":                                                                         1,
		"SELECT 1 FROM d_Orders AS t1 LEFT JOIN x AS t2 ON t1.tenant = ?1":                                                              1,
		"SELECT 1 FROM x AS t2 LEFT JOIN d_Orders AS t1 ON t1.a = t2.a AND t1.tenant = ?1 WHERE t2.x = 1 OR t2.y = 1":                   0,
		"INSERT INTO d_Orders (ID, tenant) VALUES (?2, ?1)":                                                                             0,
		"INSERT INTO d_Orders (tenant, ID) VALUES (?2, ?1)":                                                                             1,
		"INSERT INTO d_Orders (ID) VALUES (?1)":                                                                                         1,
		"UPDATE d_Orders AS t1 SET x = 1 WHERE t1.tenant = ?1":                                                                          0,
		"UPDATE d_Orders AS t1 SET x = 1 WHERE t1.ID = 1":                                                                               1,
		"DELETE FROM d_Orders AS t1": 1,
		"SELECT 1 FROM (SELECT * FROM d_Orders AS t1 WHERE t1.tenant = ?1 LIMIT -1 OFFSET 0) AS t1": 0,
	} {
		s := statement{sql, []sqlgen.Bind{tenant, user}, sqlite.Dialect()}
		if faults, _ := s.open(tables); len(faults) != want {
			t.Errorf("%s: %v", sql, faults)
		}
	}
}

func TestHoles(t *testing.T) {
	const head = "context db { entity Orders { key ID : UUID; @tenant tenant : String(36); items : Composition of many Items on items.up = $self; } entity Items { key ID : UUID; up : Association to Orders; } "
	for text, want := range map[string]string{
		head + "} service S { entity Orders as projection on db.Orders; entity Items as projection on db.Items; }":                                                                                                                                                                                     "",
		head + "entity Notes { key ID : UUID; } } service S { entity Orders as projection on db.Orders; entity Notes as projection on db.Notes; }":                                                                                                                                                     "db.Notes",
		head + "@tenant: false entity Notes { key ID : UUID; } } service S { entity Notes as projection on db.Notes; }":                                                                                                                                                                                "",
		head + "entity Notes { key ID : UUID; } } service S { entity Orders as projection on db.Orders; }":                                                                                                                                                                                             "",
		head + "entity Notes { key ID : UUID; } } service S { entity Names as select from db.Notes { key ID }; }":                                                                                                                                                                                      "db.Notes",
		head + "entity Notes { key ID : UUID; @tenant a : String; @tenant b : String; } } service S { entity Notes as projection on db.Notes; }":                                                                                                                                                       "db.Notes",
		head + "entity Notes { key ID : UUID; @tenant a : Integer; } } service S { entity Notes as projection on db.Notes; }":                                                                                                                                                                          "db.Notes",
		head + "entity Notes { key ID : UUID; @tenant virtual a : String; } } service S { entity Orders as projection on db.Orders; }":                                                                                                                                                                 "db.Notes",
		head + "@tenant: false entity Notes { key ID : UUID; @tenant a : String; } } service S { entity Orders as projection on db.Orders; }":                                                                                                                                                          "db.Notes",
		head + "@tenant: false entity Notes { key ID : UUID; items : Composition of many Items on items.note = $self; } extend Items with { note : Association to Notes; } } service S { entity Orders as projection on db.Orders; }":                                                                  "db.Items",
		head + "entity Tree { key ID : UUID; up : Association to Orders; over : Association to Tree; below : Composition of many Tree on below.over = $self; } extend Orders with { trees : Composition of many Tree on trees.up = $self; } } service S { entity Orders as projection on db.Orders; }": "db.Tree",
	} {
		r := report(t, text)
		var got []string
		for _, row := range r.Rows {
			if row.Answer == Hole {
				got = append(got, row.Name)
				if row.At == "" {
					t.Errorf("%s: no place", row.How)
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s:\n%v, want %s", text, got, want)
		}
	}
}

// What may fail, of the author's or a client's, is asked of the tenant's rows only: they come out of a derived table first.
func TestBarrier(t *testing.T) {
	res := parser.CompileString("model.cds", model)
	pg := postgres.Dialect()
	policy, _ := authz.Compile(res.Model, authz.Options{})
	sql, err := sqlgen.CompileView(nil, res.Model.Entity("d.Risky"), res.Model, pg, sqlgen.ViewOptions{})
	if err != nil || !strings.Contains(sql, "'') OFFSET 0) AS t1") {
		t.Errorf("view: %v\n%s", err, sql)
	}
	e := res.Model.Entity("d.Customers")
	fails := queries(e)[2].(*cqn.Select).Where
	q := &cqn.Select{From: from(e), Columns: []cqn.Column{{X: cqn.NewRef("ID")}}}
	plan, err := sqlgen.Compile(q, res.Model, judged{policy.Privileged(), e, fails}, pg)
	if err != nil || !strings.Contains(plan.SQL, "t1.tenant = $1::text OFFSET 0) AS t1") {
		t.Errorf("restriction: %v\n%+v", err, plan)
	}
	for _, name := range []string{"d.Customers", "d.S.Bare", "d.S.Both"} { // with and without the column
		e := res.Model.Entity(name)
		q := &cqn.Select{From: from(e), Columns: []cqn.Column{{X: cqn.NewRef("ID")}}, Where: fails}
		plan, err := sqlgen.Compile(q, res.Model, policy.Privileged(), pg)
		if err != nil || !strings.Contains(plan.SQL, " OFFSET 0) AS t1") || !plan.Tenant {
			t.Errorf("%s: %v\n%+v", name, err, plan)
		}
	}
}
