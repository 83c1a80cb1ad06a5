package cds_test

import (
	"encoding/json"
	"math"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
)

const typesModel = `
service S {
  entity Every { key id : UUID; b : Boolean; i16 : Int16; i32 : Integer; i64 : Int64; u8 : UInt8; dec : Decimal(12, 3); dbl : Double;
    d : Date; t : Time; dt : DateTime; ts : Timestamp; s : String; l : LargeString; bin : Binary(20); colour : Colour; tags : array of String;
    parts : Composition of many Parts on parts.whole = $self; }
  entity Parts { key id : UUID; whole : Association to Every; n : Integer; }
  type Colour : String enum { red; blue; };
}`

type colour string

func (c colour) CDSValue() cds.Value        { return cds.TextValue(string(c)) }
func (c *colour) CDSScan(v cds.Value) error { return cds.Scan((*string)(c), v) }
func (x *part) CDSFields(f *cds.Fields) {
	cds.Field(f, "id", &x.ID)
	cds.Field(f, "n", &x.N)
}
func opt[T any](v T) cds.Opt[T]                { return cds.Some(v) }
func col[V any](name string) cds.Col[every, V] { return cds.Col[every, V](name) }

type part struct {
	ID cds.Opt[cds.UUID]
	N  cds.Opt[int32]
	cds.Ext
}

type every struct {
	ID     cds.Opt[cds.UUID]
	B      cds.Opt[bool]
	I16    cds.Opt[int16]
	I32    cds.Opt[int32]
	I64    cds.Opt[int64]
	U8     cds.Opt[uint8]
	Dec    cds.Opt[cds.Decimal]
	Dbl    cds.Opt[float64]
	D      cds.Opt[cds.Date]
	T      cds.Opt[cds.TimeOfDay]
	Dt, Ts cds.Opt[time.Time]
	S, L   cds.Opt[string]
	Bin    cds.Opt[[]byte]
	Colour cds.Opt[colour]
	Tags   cds.Opt[[]string]
	Parts  cds.Many[part]
	cds.Ext
}

func (x *every) CDSFields(f *cds.Fields) {
	cds.Field(f, "id", &x.ID)
	cds.Field(f, "b", &x.B)
	cds.Field(f, "i16", &x.I16)
	cds.Field(f, "i32", &x.I32)
	cds.Field(f, "i64", &x.I64)
	cds.Field(f, "u8", &x.U8)
	cds.Field(f, "dec", &x.Dec)
	cds.Field(f, "dbl", &x.Dbl)
	cds.Field(f, "d", &x.D)
	cds.Field(f, "t", &x.T)
	cds.DateTime(f, "dt", &x.Dt)
	cds.Field(f, "ts", &x.Ts)
	cds.Field(f, "s", &x.S)
	cds.Field(f, "l", &x.L)
	cds.Field(f, "bin", &x.Bin)
	cds.Field(f, "colour", &x.Colour)
	cds.Items(f, "tags", &x.Tags)
	cds.Rows(f, "parts", &x.Parts)
}

func typesApp(t *testing.T) *cdstest.App {
	t.Helper()
	return cdstest.New(t, cdstest.Config{FS: fstest.MapFS{}, Model: func() (*csn.Model, error) {
		res := parser.CompileString("s.cds", typesModel)
		return res.Model, res.Diags.Err()
	}})
}

