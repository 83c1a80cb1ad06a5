package audit_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies"
)

const shown = `
@requires: 'audit-reader'
service Audit {
  @audit.log @readonly @cds.persistence.exists
  entity Records { key ID : String(40); time : Timestamp; event : String(40); user : String(255); tenant : String(255); correlation : String; service : String; request : String;
    target : String; action : String; client : String; status : Integer; reason : LargeString; grants : LargeString; object : LargeString; objects : LargeString; attributes : LargeString; };
}
@requires: 'authenticated-user'
service Sales { @requires: 'clerk' entity Customers { key ID : Integer; @PersonalData.IsPotentiallyPersonal name : String; }; }
`

type records struct {
	Count int `json:"@odata.count"`
	Value []struct {
		ID, Time, Event, User, Tenant, Target, Object, Attributes string
		Status                                                    int
	}
}

// The audit log over HTTP: for the role, of the tenant, read-only, with the options of OData, and each reading is in it.
func TestRecordsOverHTTP(t *testing.T) {
	for name, open := range map[string]func(testing.TB) db.Pool{"sqlite": nil, "postgres": cdstest.Postgres} {
		t.Run(name, func(t *testing.T) {
			app := cdstest.New(t, cdstest.Config{FS: fstest.MapFS{}, Database: open,
				Model: func() (*csn.Model, error) {
					res := parser.CompileString("model.cds", shown)
					return res.Model, res.Diags.Err()
				},
				Users: []cdstest.TestUser{cdstest.User("rita", cdstest.Roles("audit-reader")), cdstest.User("clara", cdstest.Roles("clerk")), cdstest.User("paul"),
					cdstest.User("tim", cdstest.Roles("audit-reader"), cdstest.Tenant("t2")), cdstest.User("tess", cdstest.Roles("clerk"), cdstest.Tenant("t2"))}})
			read := func(user, options string) (r records) {
				t.Helper()
				if err := json.Unmarshal([]byte(app.HTTP().As(user).GET("/odata/v4/audit/Records?$count=true&"+options).Status(200).Body()), &r); err != nil {
					t.Fatal(err)
				}
				return r
			}
			app.HTTP().As("clara").POST("/odata/v4/sales/Customers", map[string]any{"ID": 1, "name": "Ann"}).Status(201)
			app.HTTP().As("tess").POST("/odata/v4/sales/Customers", map[string]any{"ID": 2, "name": "Bea"}).Status(201)
			app.HTTP().As("paul").GET("/odata/v4/sales/Customers").Status(403)
			app.HTTP().GET("/odata/v4/audit/Records").Status(401)
			app.HTTP().As("clara").GET("/odata/v4/audit/Records").Status(403).Lacks("PersonalDataModified")
			r := read("rita", "$filter=event%20eq%20'PersonalDataModified'")
			if r.Count != 1 || r.Value[0].User != "clara" || !strings.Contains(r.Value[0].Object, `"Sales.Customers"`) || !strings.Contains(r.Value[0].Attributes, "Ann") || len(r.Value[0].Time) != 24 {
				t.Errorf("changes: %+v", r)
			}
			if r := read("rita", "$filter=event%20eq%20'AccessDenied'%20and%20status%20eq%20403&$orderby=time&$select=user,event,target"); r.Count != 2 || r.Value[0].User != "paul" || r.Value[1].Target != "Audit.Records" {
				t.Errorf("refusals: %+v", r)
			}
			if r := read("tim", "$filter=event%20ne%20'AuditLogRead'"); r.Count != 1 || r.Value[0].User != "tess" || r.Value[0].Tenant != "t2" {
				t.Errorf("of t2: %+v", r)
			}
			if r := read("rita", "$filter=event%20eq%20'AuditLogRead'&$top=1"); r.Count != 2 || len(r.Value) != 1 || r.Value[0].User != "rita" || r.Value[0].Target != "Audit.Records" {
				t.Errorf("readings: %+v", r)
			}
			app.HTTP().As("rita").GET("/odata/v4/audit/Records/$count?$filter=user%20eq%20'tess'").Status(200).Contains("0")
			id := r.Value[0].ID
			app.HTTP().As("rita").GET("/odata/v4/audit/Records('" + id + "')").Status(200).Contains("clara")
			app.HTTP().As("tim").GET("/odata/v4/audit/Records('" + id + "')").Status(404)
			app.HTTP().As("rita").DELETE("/odata/v4/audit/Records('" + id + "')").Status(405)
			app.HTTP().As("rita").PATCH("/odata/v4/audit/Records('"+id+"')", map[string]any{"user": "x"}).Status(405)
			app.HTTP().As("rita").POST("/odata/v4/audit/Records", map[string]any{"ID": "x"}).Status(405)
			if r := read("rita", "$filter=event%20eq%20'AuditLogRead'"); r.Count != 5 {
				t.Errorf("%d readings", r.Count)
			}
		})
	}
}

