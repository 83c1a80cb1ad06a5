package generic_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

const things = `
context db {
type Color : String enum { red; green; blue };
entity Things {
  key ID   : Integer;
  name     : String(10) @mandatory;
  qty      : Integer @assert.range: [1, 100];
  ratio    : Decimal(4, 2) @assert.range: [(0), 10];
  open     : Integer @assert.range: [_, 5];
  color    : Color @assert.range;
  code     : String(8) @assert.format: '^[a-z]{2}-[0-9]+$';
  maker    : Association to Makers @assert.target;
  ro       : String @readonly default 'fixed';
  comp     : String @Core.Computed;
  immut    : String @Core.Immutable;
  must     : Boolean not null default true;
  day : Date; tod : Time; dt : DateTime; ts : Timestamp; big : Int64; small : UInt8; dec : Decimal(15, 3); dbl : Double; uid : UUID; bin : Binary(20);
  address { street : String(30); }
  tags : array of String;
  lines : many { k : String; v : Integer; };
  virtual calcd : String;
  twice : Integer = qty * 2;
  changedBy : String @cds.on.update: $user @cds.on.insert: $user.id;
  parts : Composition of many Parts on parts.thing = $self;
}
entity Parts { key thing : Association to Things; key pos : Integer; name : String(10) @mandatory; qty : Integer @assert.range: [0, 9]; }
entity Makers { key ID : Integer; name : localized String(20); hidden : Boolean; }
entity Versioned { key ID : Integer; text : String; modifiedAt : Timestamp @cds.on.insert: $now @cds.on.update: $now @odata.etag; }
entity Many { key ID : Integer; }
}
service Val {
  entity Things as projection on db.Things;
  @restrict: [{grant: 'READ', where: 'hidden is null'}] entity Makers as projection on db.Makers;
  entity Versioned as projection on db.Versioned;
  @cds.query.limit: { default: 2, max: 3 } entity Limited as projection on db.Many;
  @cds.query.limit: 0 entity NoLimit as projection on db.Many;
  @cds.query.limit.max: 4 entity MaxOnly as projection on db.Many;
}`

const thingsData = `INSERT INTO db_Makers (ID, name, hidden) VALUES (1, 'One', NULL), (2, 'Two', TRUE);
INSERT INTO db_Makers_texts (ID, locale, name) VALUES (1, 'de', 'Eins');
INSERT INTO db_Versioned (ID, text, modifiedAt) VALUES (1, 'one', '2024-01-01T00:00:00.000Z');
INSERT INTO db_Many (ID) VALUES (1), (2), (3), (4), (5), (6), (7);`

// brief returns an error as code target, with those of its details.
func brief(e *cds.Error) string {
	if e == nil {
		return "ok"
	}
	if len(e.Details) == 0 {
		return e.Code + " " + e.Target
	}
	var all []string
	for _, d := range e.Details {
		all = append(all, brief(d))
	}
	return strings.Join(all, ", ")
}

