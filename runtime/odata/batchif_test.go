package odata

import (
	"strings"
	"testing"
)

func TestBatchConditions(t *testing.T) {
	body := []byte(`{"n":5,"s":"it's","d":"11.10","day":"2024-02-29","t":true,"f":false,"nil":null,"o":{"x":{"y":-1.5}},"id":"1d6f1a4e-1111-4222-8333-944455566677","big":9007199254740993}`)
	b := &batch{results: map[string]batchResult{"1": {body: body}, "2": {failed: true}, "g": {}}}
	for text, want := range map[string]string{
		"$1/$succeeded": "true", "$2/$succeeded": "false", "not $2/$succeeded": "true", "$g/$succeeded and not ($2/$succeeded)": "true",
		"$1/n eq 5": "true", "$1/n eq 5.0": "true", "$1/n lt 5": "false", "5 ge $1/n": "true", "$1/d eq 11.1": "true", "$1/d gt 9": "true", "$1/o/x/y eq -1.5": "true", "$1/n eq 5e0": "true",
		"$1/big eq 9007199254740993": "true", "$1/big eq 9007199254740992": "false",
		"$1/s eq 'it''s'": "true", "$1/day gt 2024-02-28": "true", "$1/id eq 1d6f1a4e-1111-4222-8333-944455566677": "true", "$1/t": "true", "$1/t eq true": "true", "$1/f": "false", "$1/n": "false", "$1/t gt $1/f": "true",
		"$1/nil eq null": "true", "$1/none eq null": "true", "$1/none/deep eq null": "true", "$1/nil gt 1": "false", "$1/nil ne 1": "true", "not $1/nil": "false", "$1/nil or true": "true", "$1/nil and true": "false",
		"not ($1/nil and false)": "true", "not ($1/nil or false)": "false", "false or true and false": "false", "(true or true) and false": "false", "$1 ne null": "true", "$2 eq null": "true", "$1 eq 1": "false", "$1/n eq 'x'": "false",
		"contains($1/s,'t''s') and startswith($1/s,'it') and endswith(toupper($1/s),'S')": "true", "length($1/s) eq 4": "true", "contains($1/n,'5')": "false", "tolower('AB') eq 'ab'": "true",
		"": "400", "x": "400", "$3/$succeeded": "400", "$1/n eq": "400", "($1/n eq 5": "400", "$1/n eq 5)": "400", "'x": "400", "$1/n eq 5 $1/n": "400", "contains('a')": "400", "eq 5": "400", "not": "400",
		"$1/n add 1 eq 6": "501", "$1/n in (5)": "501", "year($1/day) eq 2024": "501", strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100): "400", strings.Repeat("not ", 100) + "true": "400",
		"1e999999999 gt 5": "false", "$1/n eq " + strings.Repeat("5", 5000): "400",
	} {
		got := ""
		x, err := readIf(text, []string{"1", "2", "g"})
		if err == nil {
			var ok bool
			if ok, err = b.holds(x); ok {
				got = "true"
			} else {
				got = "false"
			}
		}
		if err != nil {
			got = map[int]string{400: "400", 501: "501"}[asError(err).Status]
		}
		if got != want {
			t.Errorf("%.80s: %s (%v), want %s", text, got, err, want)
		}
	}
}

func FuzzBatchCondition(f *testing.F) {
	for _, s := range []string{"$1/$succeeded and not ($1/a eq 'x''y')", "contains($1/s,'t') or 5 le -1.5e3", "((((", "$", "$1/", "not not"} {
		f.Add(s)
	}
	b := &batch{results: map[string]batchResult{"1": {body: []byte(`{"a":"x","n":1}`)}}}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := readIf(text, []string{"1"})
		if err != nil {
			return
		}
		if _, err := b.holds(x); err != nil {
			t.Errorf("%q was read, and fails afterwards: %v", text, err)
		}
	})
}