// What is said wrongly of an entity that shows the audit log closes it, and stops the start.
func TestRecordsFaults(t *testing.T) {
	good := "@requires: 'audit-reader' service A { @audit.log @readonly @cds.persistence.exists entity R { key ID : String(40); tenant : String(255); }; }"
	for text, want := range map[string]string{
		good: "",
		strings.Replace(good, "'audit-reader'", "'any'", 1):                               "restricted to a role",
		strings.Replace(good, "'audit-reader'", "'authenticated-user'", 1):                "restricted to a role",
		strings.Replace(good, "@requires: 'audit-reader'", "", 1):                         "restricted to a role",
		strings.Replace(good, "@audit.log", "@audit.log @restrict: [{grant: 'READ'}]", 1): "",
		strings.Replace(good, "@readonly", "", 1):                                         "@readonly",
		strings.Replace(good, "@cds.persistence.exists", "", 1):                           "@cds.persistence.exists",
		strings.Replace(good, "tenant", "tennant", 1):                                     "tenant",
		strings.Replace(good, "tenant :", "extra : String; tenant :", 1):                  "no element extra",
		strings.Replace(good, "String(255)", "Integer", 1):                                "no element tenant",
		strings.Replace(good, "key ID", "key status : Integer; key ID", 1):                "key ID",
		strings.Replace(good, "@audit.log", "@audit.logs", 1):                             "@audit.logs",
		strings.Replace(good, "@audit.log", "@audit.log @audit.owner: 'x'", 1):            "",
		strings.Replace(good, "@audit.log", "@Audit.Log", 1):                              "@Audit.Log",
		strings.Replace(good, "@audit.log", "@audit.log.x", 1):                            "@audit.log.x",
		strings.Replace(good, "@audit.log", "@audit.log: 'x'", 1):                         "@audit.log",
		strings.Replace(good, "tenant :", "@audit.log tenant :", 1):                       "@audit.log",
		"@audit.log " + good: "@audit.log",
		good + " @requires: 'x' service B { entity V as projection on A.R; }":                         "reads it",
		good + " @requires: 'x' service B { entity O { key ID : Integer; r : Association to A.R; } }": "leads there",
	} {
		res := parser.CompileString("model.cds", text)
		if res.Model == nil {
			t.Errorf("%s: %v", text, res.Diags)
			continue
		}
		p, diags := authz.Compile(res.Model, authz.Options{Strict: true})
		got := ""
		for _, d := range diags {
			if d.Code == "authz-audit-log" {
				got += d.Message + "\n"
				if !d.Span.Valid() || d.Severity.String() != "error" {
					t.Errorf("%s: %s without a place, or no error", text, d.Message)
				}
			}
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if e := res.Model.Entity("A.R"); want != "" && e != nil && strings.Contains(text, "@audit.log ") && !strings.HasPrefix(text, "@audit.log") && !strings.Contains(text, "@audit.log tenant") {
			if o := p.Inspect([]string{"audit-reader"}, authz.Access{Service: e.Service, Event: authz.Read, Path: []*csn.Entity{e}}); o.Allowed() {
				t.Errorf("%s: it is open", text)
			}
		}
	}
}

// A log that is off is not shown as an empty one.
func TestRecordsOff(t *testing.T) {
	for _, c := range []config.Section{
		{"audit": map[string]any{"enabled": false}},
		{"audit": map[string]any{"sinks": []any{"stdout"}}},
	} {
		srv := serve.New(func() (*csn.Model, error) { return parser.CompileString("model.cds", shown).Model, nil })
		srv.Databases(sqlite.New())
		srv.Strategies(strategies.Builtin())
		s, err := srv.Build(context.Background(), serve.Options{FS: fstest.MapFS{}, Env: []string{}, Profiles: []string{"test"}, Pool: sqliteOnly(t),
			Overrides: config.Merge(config.Section{"requires": map[string]any{"auth": map[string]any{"kind": "mocked"}}}, c)})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "Audit.Records shows the audit log") {
			t.Errorf("%v: %v", c, err)
		}
	}
}