func TestPayloadRules(t *testing.T) {
	tests := []struct {
		name string
		data *cds.Row
		want string // "ok" or code and target
		show string // field=JSON of the answer
	}{
		{"minimal", row("name", "n"), "ok", `ro="fixed" must=true changedBy="bob" tags=[] lines=[] twice=null`},
		{"range low", row("name", "n", "qty", 0), "ASSERT_RANGE qty", ""},
		{"range edge", row("name", "n", "qty", 100), "ok", `qty=100 twice=200`},
		{"range null", row("name", "n", "qty", nil), "ok", `qty=null`},
		{"range exclusive", row("name", "n", "ratio", 0), "ASSERT_RANGE ratio", ""},
		{"range exclusive edge", row("name", "n", "ratio", "0.01"), "ok", `ratio="0.01"`},
		{"range open", row("name", "n", "open", -1000), "ok", ""},
		{"range open high", row("name", "n", "open", 6), "ASSERT_RANGE open", ""},
		{"enum", row("name", "n", "color", "red"), "ok", ""},
		{"enum case", row("name", "n", "color", "Red"), "ASSERT_ENUM color", ""},
		{"format", row("name", "n", "code", "ab-1"), "ok", ""},
		{"format part", row("name", "n", "code", "xab-1"), "ASSERT_FORMAT code", ""},
		{"target", row("name", "n", "maker_ID", 1), "ok", `maker_ID=1`},
		{"target missing", row("name", "n", "maker_ID", 7), "ASSERT_TARGET maker_ID", ""},
		{"target hidden", row("name", "n", "maker_ID", 2), "ASSERT_TARGET maker_ID", ""},
		{"target as object", row("name", "n", "maker", row("ID", 1)), "ok", `maker_ID=1`},
		{"target as object, null", row("name", "n", "maker", nil), "ok", `maker_ID=null`},
		{"deep association", row("name", "n", "maker", row("ID", 1, "name", "HACK")), "400 maker", ""},
		{"mandatory", row("qty", 1), "ASSERT_MANDATORY name", ""},
		{"mandatory blank", row("name", "  "), "ASSERT_MANDATORY name", ""},
		{"many faults", row("code", "1", "name", nil, "qty", 1000, "color", "pink"), "ASSERT_MANDATORY name, ASSERT_FORMAT code, ASSERT_RANGE qty, ASSERT_ENUM color", ""},
		{"dropped", row("name", "n", "ro", "x", "comp", "x", "calcd", "v", "twice", 9, "changedBy", "evil"), "ok", `ro="fixed" comp=null changedBy="bob"`},
		{"immutable", row("name", "n", "immut", "x"), "ok", `immut="x"`},
		{"too long", row("name", "xxxxxxxxxxx"), "ASSERT_DATA_TYPE name", ""},
		{"characters, not bytes", row("name", "üüüüüüüüü😀"), "ok", ""},
		{"number for text", row("name", 5), "ASSERT_DATA_TYPE name", ""},
		{"not null", row("name", "n", "must", nil), "ASSERT_NOT_NULL must", ""},
		{"boolean text", row("name", "n", "must", "true"), "ASSERT_DATA_TYPE must", ""},
		{"boolean number", row("name", "n", "must", 0), "ok", `must=false`},
		{"leap day", row("name", "n", "day", "2024-02-29"), "ok", `day="2024-02-29"`},
		{"no leap day", row("name", "n", "day", "2023-02-29"), "ASSERT_DATA_TYPE day", ""},
		{"date with time", row("name", "n", "day", "2024-02-29T00:00:00Z"), "ASSERT_DATA_TYPE day", ""},
		{"short time", row("name", "n", "tod", "12:34"), "ok", `tod="12:34:00"`},
		{"bad time", row("name", "n", "tod", "25:00:00"), "ASSERT_DATA_TYPE tod", ""},
		{"offset", row("name", "n", "dt", "2024-01-01T01:00:00+01:00"), "ok", `dt="2024-01-01T00:00:00Z"`},
		{"fraction", row("name", "n", "dt", "2024-01-01T00:00:00.5Z"), "ok", `dt="2024-01-01T00:00:00Z"`},
		{"date only", row("name", "n", "dt", "2024-01-01"), "ok", `dt="2024-01-01T00:00:00Z"`},
		{"timestamp", row("name", "n", "ts", "2024-01-01T00:00:00.1234567Z"), "ok", `ts="2024-01-01T00:00:00.123Z"`},
		{"timestamp offset", row("name", "n", "ts", "2024-01-01T00:00:00.5-05:00"), "ok", `ts="2024-01-01T05:00:00.500Z"`},
		{"timestamp word", row("name", "n", "ts", "now"), "ASSERT_DATA_TYPE ts", ""},
		{"int64", row("name", "n", "big", "9223372036854775807"), "ok", `big="9223372036854775807"`},
		{"int64 over", row("name", "n", "big", "9223372036854775808"), "ASSERT_DATA_TYPE big", ""},
		{"uint8", row("name", "n", "small", 256), "ASSERT_DATA_TYPE small", ""},
		{"integer fraction", row("name", "n", "qty", 1.5), "ASSERT_DATA_TYPE qty", ""},
		{"integer over", row("name", "n", "open", -3000000000), "ASSERT_DATA_TYPE open", ""},
		{"decimal text", row("name", "n", "dec", "123.456"), "ok", `dec="123.456"`},
		{"decimal scale", row("name", "n", "dec", "1.2345"), "ASSERT_DATA_TYPE dec", ""},
		{"decimal zeros", row("name", "n", "dec", "1.5000"), "ok", `dec="1.500"`},
		{"decimal precision", row("name", "n", "ratio", "123.4"), "ASSERT_DATA_TYPE ratio", ""},
		{"decimal exponent", row("name", "n", "dec", "1e3"), "ASSERT_DATA_TYPE dec", ""},
		{"double text", row("name", "n", "dbl", "1.5"), "ok", `dbl=1.5`},
		{"double nan", row("name", "n", "dbl", "NaN"), "ASSERT_DATA_TYPE dbl", ""},
		{"uuid", row("name", "n", "uid", "0A000000-0000-4000-8000-00000000000B"), "ok", ""},
		{"uuid bad", row("name", "n", "uid", "xyz"), "ASSERT_DATA_TYPE uid", ""},
		{"binary", row("name", "n", "bin", "-_-_"), "ok", `bin="-_-_"`},
		{"binary bad", row("name", "n", "bin", "***"), "ASSERT_DATA_TYPE bin", ""},
		{"structure flat", row("name", "n", "address_street", "s"), "ok", `address_street="s"`},
		{"structure nested", row("name", "n", "address", row("street", "s")), "400 Val.Things", ""},
		{"unknown", row("name", "n", "frob", 1), "400 Val.Things", ""},
		{"array", row("name", "n", "tags", []any{"a", "b"}), "ok", `tags=["a","b"]`},
		{"array item", row("name", "n", "tags", []any{1}), "ASSERT_DATA_TYPE tags[0]", ""},
		{"no array", row("name", "n", "tags", "a"), "ASSERT_ARRAY tags", ""},
		{"structures", row("name", "n", "lines", []*cds.Row{row("k", "a", "v", 1)}), "ok", `lines=[{"k":"a","v":1}]`},
		{"structures unknown", row("name", "n", "lines", []*cds.Row{row("zz", 1)}), "400 lines[0]", ""},
		{"parts", row("name", "n", "parts", []*cds.Row{row("pos", 1, "name", "p")}), "ok", ""},
		{"parts bad", row("name", "n", "parts", []*cds.Row{row("pos", 1, "qty", 99)}), "ASSERT_MANDATORY parts(pos=1)/name, ASSERT_RANGE parts(pos=1)/qty", ""},
		{"parts twice", row("name", "n", "parts", []*cds.Row{row("pos", 1, "name", "p"), row("pos", 1, "name", "q")}), "UNIQUE_CONSTRAINT_VIOLATION ", ""},
		{"parts unknown", row("name", "n", "parts", []*cds.Row{row("pos", 1, "frob", 1)}), "400 parts[0]", ""},
		{"parts null", row("name", "n", "parts", nil), "ok", ""},
		{"nul", row("name", "a\x00b"), "ok", `name="a\u0000b"`},
	}
	a := newApp(t, things, thingsData, cds.AppOptions{}, nil)
	bob := user("bob")
	for i, tt := range tests {
		tt.data.Set("ID", cqn.Int(int64(100+i)))
		res, err := a.do(req{event: authz.Create, path: "Val.Things", user: bob, data: tt.data})
		var e *cds.Error
		errors.As(err, &e)
		if onPostgres && tt.name == "nul" { // which its texts can't have
			tt.want = "ASSERT_DATA_TYPE "
		}
		if got := brief(e); got != tt.want || e != nil {
			if got != tt.want {
				t.Errorf("%s: %s (%v), want %s", tt.name, got, err, tt.want)
			}
			continue
		}
		for _, want := range strings.Fields(tt.show) {
			name, want, _ := strings.Cut(want, "=")
			f := cds.Format{OData: true, DecimalStrings: true}
			e := a.Model.Entity("Val.Things")
			if got := string(f.AppendValue(nil, e.Element(name), res.Rows[0].Value(name))); got != want {
				t.Errorf("%s: %s = %s, want %s", tt.name, name, got, want)
			}
		}
	}
}