// TestEveryTypeSurvivesTheDatabase writes the extremes of every type through the service and reads them back.
func TestEveryTypeSurvivesTheDatabase(t *testing.T) {
	app := typesApp(t)
	ctx := app.As("")
	ref := cds.EntityRef[every](cds.NewEntity[every]("S.Every"))
	at := time.Date(2026, 2, 28, 23, 59, 58, 123_000_000, time.FixedZone("x", 3600))
	in := &every{
		ID: opt(cds.UUID("7e2f2640-6866-4dcf-8f4d-3027aa831cad")), B: opt(true), I16: opt(int16(math.MinInt16)), I32: opt(int32(math.MaxInt32)),
		I64: opt(int64(math.MinInt64)), U8: opt(uint8(255)), Dec: opt(cds.MustDecimal("-123456789.125")), Dbl: opt(1e-7),
		D: opt(cds.DateOf(at)), T: opt(cds.TimeOf(at)), Dt: opt(at), Ts: opt(at), S: opt("a'b\"c\\ ü\u2028"), L: opt(""), Bin: opt([]byte{0, 255, 1}),
		Colour: opt(colour("blue")), Tags: opt([]string{"x", "y\"z"}), Parts: cds.ManyOf(&part{ID: opt(cds.UUID("p1")), N: opt(int32(1))}),
	}
	in.Parts.All()[0].ID = opt(cds.UUID("58040e66-1dcd-4ffb-ab10-fdce32028b79"))
	if _, err := cds.InsertInto(cds.InService("S"), ref, in).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	out, err := cds.From(cds.InService("S"), ref).Expand(cds.ToMany[every, part]("parts")).One(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Parts.All()) != 1 || out.Parts.All()[0].N.Or(0) != 1 {
		t.Errorf("parts are %+v", out.Parts.All())
	}
	in.Dt.Set(at.UTC().Truncate(time.Second))
	in.Ts.Set(at.UTC())
	in.Parts.Clear()
	out.Parts.Clear()
	if diff := cmp.Diff(text(t, in), text(t, out)); diff != "" {
		t.Errorf("values changed (-in +out):\n%s", diff)
	}

	// Every type can be compared in a condition.
	for name, p := range map[string]cds.Pred[every]{
		"uuid": col[cds.UUID]("id").Eq(in.ID.Or("")), "bool": col[bool]("b").Eq(true), "int16": col[int16]("i16").Le(math.MinInt16),
		"int64": col[int64]("i64").Eq(math.MinInt64), "uint8": col[uint8]("u8").Ge(255), "decimal": col[cds.Decimal]("dec").Eq(cds.MustDecimal("-123456789.125")),
		"double": col[float64]("dbl").Lt(1), "date": col[cds.Date]("d").Eq("2026-02-28"), "time": col[cds.TimeOfDay]("t").Gt("23:00:00"),
		"datetime": col[time.Time]("dt").Eq(in.Dt.Or(at)), "timestamp": col[time.Time]("ts").Eq(at), "string": col[string]("s").Eq(in.S.Or("")),
		"enum": col[colour]("colour").In("blue", "red"), "starts": cds.StartsWith(col[string]("s"), "a'"), "ends": cds.EndsWith(col[string]("s"), "\u2028"),
		"not null": col[string]("l").NotNull(), "columns": col[string]("s").EqCol("s"), "exists": cds.ToMany[every, part]("parts").Exists(),
	} {
		if n, err := cds.From(cds.InService("S"), ref).Where(p).Count(ctx); err != nil || n != 1 {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
	}
}

func TestUpdateWithDataAndNulls(t *testing.T) {
	app := typesApp(t)
	ctx := app.As("")
	ref := cds.EntityRef[every](cds.NewEntity[every]("S.Every"))
	id := cds.UUID("7e2f2640-6866-4dcf-8f4d-3027aa831cad")
	if _, err := cds.InsertInto(cds.InService("S"), ref, &every{ID: opt(id), S: opt("x"), I32: opt(int32(3))}).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	n, err := cds.Modify(cds.InService("S"), ref).Where(col[cds.UUID]("id").Eq(id)).Data(&every{S: cds.Null[string](), L: opt("new")}).Exec(ctx)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	n, err = cds.Modify(cds.InService("S"), ref).Where(col[cds.UUID]("id").Eq(id)).Set(col[int32]("i32").ToNull()).Exec(ctx)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	out, err := cds.From(cds.InService("S"), ref).One(ctx)
	if err != nil || !out.S.IsNull() || out.L.Or("") != "new" || !out.I32.IsNull() {
		t.Errorf("row is %+v, %v", out, err)
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1)} {
		if col[float64]("dbl").Eq(f).Expr() != nil {
			if _, err := cds.From(cds.InService("S"), cds.EntityRef[every](cds.NewEntity[every]("S.Every"))).Where(col[float64]("dbl").Eq(f)).All(t.Context()); err == nil {
				t.Errorf("%v was compared", f)
			}
		}
		if _, err := cds.ToRow(&every{Dbl: opt(f)}); err == nil {
			t.Errorf("%v was written", f)
		}
	}
}

func TestDates(t *testing.T) {
	if d, err := cds.ParseDate("2024-02-29"); err != nil || d.Time().Day() != 29 {
		t.Error(d, err)
	}
	for _, bad := range []string{"2023-02-29", "2023-2-1", "", "29.02.2024"} {
		if _, err := cds.ParseDate(bad); err == nil {
			t.Errorf("%q is a date", bad)
		}
	}
	if _, err := cds.ParseTimeOfDay("23:59:59"); err != nil {
		t.Error(err)
	}
	if _, err := cds.ParseTimeOfDay("24:00:00"); err == nil {
		t.Error("24:00:00 is a time")
	}
	var d struct{ A, B cds.Decimal }
	if err := json.Unmarshal([]byte(`{"A":1.50,"B":"2.25"}`), &d); err != nil || d.A.String() != "1.50" || d.B.Float() != 2.25 {
		t.Error(d, err)
	}
	if out, _ := json.Marshal(d); string(out) != `{"A":"1.50","B":"2.25"}` {
		t.Errorf("JSON is %s", out)
	}
	if json.Unmarshal([]byte(`{"A":"x"}`), &d) == nil {
		t.Error("x is a decimal")
	}
}

func text(t *testing.T, x *every) string {
	t.Helper()
	out, err := json.MarshalIndent(x, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
