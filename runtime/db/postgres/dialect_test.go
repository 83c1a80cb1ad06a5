package postgres

import (
	"testing"

	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/sqlgen"
)

func TestFunctions(t *testing.T) {
	p := mustOpen(t)
	fns := p.Dialect().Tables().Functions
	ts, day, clock := "CAST('2024-02-29T08:30:05.678Z' AS timestamp)", "CAST('2024-02-29' AS date)", "CAST('08:30:05' AS time)"
	session := db.Session{Now: "2024-02-29T08:30:00.000Z"}
	tests := []struct {
		fn   string
		args []string
		want string
	}{
		{"contains", []string{"'abc'", "'b'"}, "true"},
		{"contains", []string{"'abc'", "'B'"}, "false"},
		{"contains", []string{"'50%'", "'%'"}, "true"},
		{"contains", []string{"NULL", "'b'"}, "∅"},
		{"startswith", []string{"'abc'", "'ab'"}, "true"},
		{"startswith", []string{"'abc'", "'abcd'"}, "false"},
		{"endswith", []string{"'abc'", "'bc'"}, "true"},
		{"endswith", []string{"'abc'", "'zabc'"}, "false"},
		{"endswith", []string{"'abc'", "''"}, "true"},
		{"indexof", []string{"'abc'", "'c'"}, "2"},
		{"indexof", []string{"'abc'", "'x'"}, "-1"},
		{"substring/2", []string{"'abc'", "1::bigint"}, "bc"},
		{"substring/2", []string{"'abc'", "-1"}, "c"},
		{"substring/3", []string{"'abc'", "0", "2::bigint"}, "ab"},
		{"substring/3", []string{"'abc'", "1", "-1"}, ""},
		{"substr/3", []string{"'abc'", "2::bigint", "1"}, "b"},
		{"concat/3", []string{"'a'", "1", "'b'"}, "a1b"},
		{"concat/2", []string{"'a'", "NULL"}, "∅"},
		{"year", []string{ts}, "2024"},
		{"month", []string{day}, "2"},
		{"hour", []string{clock}, "8"},
		{"second", []string{ts}, "5"},
		{"fractionalseconds", []string{ts}, "0.678"},
		{"date", []string{ts}, "2024-02-29"},
		{"time", []string{ts}, "08:30:05"},
		{"now", nil, "2024-02-29T08:30:00.000Z"},
		{"current_date", nil, "2024-02-29"},
		{"current_time", nil, "08:30:00"},
		{"maxdatetime", nil, "9999-12-31T23:59:59.999Z"},
		{"mindatetime", nil, "0001-01-01T00:00:00.000Z"},
		{"totaloffsetminutes", []string{ts}, "0"},
		{"cds.search", []string{"'The Räven'", "'RÄVEN'"}, "true"},
		{"matchespattern", []string{"'abc'", "'^a.c$'"}, "true"},
		{"matchespattern", []string{"NULL", "'a'"}, "∅"},
		{"round", []string{"2.5::float8"}, "3"},
		{"round", []string{"-2.5"}, "-3"},
		{"greatest", []string{"1", "2"}, "2"},
		{"greatest", []string{"1", "NULL::integer"}, "∅"},
		{"least", []string{"1", "2"}, "1"},
		{"mod", []string{"7", "3"}, "1"},
		{"days_between", []string{day, "CAST('2024-03-02' AS date)"}, "2"},
		{"years_between", []string{"CAST('2020-03-01' AS date)", day}, "3"},
		{"years_between", []string{"CAST('2020-02-29' AS date)", ts}, "4"},
		{"ifnull", []string{"NULL", "'x'"}, "x"},
	}
	for _, tt := range tests {
		tmpl, ok := fns[tt.fn]
		if !ok {
			t.Errorf("no function %s", tt.fn)
			continue
		}
		if got := dbtest.Rows(t, p, session, "SELECT "+dbtest.Fill(tmpl, tt.args...)); got[0] != tt.want {
			t.Errorf("%s%v = %s, want %s", tt.fn, tt.args, got[0], tt.want)
		}
	}
}

// What SQLite's table has and CDS or OData define, this one has too: the same models and requests work on both.
func TestFunctions_complete(t *testing.T) {
	fns := Dialect().Tables().Functions
	for _, name := range []string{
		"contains", "startswith", "endswith", "indexof", "substring/2", "substring/3", "tolower", "toupper", "concat/2", "year", "month", "day", "hour", "minute",
		"second", "fractionalseconds", "date", "time", "now", "maxdatetime", "mindatetime", "totaloffsetminutes", "matchespattern", "cds.search", "trim", "length",
		"round", "floor", "ceiling", "count", "sum", "avg", "average", "min", "max", "countdistinct", "coalesce", "row_number", "rank", "substr/2", "substr/3",
		"current_date", "current_time", "current_timestamp", "greatest", "least", "lower", "upper", "ifnull", "nullif", "abs", "replace", "instr", "locate",
	} {
		if fns[name] == "" {
			t.Errorf("no function %s", name)
		}
	}
}

// Names that the server refuses without quotes are in the table, and no others: quoted names lose the folding that CAP's have.
func TestReserved(t *testing.T) {
	p := mustOpen(t)
	have := p.Dialect().Tables().Reserved
	for _, w := range dbtest.Rows(t, p, db.Session{}, "SELECT upper(word) FROM pg_get_keywords() WHERE catcode IN ('R', 'T')") {
		if !have[w] {
			t.Errorf("%s is reserved", w)
		}
	}
	free := dbtest.Rows(t, p, db.Session{}, "SELECT upper(word) FROM pg_get_keywords() WHERE catcode NOT IN ('R', 'T')")
	for _, w := range free {
		if have[w] && w != "SYSTEM_USER" { // reserved from version 16 on
			t.Errorf("%s need not be quoted", w)
		}
	}
}

func TestParam(t *testing.T) {
	d := Dialect()
	for kind, want := range map[csn.Scalar]string{
		csn.Boolean: "$1::boolean", csn.UInt8: "$1::smallint", csn.Int16: "$1::smallint", csn.Integer: "$1::integer", csn.Int64: "$1::bigint", csn.Decimal: "$1::numeric",
		csn.Double: "$1::float8", csn.Date: "$1::date", csn.Time: "$1::time", csn.DateTime: "$1::timestamp", csn.UUID: "$1::text", csn.LargeBinary: "$1::bytea",
		csn.Map: "$1::jsonb", csn.Vector: "$1",
	} {
		if got := string(d.Param(nil, 1, &csn.Builtin{Kind: kind, Length: 3})); got != want {
			t.Errorf("%d: got %s, want %s", kind, got, want)
		}
	}
	if got := string(d.ListRows(nil, 2, nil, "l")); got != "unnest($2::text[]) WITH ORDINALITY AS l(value, key)" {
		t.Error(got)
	}
}

// Every column type exists, but for vectors, which need an extension.
func TestTypes(t *testing.T) {
	p := mustOpen(t)
	for name := range p.Dialect().Tables().Types {
		if name == "cds.Vector" {
			continue
		}
		typ, err := sqlgen.TypeSQL(&csn.Builtin{Name: name, Length: 5, Precision: 5, Scale: 2}, p.Dialect())
		if err != nil {
			t.Fatal(err)
		}
		if got := dbtest.Rows(t, p, db.Session{}, "SELECT CAST(NULL AS "+typ+")"); got[0] != "∅" {
			t.Errorf("%s: %v", name, got)
		}
	}
}
