package jsonw

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestStringAgreesWithEncodingJSON(t *testing.T) {
	for _, s := range []string{"", "plain", `q"b\`, "a\x00b\x1f\n\r\t\x7f", "ü😀", "\u2028\u2029", "bad\xffutf\xc3", "tail\xe2\x82"} {
		got := String(nil, s)
		if string(got) != string(String(nil, []byte(s))) {
			t.Errorf("%q: bytes and string differ", s)
		}
		var back, want string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q: %s: %v", s, got, err)
		}
		j, _ := json.Marshal(s)
		_ = json.Unmarshal(j, &want)
		if back != want {
			t.Errorf("%q: got %q, want %q", s, back, want)
		}
	}
}

func TestForms(t *testing.T) {
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"int", Int(nil, -5, false), `-5`},
		{"int64 quoted", Int(nil, math.MaxInt64, true), `"9223372036854775807"`},
		{"float", Float(nil, 1.5), `1.5`},
		{"float big", Float(nil, 1e300), `1e+300`},
		{"float whole", Float(nil, 50), `50`},
		{"nan", Float(nil, math.NaN()), `"NaN"`},
		{"inf", Float(nil, math.Inf(-1)), `"-INF"`},
		{"decimal padded", Decimal(nil, "11", 2, true), `"11.00"`},
		{"decimal half padded", Decimal(nil, "12.5", 2, true), `"12.50"`},
		{"decimal number", Decimal(nil, "12.5", 2, false), `12.50`},
		{"decimal too fine", Decimal(nil, "1.234", 2, true), `"1.234"`},
		{"decimal free", Decimal(nil, "1", -1, true), `"1"`},
		{"decimal no number", Decimal(nil, `x"`, 2, false), `"x\""`},
		{"decimal float", DecimalFloat(nil, 11.11, 2, true), `"11.11"`},
		{"decimal float sum", DecimalFloat(nil, 0.1+0.2, 2, true), `"0.30"`},
		{"decimal float free", DecimalFloat(nil, 0.5, -1, false), `0.5`},
		{"binary", Binary(nil, []byte{0xfb, 0xff, 0xbf, 1}), `"-_-_AQ=="`},
		{"ts", Timestamp(nil, "2024-01-01T00:00:00.123Z"), `"2024-01-01T00:00:00.123Z"`},
		{"ts seconds", Timestamp(nil, "2024-01-01T00:00:00Z"), `"2024-01-01T00:00:00.000Z"`},
		{"ts tenths", Timestamp(nil, "2024-01-01T00:00:00.5Z"), `"2024-01-01T00:00:00.500Z"`},
		{"ts micro", Timestamp(nil, "2024-01-01T00:00:00.123456Z"), `"2024-01-01T00:00:00.123Z"`},
		{"ts odd", Timestamp(nil, "now"), `"now"`},
		{"dt", DateTime(nil, "2024-01-01T00:00:00.123Z"), `"2024-01-01T00:00:00Z"`},
		{"date", Date(nil, "2024-01-01T00:00:00Z"), `"2024-01-01"`},
		{"time", Time(nil, "12:00:00"), `"12:00:00"`},
		{"names", Name(append(Name([]byte("{"), "a"), '1'), "b"), `{"a":1,"b":`},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	buf := make([]byte, 0, 1024)
	text := []byte("some ü text \n")
	n := testing.AllocsPerRun(100, func() {
		b := String(buf, text)
		b = DecimalFloat(b, 11.11, 2, true)
		b = Timestamp(b, text)
		b = Binary(b, text)
		_ = Int(b, 17, true)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzString(f *testing.F) {
	f.Add("a\"\\\x00\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid(String(nil, s)) {
			t.Errorf("%q", s)
		}
	})
}

// The short way for decimals writes what strconv does.
func TestDecimalFloat_AgreesWithStrconv(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(f float64, scale int) {
		t.Helper()
		if got, want := string(DecimalFloat(nil, f, scale, false)), strconv.FormatFloat(f, 'f', scale, 64); got != want {
			t.Errorf("%v with %d digits: %s, want %s", f, scale, got, want)
		}
	}
	for _, f := range []float64{0, math.Copysign(0, -1), -0.001, 0.005, 1.005, 2.5, 0.125, 999999999.995, 1e9, 1e15, -1234.5, 123456.7890625, 0.1 + 0.2, 5e-324} {
		for scale := range 9 {
			check(f, scale)
			check(-f, scale)
		}
	}
	for range 200_000 {
		scale := r.IntN(8)
		check(float64(r.Int64N(1e13)-5e12)/math.Pow10(r.IntN(9)), scale)
		check(r.NormFloat64()*math.Pow10(r.IntN(12)-3), scale)
	}
}

func BenchmarkDecimalFloat(b *testing.B) {
	dst := make([]byte, 0, 32)
	for b.Loop() {
		dst = DecimalFloat(dst[:0], 1234.56, 2, true)
	}
}

func BenchmarkString(b *testing.B) {
	dst := make([]byte, 0, 256)
	text := []byte("00000000-0000-4000-8000-000000000001 and some words more")
	for b.Loop() {
		dst = String(dst[:0], text)
	}
}