func TestUpdateRules(t *testing.T) {
	a := newApp(t, things, thingsData, cds.AppOptions{}, nil)
	bob, eve := user("bob"), user("eve")
	a.want(req{event: authz.Create, path: "Val.Things", user: bob, data: row("ID", 1, "name", "n", "immut", "a", "parts", []*cds.Row{row("pos", 1, "name", "p")})}, 200)
	res, _ := a.want(req{event: authz.Update, path: "Val.Things(1)", user: eve, data: row("immut", "b", "ro", "x", "qty", 4)}, 200)
	got := res.Rows[0]
	if got.Value("immut").Str() != "a" || got.Value("ro").Str() != "fixed" || got.Value("changedBy").Str() != "eve" || got.Value("twice").Int() != 8 {
		t.Error(text(got))
	}
	_, e := a.want(req{event: authz.Update, path: "Val.Things(1)", user: eve, data: row("name", "")}, 400)
	if brief(e) != "ASSERT_MANDATORY name" {
		t.Error(e)
	}
	_, e = a.want(req{event: authz.Update, path: "Val.Things(1)", user: eve, data: row("parts", []*cds.Row{row("pos", 1)})}, 400)
	if brief(e) != "ASSERT_MANDATORY parts(pos=1)/name" {
		t.Error(brief(e))
	}
	a.want(req{event: authz.Update, path: "Val.Things(1)", user: eve, data: row("parts", []*cds.Row{row("thing_ID", 999, "pos", 9, "name", "n")})}, 400)
	a.want(req{event: authz.Delete, path: "Val.Things(1)", user: eve}, 200)
	if s := a.sql("db.Parts", "pos"); s != "" {
		t.Error(s)
	}
}

