package crypt_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/ql"
)

func compile(t testing.TB, text string) *csn.Model {
	t.Helper()
	res := parser.CompileString("model.cds", text)
	if res.Model == nil {
		t.Fatal(res.Diags.Err())
	}
	return res.Model
}

const model = `
namespace my;
type Secret : String(100) @encrypted;
@assert.unique.ssn: [ssn]
entity Staff {
  key ID : Integer;
  name : String(100);
  iban : Secret;
  @encrypted: 'deterministic' ssn : String(100);
  @encrypted i : Integer; @encrypted i64 : Int64; @encrypted dec : Decimal(9, 2); @encrypted dbl : Double; @encrypted b : Boolean;
  @encrypted d : Date; @encrypted t : Time; @encrypted dt : DateTime; @encrypted ts : Timestamp; @encrypted bin : Binary(100); @encrypted u : UUID;
  @encrypted long : LargeString;
  @encrypted: 'deterministic' detDec : Decimal(9, 2);
  @encrypted home { street : String(100); zip : String(100); };
  @hash pw : String(100);
  @hash: 'bcrypt' pin : String(100);
  @hash: 'sha256' badge : String(100);
  boss : Association to Staff;
  notes : Composition of many Notes on notes.staff = $self;
}
entity Notes { key ID : Integer; staff : Association to Staff; @encrypted text : String(100); @encrypted: 'deterministic' tag : String(100); }
entity Files { key ID : Integer; title : String(100); @encrypted body : String(100); @encrypted: 'deterministic' code : String(100);
  parts : Composition of many { key nr : Integer; @encrypted line : String(100); } }

@protocol: ['odata', 'rest'] @path: 's' @requires: 'any' service S {
  @cds.redirection.target entity Staff as projection on my.Staff;
  entity Renamed as projection on my.Staff { ID, iban as account, ssn as number, home, boss };
  entity Joined as select from my.Staff as a left join my.Notes as n on n.staff.ID = a.ID { key a.ID, key n.ID as note, a.iban, n.text, n.tag };
  entity Bosses as select from my.Staff { ID, boss.iban as bossIban, boss.ssn as bossSsn };
  entity Twice as projection on Renamed { ID, account as again, number };
  @cds.redirection.target entity Notes as projection on my.Notes;
  @odata.draft.enabled entity Files as projection on my.Files;
}
@protocol: ['odata', 'rest'] @path: 'r' @requires: 'authenticated-user' service R {
  @restrict: [{ grant: '*', where: 'iban is not null' }]
  entity Staff as projection on my.Staff { ID, name, @mask: { value: '***', unless: 'hr' } iban, @restrict: [{ grant: 'READ', to: 'hr' }] ssn };
}
`

func data() fstest.MapFS {
	return fstest.MapFS{"db/data/my-Staff.csv": &fstest.MapFile{Data: []byte("ID,name,iban,ssn,i,dec,b,d,bin,home_street,pw,badge,boss_ID\n" +
		"1,Ann,PLAIN-iban-1,PLAIN-ssn-1,11,1000.50,true,1990-01-02,AQID,PLAIN-street,PLAIN-pw-1,PLAIN-badge-1,\n2,Bob,PLAIN-iban-2,PLAIN-ssn-2,22,2000.00,false,,,,,,1\n3,Cid,,,,,,,,,,,1\n")},
		"db/data/my-Notes.json": &fstest.MapFile{Data: []byte(`[{"ID":1,"staff_ID":1,"text":"PLAIN-note","tag":"PLAIN-tag"}]`)}}
}

func on(t *testing.T, test func(t *testing.T)) {
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			if name != "sqlite" && testing.Short() {
				t.Skip("SQLite only in short mode")
			}
			t.Setenv("CDS_TEST_DB", name)
			test(t)
		})
	}
}

