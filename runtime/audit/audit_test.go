package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/audit"
	"cds/runtime/authz"
	"cds/runtime/db"
)

var all = audit.Options{Enabled: true, Table: true, ShowPersonal: true, Interval: -1}

// since returns the records after the first n.
func (a *app) since(n int) string {
	return strings.Join(strings.Split(a.records(), "\n")[n:], "\n")
}

func (a *app) count() int {
	if s := a.records(); s != "" {
		return strings.Count(s, "\n") + 1
	}
	return 0
}

// expect compares the records that fn makes with parts that each of them must have, in order.
func (a *app) expect(what string, fn func(), want ...[]string) {
	a.t.Helper()
	n := a.count()
	fn()
	var got []string
	if a.count() > n {
		got = strings.Split(a.since(n), "\n")
	}
	if len(got) != len(want) {
		a.t.Errorf("%s: %d records, want %d:\n%s", what, len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for i, parts := range want {
		for _, p := range parts {
			if no, ok := strings.CutPrefix(p, "!"); ok {
				if strings.Contains(got[i], no) {
					a.t.Errorf("%s: %s in record %s", what, no, got[i])
				}
			} else if !strings.Contains(got[i], p) {
				a.t.Errorf("%s: no %s in record %s", what, p, got[i])
			}
		}
	}
}

func update(entity string, id int, pairs ...any) *cqn.Update {
	return &cqn.Update{Entity: cqn.NewRef(entity), Where: is("ID", cqn.Int(int64(id))), Data: row(pairs...)}
}

func remove(entity string, id int) *cqn.Delete {
	return &cqn.Delete{From: cqn.NewRef(entity), Where: is("ID", cqn.Int(int64(id)))}
}

func TestEvents(t *testing.T) {
	both(t, func(t *testing.T, pool db.Pool) {
		a := newApp(t, pool, all, nil)
		ann, admin := a.as("ann"), a.as("root", "admin")
		a.expect("denied", func() {
			if _, err := a.run(a.as("eve"), remove("Customers", 1)); status(err) != 403 {
				t.Error(err)
			}
		}, []string{`"event":"AccessDenied","user":"eve"`, `"request":"DELETE"`, `"target":"S.Customers"`, `"status":403`, `no grant of DELETE (test.cds:1)`})
		a.expect("nobody", func() {
			if _, err := a.run(a.NewContext(t.Context(), cds.Anonymous(), ""), from("Customers")); status(err) != 401 {
				t.Error(err)
			}
		}, []string{`"event":"AccessDenied","user":"anonymous"`, `"status":401`})
		a.expect("new values that are not allowed", func() {
			if _, err := a.run(ann, update("Customers", 1, "owner", "eve")); status(err) != 403 {
				t.Error(err)
			}
		}, []string{`"event":"AccessDenied","user":"ann"`, `"request":"UPDATE"`, `"status":403`})
		a.expect("a row that is there", func() {
			if _, err := a.run(admin, &cqn.Insert{Into: "Customers", Rows: []*cds.Row{row("ID", 1, "name", "Twice")}}); status(err) == 0 {
				t.Error("no error")
			}
		})
		a.expect("update", func() { a.must(ann, update("Customers", 1, "name", "Anna", "card", "999", "points", 7)) },
			[]string{`"event":"PersonalDataModified","user":"ann"`, `"action":"update"`, `"grants":["S@requires (test.cds:1)","S.Customers#2 (test.cds:1)"]`,
				`"object":{"type":"shop.Customers","id":{"ID":"1"},"subject":{"type":"shop.Customers","role":"Customer","id":{"email":"a@x"}}}`,
				`{"name":"name","old":"Ann","new":"Anna"}`, `{"name":"card","old":"***","new":"***"}`, "!points", "!4111", "!999"},
			[]string{"SensitiveDataRead"})
		a.expect("nothing has changed", func() { a.must(ann, update("Customers", 1, "name", "Anna", "points", 8)) }, []string{"SensitiveDataRead"})
		a.expect("nothing personal", func() { a.must(ann, update("Customers", 1, "points", 9)) }, []string{"SensitiveDataRead"})
		a.expect("deep insert", func() {
			a.must(admin, &cqn.Insert{Into: "Customers", Rows: []*cds.Row{row("ID", 4, "email", "d@x", "name", "Dan", "addresses", cqn.OfRows([]*cds.Row{row("ID", 40, "street", "New Road")}))}})
		}, []string{`"action":"create"`, `"id":{"ID":"4"}`, `{"name":"name","new":"Dan"}`, "!card"},
			[]string{`"type":"shop.Addresses"`, `{"name":"street","new":"New Road"}`, `"subject":{"type":"shop.Customers","role":"Customer","id":{"ID":"4"}}`}, []string{"SensitiveDataRead", `"object":{"type":"shop.Customers","id":{"ID":"4"}`})
		a.expect("deep delete", func() { a.must(admin, remove("Customers", 4)) },
			[]string{`"type":"shop.Addresses"`, `"action":"delete"`, `{"name":"street","old":"New Road"}`}, []string{`"type":"shop.Customers"`, `{"name":"name","old":"Dan"}`})
		a.expect("by the database's owner", func() {
			err := cds.Privileged(ann, "correction", func(ctx context.Context) error {
				_, err := cds.DB(ctx).Run(ctx, &cqn.Update{Entity: cqn.NewRef("shop.Customers"), Where: is("ID", cqn.Int(2)), With: []cqn.Assignment{
					{Name: "name", X: &cqn.Call{Name: "upper", Args: []cqn.Expr{cqn.NewRef("name")}}}}})
				return err
			})
			if err != nil {
				t.Error(err)
			}
			a.settle()
		}, []string{`"event":"Privileged","user":"ann"`, `"reason":"correction"`}, []string{`"old":"Bob","new":"BOB"`})
	})
}

// settle waits until what was offered is written.
func (a *app) settle() {
	if err := a.log.Keep(context.Background(), []cds.AuditEvent{{Kind: cds.AuditDenied, Time: clock, Reason: "end"}}); err != nil {
		a.t.Error(err)
	}
	a.script("DELETE FROM cds_audit WHERE data LIKE '%\"reason\":\"end\"%'")
}

// Which reads are recorded, and that the rows are those that were shown: never hidden ones.
func TestReads(t *testing.T) {
	both(t, func(t *testing.T, pool db.Pool) {
		a := newApp(t, pool, all, nil)
		ann, admin := a.as("ann"), a.as("root", "admin")
		const one = `"object":{"type":"shop.Customers","id":{"ID":"1"}`
		a.expect("all", func() { a.must(ann, from("Customers")) }, []string{"SensitiveDataRead", one, `"attributes":[{"name":"card"}]`, `"subject":`, "!4111", "!b@x"})
		a.expect("not the sensitive one", func() { a.must(ann, from("Customers", "ID", "name")) })
		a.expect("one alone, without key", func() { a.must(ann, from("Customers", "card")) }, []string{one})
		a.expect("none that fits", func() {
			q := from("Customers")
			q.Where = is("ID", cqn.Int(2))
			a.must(ann, q)
		})
		a.expect("several", func() { a.must(admin, from("Customers", "card")) }, []string{`"objects":[`, `"ID":"1"`, `"ID":"2"`, `"ID":"3"`})
		a.expect("a page", func() {
			q := from("Customers", "card")
			q.Limit, q.OrderBy = &cqn.Lit{Value: cqn.Int(1)}, []cqn.Order{{X: cqn.NewRef("ID"), Desc: true}}
			a.must(admin, q)
		}, []string{`"ID":"3"`, `!"ID":"1"`})
		a.expect("through another door", func() { a.must(admin, from("Names", "paysWith")) }, []string{`"objects":[{"type":"shop.Customers"`, `"attributes":[{"name":"paysWith"}]`})
		a.expect("by a path", func() { a.must(admin, from("Addresses", "ID", "customer.card")) }, []string{`"objects":[{"type":"shop.Customers","id":{"ID":"1"}`, `!"ID":"3"`})
		a.expect("by a path, hidden ones not", func() { a.must(ann, from("Addresses", "ID", "customer.card")) }, []string{one, `!"ID":"2"`})
		a.expect("expanded", func() {
			q := from("Addresses", "ID")
			q.Columns = append(q.Columns, cqn.Column{X: cqn.NewRef("customer"), Expand: from("x", "card")})
			q.Columns[1].Expand.From = nil
			a.must(admin, q)
		}, []string{`"objects":[{"type":"shop.Customers","id":{"ID":"1"}`, `"ID":"2"`, `!"ID":"3"`})
		a.expect("aggregated", func() {
			q := from("Customers")
			q.Columns = []cqn.Column{{X: &cqn.Call{Name: "max", Args: []cqn.Expr{cqn.NewRef("card")}}, As: "m"}}
			a.must(admin, q)
		}, []string{`"object":{"type":"shop.Customers"}`, "no single rows"})
		a.expect("as JSON", func() {
			r := &cds.RawRequest{Event: authz.Read, Query: from("S.Customers"), Format: &cds.Format{OData: true}, Target: a.Service("S").Model.Entity("Customers")}
			res, err := a.Service("S").Dispatch(ann, r)
			if err != nil || !strings.Contains(string(res.JSON), "4111") || strings.Contains(string(res.JSON), "audit") {
				t.Errorf("%s %v", res.JSON, err)
			}
		}, []string{one})
	})
}

// What is undone leaves no record of a change; the refusal that undid it does.
func TestRollback(t *testing.T) {
	both(t, func(t *testing.T, pool db.Pool) {
		a := newApp(t, pool, all, func(app *cds.App) {
			s := app.Service("S")
			s.On(cds.Match{Events: []cds.Event{"elevate"}}, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
				if _, err := s.Run(ctx, update("Customers", 1, "name", "kept")); err != nil {
					return nil, err
				}
				if err := app.Tx(ctx, func(ctx context.Context) error {
					if _, err := s.Run(ctx, update("Customers", 1, "name", "nested")); err != nil {
						return err
					}
					return errors.New("undone")
				}); err == nil {
					t.Error("no error")
				}
				_, err := s.Run(ctx, remove("Customers", 1)) // which a user may not, and this handler does not mind
				if r.User.ID == "ann" {
					return &cds.Result{}, nil
				}
				return nil, err
			})
		})
		a.script("UPDATE shop_Customers SET owner = 'bob' WHERE ID = 1")
		a.expect("all undone", func() {
			if _, err := a.Service("S").Call(a.as("bob"), "elevate", nil); status(err) != 403 {
				t.Error(err)
			}
		}, []string{"SensitiveDataRead"}, []string{"AccessDenied", `"request":"DELETE"`})
		a.script("UPDATE shop_Customers SET owner = 'ann' WHERE ID = 1")
		n := a.count()
		if _, err := a.Service("S").Call(a.as("ann"), "elevate", nil); err != nil {
			t.Error(err)
		}
		if got := a.since(n); strings.Count(got, "PersonalDataModified") != 1 || !strings.Contains(got, `"new":"kept"`) || strings.Contains(got, `"new":"nested"`) || strings.Count(got, "AccessDenied") != 1 {
			t.Error(got)
		}
	})
}

// A memory is a sink that fails as often as it is told.
type memory struct {
	fail    int
	after   bool // fails after it has taken the records
	records []audit.Record
}

func (*memory) Name() string { return "memory" }
func (m *memory) Deliver(_ context.Context, r []audit.Record) error {
	failing := m.fail > 0
	m.fail--
	if !failing || m.after {
		m.records = append(m.records, r...)
	}
	if failing {
		return errors.New("not now")
	}
	return nil
}
func (*memory) Close() error { return nil }

// A process that ends between a write and its delivery loses nothing: the next one delivers.
func TestCrash(t *testing.T) {
	both(t, func(t *testing.T, pool db.Pool) {
		dead := &memory{fail: 1 << 30}
		opt := all
		opt.Sinks, opt.Table = []audit.Sink{dead}, false
		a := newApp(t, pool, opt, nil)
		a.must(a.as("ann"), update("Customers", 1, "name", "Anna"))
		if _, err := a.run(a.as("eve"), remove("Customers", 1)); status(err) != 403 {
			t.Error(err)
		}
		want := a.rows("SELECT id FROM cds_audit ORDER BY id")
		if len(want) != 3 {
			t.Fatal(want)
		}
		sink := &memory{fail: 1, after: true}
		opt.Sinks, opt.Now, opt.NewID = []audit.Sink{sink}, a.Options.Now, a.newID
		next, err := audit.Open(t.Context(), a.Model, pool, opt)
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Deliver(t.Context()); err == nil {
			t.Fatal("the failure of a sink is not told")
		}
		if err := next.Deliver(t.Context()); err != nil || len(sink.records) != 3 { // not before its time
			t.Fatal(err, len(sink.records))
		}
		later := clock.Add(2 * time.Second)
		opt.Now = func() time.Time { return later }
		if next, err = audit.Open(t.Context(), a.Model, pool, opt); err != nil {
			t.Fatal(err)
		}
		if err := next.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, r := range sink.records {
			got[r.ID]++
		}
		for _, id := range want {
			if got[id] != 2 { // once before the failure, once after it: at least once, and known by its id
				t.Errorf("record %s: %d times", id, got[id])
			}
		}
		if left := a.rows("SELECT id FROM cds_audit"); len(left) != 0 || len(a.rows("SELECT id FROM cds_audit_outbox")) != 0 {
			t.Errorf("%v stay though the table is no sink", left)
		}
	})
}

// Where there is no room, or no table, requests fail and change nothing; by configuration they go on, and the log says so.
func TestFailure(t *testing.T) {
	both(t, func(t *testing.T, pool db.Pool) {
		opt := all
		opt.Sinks, opt.Outbox = []audit.Sink{&memory{fail: 1 << 30}}, 1
		a := newApp(t, pool, opt, nil)
		ann := a.as("ann")
		a.must(ann, update("Customers", 1, "name", "Anna"))
		if err := a.log.Deliver(t.Context()); err == nil {
			t.Fatal("no error")
		}
		if _, err := a.run(ann, update("Customers", 1, "name", "Other")); status(err) != 503 {
			t.Errorf("full: %v", err)
		}
		if _, err := a.run(ann, from("Customers")); status(err) != 503 {
			t.Errorf("full, read: %v", err)
		}
		if _, err := a.run(a.as("eve"), remove("Customers", 1)); status(err) != 403 {
			t.Errorf("full, denied: %v", err)
		}
		if got := a.rows("SELECT name FROM shop_Customers WHERE ID = 1"); got[0] != "Anna" {
			t.Errorf("changed to %s", got[0])
		}
	})
	both(t, func(t *testing.T, pool db.Pool) {
		opt := all
		opt.FailOpen = true
		a := newApp(t, pool, opt, nil)
		a.script("DROP TABLE cds_audit")
		a.must(a.as("ann"), update("Customers", 1, "name", "Other"))
		if got := a.rows("SELECT name FROM shop_Customers WHERE ID = 1"); got[0] != "Other" {
			t.Errorf("is %s", got[0])
		}
		if err := a.log.Close(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(a.text.String(), "audit: records are lost") {
			t.Error("the log does not tell")
		}
	})
}

// Records are not changed, not even by who has the database.
func TestAppendOnly(t *testing.T) {
	both(t, func(t *testing.T, pool db.Pool) {
		a := newApp(t, pool, all, nil)
		a.must(a.as("ann"), update("Customers", 1, "name", "Anna"))
		tx, err := pool.Write(t.Context(), db.Session{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if err := tx.Script(t.Context(), "UPDATE cds_audit SET user_id = 'somebody else'"); err == nil {
			t.Error("a record was changed")
		}
	})
}

// Redaction is configuration.
func TestValues(t *testing.T) {
	for _, tt := range []struct {
		opt  audit.Options
		want string
	}{
		{audit.Options{Enabled: true}, `[{"name":"name","old":"***","new":"***"},{"name":"card","old":"***","new":"***"}]`},
		{audit.Options{Enabled: true, ShowPersonal: true, ShowSensitive: true}, `[{"name":"card","old":"4111","new":"1"},{"name":"name","old":"Ann","new":"Anna"}]`},
	} {
		a := newApp(t, sqliteOnly(t), tt.opt, nil)
		a.must(a.as("ann"), update("Customers", 1, "name", "Anna", "card", "1"))
		got := strings.Split(a.records(), "\n")[0]
		for _, part := range strings.Split(strings.Trim(tt.want, "[]"), "},") {
			if !strings.Contains(got, strings.TrimSuffix(part, "}")) {
				t.Errorf("%s not in %s", part, got)
			}
		}
	}
}

// Without personal data to watch for, only the history is kept; without either nothing is.
func TestOff(t *testing.T) {
	a := newApp(t, sqliteOnly(t), audit.Options{}, nil)
	a.must(a.as("ann"), update("Customers", 1, "name", "Anna"))
	a.must(a.as("ann"), from("Customers"))
	a.must(a.as("ann"), update("Books", 1, "stock", 6))
	if n := a.count(); n != 0 {
		t.Errorf("%d records", n)
	}
	if n := len(a.rows("SELECT id FROM cds_changes")); n != 1 {
		t.Errorf("%d changes", n)
	}
}