func TestEntityTags(t *testing.T) {
	a := newApp(t, things, thingsData, cds.AppOptions{}, nil)
	const old = `W/"2024-01-01T00:00:00.000Z"`
	patch := func(code int, match ...string) *cds.Result {
		t.Helper()
		res, _ := a.want(req{event: authz.Update, path: "Val.Versioned(1)", data: row("text", "x"), match: match}, code)
		return res
	}
	res, _ := a.want(req{event: authz.Read, path: "Val.Versioned(1)", format: &cds.Format{OData: true}, query: func(s *cqn.Select) {
		s.Columns = []cqn.Column{{X: cqn.NewRef("text")}}
	}}, 200)
	if res.ETag != old || string(res.JSON) != `{"@odata.etag":"W/\"2024-01-01T00:00:00.000Z\"","text":"one","modifiedAt":"2024-01-01T00:00:00.000Z"}` {
		t.Errorf("%s %s", res.ETag, res.JSON)
	}
	patch(428)
	patch(412, `W/"x"`)
	patch(412, "frob")
	if res := patch(200, old); res.ETag != `W/"2024-05-06T07:08:09.123Z"` {
		t.Error(res.ETag)
	}
	patch(412, old)
	patch(200, `W/"a"`, "*")
	a.want(req{event: authz.Update, path: "Val.Versioned(6)", data: row("text", "x"), upsert: true}, 428)
	a.want(req{event: authz.Delete, path: "Val.Versioned(1)"}, 428)
	a.want(req{event: authz.Delete, path: "Val.Versioned(1)", match: []string{"*"}}, 200)
}

func TestPages(t *testing.T) {
	a := newApp(t, things, thingsData, cds.AppOptions{}, nil)
	tests := []struct {
		path      string
		top, skip int64
		n         int
		more      bool
		next      int64
	}{
		{"Val.Limited", -1, 0, 2, true, 2},
		{"Val.Limited", 1, 0, 1, false, 0},
		{"Val.Limited", 5, 0, 3, true, 3},
		{"Val.Limited", -1, 2, 2, true, 4},
		{"Val.Limited", -1, 6, 1, false, 0},
		{"Val.Limited", -1, 5, 2, false, 0},
		{"Val.Limited", 0, 0, 0, false, 0},
		{"Val.NoLimit", -1, 0, 7, false, 0},
		{"Val.MaxOnly", -1, 0, 4, true, 4},
	}
	for _, tt := range tests {
		for _, f := range []*cds.Format{nil, {OData: true}} {
			res, _ := a.want(req{event: authz.Read, path: tt.path, format: f, count: true, query: func(s *cqn.Select) {
				if tt.top >= 0 {
					s.Limit = &cqn.Lit{Value: cqn.Int(tt.top)}
				}
				if tt.skip > 0 {
					s.Offset = &cqn.Lit{Value: cqn.Int(tt.skip)}
				}
			}}, 200)
			if res.N != tt.n || res.More != tt.more || res.Next != tt.next || res.Count != 7 {
				t.Errorf("%+v: %+v", tt, res)
			}
			if f != nil {
				var rows []map[string]any
				if err := json.Unmarshal([]byte("["+string(res.JSON)+"]"), &rows); err != nil || len(rows) != tt.n {
					t.Errorf("%s: %v", res.JSON, err)
				}
			}
		}
	}
}

func TestLocalizedReads(t *testing.T) {
	a := newApp(t, things, thingsData, cds.AppOptions{}, nil)
	for locale, want := range map[string]string{"": "One", "en": "One", "de": "Eins", "fr": "One"} {
		res, _ := a.want(req{event: authz.Read, path: "Val.Makers(1)", locale: locale}, 200)
		if got := res.Rows[0].Value("name").Str(); got != want {
			t.Errorf("%q: %s, want %s", locale, got, want)
		}
	}
}