func start(t *testing.T, more config.Section, register func(*cds.App) error) *cdstest.App {
	t.Helper()
	return cdstest.New(t, cdstest.Config{Model: func() (*csn.Model, error) { return compile(t, model), nil }, FS: data(), Overrides: more, Register: register,
		Users: []cdstest.TestUser{cdstest.User("hr", cdstest.Roles("hr")), cdstest.User("bob")}})
}

// kept reads what the database has in a column, by key.
func kept(t *testing.T, app *cdstest.App, table, column string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := cds.Privileged(app.As(""), "a test", func(ctx context.Context) error {
		res, err := cds.DB(ctx).NativeQuery(ctx, "SELECT ID, "+column+" AS v FROM "+table)
		if err == nil {
			for _, r := range res.Rows {
				id, v := r.Value("ID"), r.Value("v")
				if id.IsNull() {
					id = r.Value("id")
				}
				if !v.IsNull() {
					out[id.Format()] = v.Str()
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func set(t *testing.T, app *cdstest.App, sql string, args ...any) {
	t.Helper()
	err := cds.Privileged(app.As(""), "a test", func(ctx context.Context) error {
		_, err := cds.DB(ctx).NativeExec(ctx, sql, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

const odata = "/odata/v4/s/"

// TestValues: every type comes back as it was sent, at each door, and none of it is in the database.
func TestValues(t *testing.T) {
	on(t, func(t *testing.T) {
		app := start(t, nil, nil)
		body := `{"ID":9,"name":"Zoe","iban":"PLAIN-iban-9","ssn":"PLAIN-ssn-9","i":-42,"i64":"9007199254740993","dec":"12.30","dbl":1.5,"b":true,"d":"2001-02-03","t":"04:05:06",` +
			`"dt":"2001-02-03T04:05:06Z","ts":"2001-02-03T04:05:06.789Z","bin":"UExBSU4=","u":"0a000000-0000-4000-8000-000000000001","long":"PLAIN-long ünïcode","detDec":"5.00",` +
			`"home_street":"PLAIN-street","home_zip":"PLAIN-zip","pw":"PLAIN-pw-9","pin":"PLAIN-pin","badge":"PLAIN-badge","boss_ID":1,"notes":[{"ID":9,"text":"PLAIN-deep","tag":"PLAIN-deeptag"}]}`
		want := []string{`"iban":"PLAIN-iban-9"`, `"ssn":"PLAIN-ssn-9"`, `"i":-42`, `"i64":"9007199254740993"`, `"dec":"12.30"`, `"dbl":1.5`, `"b":true`, `"d":"2001-02-03"`, `"t":"04:05:06"`,
			`"dt":"2001-02-03T04:05:06Z"`, `"ts":"2001-02-03T04:05:06.789Z"`, `"bin":"UExBSU4="`, `"u":"0a000000-0000-4000-8000-000000000001"`, `"long":"PLAIN-long ünïcode"`, `"detDec":"5.00"`,
			`"home_street":"PLAIN-street"`, `"home_zip":"PLAIN-zip"`}
		secret := []string{`"pw"`, `"pin"`, `"badge"`, "argon2id", "$2a$", "cds1."}
		app.HTTP().POST(odata+"Staff", body).Status(201).Contains(want...).Lacks(secret...)
		app.HTTP().GET(odata+"Staff(9)?$expand=notes,boss").Status(200).Contains(want...).Contains(`"text":"PLAIN-deep"`, `"tag":"PLAIN-deeptag"`, "PLAIN-iban-1").Lacks(secret...)
		app.HTTP().GET(odata + "Staff?$filter=ID%20eq%209&$apply=identity").Status(200).Contains(want...).Lacks(secret...)
		app.HTTP().GET("/rest/s/Staff/9").Status(200).Contains(`"iban":"PLAIN-iban-9"`, `"i":-42`, `"b":true`, `"ts":"2001-02-03T04:05:06.789Z"`).Lacks(secret...)
		app.HTTP().GET(odata + "Staff(9)/iban").Status(200).Contains("PLAIN-iban-9")
		app.HTTP().GET(odata + "Staff(9)/iban/$value").Status(200).Contains("PLAIN-iban-9")
		app.HTTP().GET(odata + "Notes(9)/staff/iban").Status(200).Contains("PLAIN-iban-9")
		app.HTTP().GET(odata+"Renamed(9)").Status(200).Contains(`"account":"PLAIN-iban-9"`, `"number":"PLAIN-ssn-9"`, `"home_street":"PLAIN-street"`)
		app.HTTP().GET(odata + "Twice?$filter=number%20eq%20'PLAIN-ssn-9'").Status(200).Contains(`"again":"PLAIN-iban-9"`)
		app.HTTP().GET(odata+"Joined?$filter=ID%20eq%209").Status(200).Contains("PLAIN-iban-9", "PLAIN-deep", "PLAIN-deeptag")
		app.HTTP().GET(odata+"Bosses(9)").Status(200).Contains(`"bossIban":"PLAIN-iban-1"`, `"bossSsn":"PLAIN-ssn-1"`)

		rows, err := ql.Select("my.S.Staff").Rows(app.As(""), runner{app.CDS.Service("my.S")})
		if err != nil || len(rows) != 4 {
			t.Fatalf("in process: %v, %v", rows, err)
		}
		for _, r := range rows {
			if r.Value("ID").Int() != 9 {
				continue
			}
			for name, v := range map[string]cqn.Value{"i": cqn.Int(-42), "i64": cqn.Int(9007199254740993), "dec": cqn.Decimal("12.30"), "dbl": cqn.Float(1.5), "b": cqn.Bool(true),
				"d": cqn.Text(cqn.KindDate, "2001-02-03"), "ts": cqn.Text(cqn.KindTimestamp, "2001-02-03T04:05:06.789Z"), "bin": cqn.Bytes([]byte("PLAIN")), "iban": cqn.String("PLAIN-iban-9")} {
				if !r.Value(name).Equal(v) {
					t.Errorf("in process: %s is %v (%v)", name, r.Value(name), r.Value(name).Kind())
				}
			}
			if r.Has("pw") || r.Has("pin") || r.Has("badge") {
				t.Error("in process: hashes show")
			}
		}

		app.HTTP().PATCH(odata+"Staff(9)", `{"dec":"7","iban":"PLAIN-changed","pw":"PLAIN-other"}`).Status(200).Contains(`"dec":"7.00"`, `"iban":"PLAIN-changed"`)
		app.HTTP().PUT(odata+"Staff(8)", `{"name":"New","iban":"PLAIN-put"}`).Status(201).Contains(`"iban":"PLAIN-put"`)
		app.HTTP().PATCH(odata+"Staff(8)", `{"iban":null}`).Status(200).Contains(`"iban":null`)
		app.HTTP().PATCH(odata+"Staff(8)", `{"i":"PLAIN-no number"}`).Status(400)
		app.HTTP().PATCH(odata+"Staff(8)", `{"iban":"PLAIN`+strings.Repeat("x", 101)+`"}`).Status(400)
		direct := &cqn.Update{Entity: cqn.NewRef("my.Staff"), Where: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(8)}}, Data: cqn.NewRow(cqn.Field{Name: "i", Value: cqn.String("PLAIN-no number")})}
		if _, err := cds.DB(app.As("")).Run(app.As(""), direct); err == nil || strings.Contains(err.Error(), "PLAIN") {
			t.Errorf("the database's own door: %v", err)
		}
		upd := &cqn.Update{Entity: cqn.NewRef("my.S.Staff"), Where: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(8)}},
			With: []cqn.Assignment{{Name: "iban", X: &cqn.Lit{Value: cqn.String("PLAIN-with")}}}}
		if _, err := app.CDS.Service("my.S").Run(app.As(""), upd); err != nil {
			t.Error(err)
		}
		app.HTTP().GET(odata + "Staff(8)/iban/$value").Status(200).Contains("PLAIN-with")
		upd.With[0].X = cqn.NewRef("name")
		if _, err := app.CDS.Service("my.S").Run(app.As(""), upd); err == nil {
			t.Error("an expression was stored in an encrypted element")
		}

		for column, want := range map[string]string{"iban": "cds1.r.test.", "ssn": "cds1.d.test.", "i": "cds1.r.test.", "dec": "cds1.r.test.", "b": "cds1.r.test.", "home_street": "cds1.r.test.",
			"pw": "$argon2id$v=19$", "pin": "$2a$10$", "badge": ""} {
			for id, v := range kept(t, app, "my_Staff", column) {
				if !strings.HasPrefix(v, want) || strings.Contains(v, "PLAIN") {
					t.Errorf("%s of %s is kept as %s", column, id, v)
				}
			}
		}
		if strings.Contains(app.Log(), "PLAIN") {
			t.Error("a value is in the log")
		}
	})
}

type runner struct{ s *cds.Service }

func (r runner) Run(ctx context.Context, q cqn.Query) (*cds.Result, error) { return r.s.Run(ctx, q) }

// TestRefused: what needs a value that the database has not is 400, whoever asks.
func TestRefused(t *testing.T) {
	on(t, func(t *testing.T) {
		app := start(t, nil, nil)
		for _, q := range []string{"$filter=iban eq 'PLAIN-iban-1'", "$filter=iban ne 'x'", "$filter=iban in ('x')", "$filter=contains(ssn,'1')", "$filter=startswith(iban,'P')", "$filter=ssn gt 'a'",
			"$filter=ssn eq name", "$filter=ssn eq tolower('X')", "$filter=tolower(ssn) eq 'x'", "$filter=length(iban) gt 3", "$filter=i gt 3", "$filter=b", "$filter=b eq true", "$filter=dec add 1 eq 2",
			"$filter=boss/iban eq 'x'", "$filter=boss/ssn lt 'x'", "$filter=notes/any(n:n/text eq 'x')", "$filter=ssn eq boss/ssn", "$filter=pw eq 'x'", "$filter=badge eq 'PLAIN-badge-1'", "$filter=cds.hash(pw) eq 'x'",
			"$orderby=iban", "$orderby=ssn desc", "$orderby=boss/iban", "$select=pw", "$select=ID,badge", "$apply=groupby((iban))", "$apply=groupby((ssn))", "$apply=groupby((name,ssn),aggregate($count as n))",
			"$apply=aggregate(dec with sum as s)", "$apply=aggregate(ssn with countdistinct as n)", "$apply=aggregate(i with max as m)", "$apply=filter(iban eq 'x')", "$apply=compute(concat(iban,'x') as y)",
			"$compute=concat(ssn,'x') as y&$select=y", "$expand=notes($filter=text eq 'x')", "$expand=notes($orderby=tag)", "$apply=topcount(2,dec)", "$apply=groupby((pw))"} {
			r := app.HTTP().GET(odata + "Staff?" + strings.ReplaceAll(q, " ", "%20"))
			if c := r.Code(); c != 400 && c != 501 || strings.Contains(r.Body(), "PLAIN-iban-1") && !strings.Contains(q, "PLAIN") || strings.Contains(r.Body(), "cds1.") {
				t.Errorf("%s: %d %.300s", q, c, r.Body())
			}
		}
		for _, p := range []string{"Staff(1)/pw", "Staff(1)/pw/$value", "Staff(1)/badge", "Renamed?$filter=account%20eq%20'x'", "Joined?$orderby=text", "Bosses?$filter=bossIban%20gt%20'x'"} {
			if r := app.HTTP().GET(odata + p); r.Code() != 400 {
				t.Errorf("%s: %d %.300s", p, r.Code(), r.Body())
			}
		}
		app.HTTP().GET(odata + "Staff?$search=PLAIN").Status(200).Lacks("PLAIN")
		app.HTTP().GET(odata + "Staff?$filter=iban%20eq%20null").Status(200).Contains(`"ID":3`).Lacks(`"ID":1`)
		app.HTTP().GET(odata + "Staff?$filter=pw%20ne%20null").Status(200).Contains(`"ID":1`).Lacks(`"ID":2`)
		app.HTTP().GET("/rest/s/Staff?$orderby=iban").Status(400)
		for _, q := range []*ql.SelectQuery{ql.Select("my.S.Staff").OrderBy("iban"), ql.Select("my.S.Staff").Columns("pw")} {
			if _, err := q.Rows(app.As(""), runner{app.CDS.Service("my.S")}); err == nil || cds.AsError(err).Status != 400 {
				t.Errorf("in process: %v", err)
			}
		}
		q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef("my.Staff")}, Distinct: true, Columns: []cqn.Column{{X: cqn.NewRef("ssn")}}}
		if _, err := cds.DB(app.As("")).Run(app.As(""), q); err == nil {
			t.Error("distinct over encrypted values")
		}
	})
}

// TestFilters: a filter by an encrypted element finds the rows that the same filter finds by the plain values.
func TestFilters(t *testing.T) {
	on(t, func(t *testing.T) {
		app := start(t, nil, nil)
		plain := map[string]string{"1": "PLAIN-ssn-1", "2": "PLAIN-ssn-2", "3": ""}
		for id, v := range map[string]string{"4": "a", "5": "A", "6": "ä", "7": "a ", "8": "'q'", "9": "cds1.d.test.AAAA"} {
			app.HTTP().POST(odata+"Staff", `{"ID":`+id+`,"ssn":"`+v+`"}`).Status(201)
			plain[id] = v
		}
		lit := func(v string) string {
			return "'" + strings.ReplaceAll(strings.ReplaceAll(v, "'", "''"), " ", "%20") + "'"
		}
		for _, v := range append([]string{"nobody", "PLAIN-SSN-1"}, values(plain)...) {
			if v == "" {
				continue
			}
			for op, match := range map[string]func(x string) bool{
				"ssn eq " + lit(v):                                      func(x string) bool { return x == v },
				lit(v) + " eq ssn":                                      func(x string) bool { return x == v },
				"ssn ne " + lit(v):                                      func(x string) bool { return x != v },
				"not (ssn eq " + lit(v) + ")":                           func(x string) bool { return x != v && x != "" },
				"ssn in (" + lit(v) + "," + lit("a") + ")":              func(x string) bool { return x == v || x == "a" },
				"not (ssn in (" + lit(v) + "," + lit("a") + "))":        func(x string) bool { return x != v && x != "a" && x != "" },
				"ssn eq " + lit(v) + " or ssn eq null":                  func(x string) bool { return x == v || x == "" },
				"ID gt 0 and (ssn eq " + lit(v) + " or name eq 'Nemo')": func(x string) bool { return x == v },
			} {
				var got struct{ Value []struct{ ID int } }
				app.HTTP().GET(odata + "Staff?$select=ID&$filter=" + strings.ReplaceAll(op, " ", "%20")).Status(200).JSON(&got)
				found := map[string]bool{}
				for _, r := range got.Value {
					found[string(rune('0'+r.ID))] = true
				}
				for id, x := range plain {
					if found[id] != match(x) {
						t.Errorf("%s: row %s (%q) found: %v", op, id, x, found[id])
					}
				}
			}
		}
		app.HTTP().GET(odata + "Staff?$filter=detDec%20eq%205").Status(200).Lacks(`"ID"`)
		app.HTTP().PATCH(odata+"Staff(4)", `{"detDec":"5"}`).Status(200)
		for _, five := range []string{"5", "5.0", "5.00"} {
			app.HTTP().GET(odata+"Staff?$filter=detDec%20eq%20"+five).Status(200).Contains(`"ID":4`, `"detDec":"5.00"`)
		}
		app.HTTP().GET(odata + "Staff?$filter=notes/any(n:n/tag%20eq%20'PLAIN-tag')").Status(200).Contains(`"ID":1`).Lacks(`"ID":2`)
		app.HTTP().GET(odata+"Staff?$filter=boss/ssn%20eq%20'PLAIN-ssn-1'").Status(200).Contains(`"ID":2`, `"ID":3`).Lacks(`"ID":1,`)
		app.HTTP().GET(odata + "Staff(1)?$expand=notes($filter=tag%20eq%20'PLAIN-tag')").Status(200).Contains("PLAIN-note")
		app.HTTP().POST(odata+"Staff", `{"ID":10,"ssn":"PLAIN-ssn-1"}`).Status(409).Lacks("PLAIN", "cds1")
	})
}

func values(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// TestTampered: values that were moved, changed, put there plain or encrypted with a key that is gone are 500 with a code; the log names column and key, nobody the value.
func TestTamperedRows(t *testing.T) {
	on(t, func(t *testing.T) {
		app := start(t, nil, nil)
		ssn := kept(t, app, "my_Staff", "ssn")["1"]
		iban := kept(t, app, "my_Staff", "iban")["1"]
		other := "A"
		if iban[len(iban)-9] == 'A' {
			other = "B"
		}
		for name, v := range map[string]string{"moved": ssn, "plain": "PLAIN-attack", "changed": iban[:len(iban)-9] + other + iban[len(iban)-8:], "another key": strings.Replace(iban, ".test.", ".gone.", 1), "cut": iban[:20]} {
			set(t, app, "UPDATE my_Staff SET iban = ? WHERE ID = 1", v)
			for _, path := range []string{odata + "Staff", odata + "Staff(1)", "/rest/s/Staff/1", odata + "Staff(2)?$expand=boss", odata + "Renamed(1)", odata + "Bosses(2)", odata + "Staff(1)/iban"} {
				app.HTTP().GET(path).Status(500).Contains("DECRYPTION_FAILED").Lacks("PLAIN-attack", "cds1.", "my.Staff")
			}
			if !strings.Contains(app.Log(), "my.Staff.iban") || strings.Contains(app.Log(), "PLAIN-attack") || strings.Contains(app.Log(), v) {
				t.Errorf("%s: the log: %s", name, app.Log())
			}
			if name == "another key" && !strings.Contains(app.Log(), "gone") {
				t.Errorf("the log does not name the key: %s", app.Log())
			}
			app.HTTP().GET(odata + "Staff?$select=ID,name,ssn").Status(200).Contains("PLAIN-ssn-1")
		}
		// From one row to another of the same column it can be moved: rows are not part of what is authenticated.
		set(t, app, "UPDATE my_Staff SET iban = ? WHERE ID = 1", kept(t, app, "my_Staff", "iban")["2"])
		app.HTTP().GET(odata + "Staff(1)").Status(200).Contains("PLAIN-iban-2")
	})
}

func TestAllowPlain(t *testing.T) {
	app := start(t, config.Section{"encryption": map[string]any{"allowPlain": true}}, nil)
	set(t, app, "UPDATE my_Staff SET iban = ?, ssn = ?, i = ?, b = ?, d = ? WHERE ID = 1", "PLAIN-old", "PLAIN-oldssn", "77", "0", "1980-01-01")
	app.HTTP().GET(odata+"Staff(1)").Status(200).Contains("PLAIN-old", "PLAIN-oldssn", `"i":77`, `"b":false`, "1980-01-01")
	app.HTTP().GET(odata + "Staff?$filter=ssn%20eq%20'PLAIN-oldssn'").Status(200).Contains(`"ID":1`)
	set(t, app, "UPDATE my_Staff SET i = ? WHERE ID = 1", "PLAIN-nonumber")
	app.HTTP().GET(odata + "Staff(1)").Status(500).Contains("DECRYPTION_FAILED").Lacks("PLAIN-nonumber")
	if strings.Contains(app.Log(), "PLAIN-nonumber") {
		t.Error("the log has a value")
	}
}

// TestRights: masks, rights on elements and conditions hold beside.
func TestRights(t *testing.T) {
	on(t, func(t *testing.T) {
		app := start(t, nil, nil)
		app.HTTP().As("hr").GET("/odata/v4/r/Staff").Status(200).Contains("PLAIN-iban-1", "PLAIN-ssn-1").Lacks(`"ID":3`)
		app.HTTP().As("bob").GET("/odata/v4/r/Staff").Status(200).Contains(`"iban":"***"`).Lacks("PLAIN", `"ssn"`, `"ID":3`)
		app.HTTP().As("bob").GET("/odata/v4/r/Staff?$filter=ssn%20eq%20'PLAIN-ssn-1'").Status(403)
		app.HTTP().As("bob").GET("/odata/v4/r/Staff(1)/iban").Status(200).Contains("***")
		app.HTTP().As("hr").POST("/odata/v4/r/Staff", `{"ID":20,"name":"x"}`).Status(403) // the condition holds for new values as well
		app.HTTP().As("hr").POST("/odata/v4/r/Staff", `{"ID":20,"name":"x","iban":"PLAIN-new"}`).Status(201)
	})
}

// TestDrafts: a draft is encrypted as its active row is, and both are read together.
func TestDrafts(t *testing.T) {
	on(t, func(t *testing.T) {
		app := start(t, nil, nil)
		as := app.HTTP().As("bob")
		as.POST(odata+"Files", `{"ID":1,"title":"f","body":"PLAIN-body","code":"PLAIN-code","parts":[{"nr":1,"line":"PLAIN-line"}]}`).Status(201).Contains("PLAIN-body")
		as.GET(odata + "Files?$filter=IsActiveEntity%20eq%20false%20or%20SiblingEntity/IsActiveEntity%20eq%20null").Status(200).Contains("PLAIN-body")
		as.GET(odata + "Files?$filter=code%20eq%20'PLAIN-code'%20and%20(IsActiveEntity%20eq%20false%20or%20SiblingEntity/IsActiveEntity%20eq%20null)").Status(200).Contains("PLAIN-body")
		as.POST(odata+"Files(ID=1,IsActiveEntity=false)/my.S.draftActivate", `{}`).Status(201).Contains("PLAIN-body", "PLAIN-code")
		as.GET(odata+"Files(ID=1,IsActiveEntity=true)?$expand=parts").Status(200).Contains("PLAIN-body", "PLAIN-line")
		as.POST(odata+"Files(ID=1,IsActiveEntity=true)/my.S.draftEdit", `{}`).Status(201).Contains("PLAIN-body")
		as.PATCH(odata+"Files(ID=1,IsActiveEntity=false)", `{"body":"PLAIN-edited"}`).Status(200).Contains("PLAIN-edited")
		as.GET(odata + "Files?$filter=IsActiveEntity%20eq%20false%20or%20SiblingEntity/IsActiveEntity%20eq%20null").Status(200).Contains("PLAIN-edited")
		for _, table := range []string{"my_S_Files_drafts", "my_Files"} {
			for id, v := range kept(t, app, table, "body") {
				if !strings.HasPrefix(v, "cds1.r.") {
					t.Errorf("%s %s: %s", table, id, v)
				}
			}
		}
		as.POST(odata+"Files(ID=1,IsActiveEntity=false)/my.S.draftActivate", `{}`).Status(200).Contains("PLAIN-edited")
		as.GET(odata+"Files(ID=1,IsActiveEntity=true)?$expand=parts").Status(200).Contains("PLAIN-edited", "PLAIN-line", "PLAIN-code")
	})
}

func TestVerifyHash(t *testing.T) {
	on(t, func(t *testing.T) {
		app := start(t, nil, nil)
		app.HTTP().PATCH(odata+"Staff(2)", `{"pin":"1234"}`).Status(200)
		id := func(n int64) map[string]any { return map[string]any{"ID": n} }
		for _, c := range []struct {
			entity  string
			id      int64
			element string
			text    string
			want    bool
		}{{"my.Staff", 1, "pw", "PLAIN-pw-1", true}, {"my.Staff", 1, "pw", "wrong", false}, {"my.Staff", 1, "badge", "PLAIN-badge-1", true}, {"my.Staff", 1, "badge", "x", false},
			{"my.S.Staff", 2, "pin", "1234", true}, {"my.S.Staff", 2, "pin", "12345", false}, {"my.Staff", 2, "pw", "", false}, {"my.Staff", 99, "pw", "PLAIN-pw-1", false}} {
			ok, err := cds.VerifyHash(app.As(""), c.entity, id(c.id), c.element, c.text)
			if ok != c.want || err != nil {
				t.Errorf("%v: %v, %v", c, ok, err)
			}
		}
		if ok, err := cds.VerifyHash(app.As(""), "my.Staff", map[string]any{"ID": 1, "ssn": "PLAIN-ssn-1"}, "pw", "PLAIN-pw-1"); !ok || err != nil {
			t.Errorf("by an encrypted element: %v, %v", ok, err)
		}
		if ok, err := cds.VerifyHash(app.As(""), "my.Staff", nil, "pw", "PLAIN-pw-1"); ok || err != nil {
			t.Errorf("of any row: %v, %v", ok, err)
		}
		if ok, err := cds.VerifyHash(app.As(""), "my.Staff", map[string]any{"ID": 1, "name": nil}, "pw", "PLAIN-pw-1"); ok || err != nil {
			t.Errorf("null is no value: %v, %v", ok, err)
		}
		for _, bad := range [][2]string{{"my.Staff", "name"}, {"my.Staff", "iban"}, {"my.Staff", "nosuch"}, {"my.Nobody", "pw"}} {
			if _, err := cds.VerifyHash(app.As(""), bad[0], id(1), bad[1], "x"); err == nil {
				t.Errorf("%v: no error", bad)
			}
		}
		app.HTTP().PATCH(odata+"Staff(2)", `{"pin":"`+strings.Repeat("9", 80)+`"}`).Status(400).Lacks("9999")
	})
}

// TestFile reads the bytes of a database file.
func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.sqlite")
	app := cdstest.New(t, cdstest.Config{Model: func() (*csn.Model, error) { return compile(t, model), nil }, FS: data(), Database: func(t testing.TB) db.Pool {
		pool, err := sqlite.New().Open(context.Background(), db.Config{URL: file})
		if err != nil {
			t.Fatal(err)
		}
		return pool
	}})
	app.HTTP().POST(odata+"Staff", `{"ID":9,"name":"SHOWN-name","iban":"PLAIN-iban-9","pw":"PLAIN-pw-9","badge":"PLAIN-badge-9","dec":"4711.25","d":"2013-12-11","notes":[{"ID":7,"text":"PLAIN-text","tag":"PLAIN-tag"}]}`).Status(201)
	app.HTTP().PATCH(odata+"Staff(9)", `{"iban":"PLAIN-iban-10"}`).Status(200)
	var all []byte
	for _, suffix := range []string{"", "-wal", "-journal"} {
		if b, err := os.ReadFile(file + suffix); err == nil {
			all = append(all, b...)
		}
	}
	if !strings.Contains(string(all), "SHOWN-name") {
		t.Fatal("the test looks at the wrong file")
	}
	for _, s := range []string{"PLAIN", "4711.25", "2013-12-11"} {
		if strings.Contains(string(all), s) {
			t.Errorf("%s is in the file", s)
		}
	}
}
