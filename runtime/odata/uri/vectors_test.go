package uri

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"cds/parser/csn"
	"cds/runtime/odata/internal/testmodel"
)

// A vector is a case of the grammar's test suites: an input that a rule must accept or, if bad, refuse.
type vector struct {
	name, rule, input string
	bad               bool
}

// vectors reads a suite: the cases, and the names by what they stand for. The files are YAML of a simple form.
func vectors(t *testing.T, file string) (list []vector, names map[string][]string) {
	t.Helper()
	data, err := os.ReadFile(testmodel.Shared(t, "vectors", "odata", file))
	if err != nil {
		t.Fatal(err)
	}
	names = map[string][]string{}
	kind := ""
	var last *string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		text := strings.TrimSpace(line)
		key, value, _ := strings.Cut(text, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.HasPrefix(text, "#"), text == "":
		case strings.HasPrefix(text, "- Name:"):
			list = append(list, vector{name: strings.TrimSpace(text[len("- Name:"):])})
			last = nil
		case len(list) == 0 && strings.HasPrefix(text, "- "):
			names[kind] = append(names[kind], strings.Trim(text[2:], `"'`))
		case len(list) == 0:
			kind = key
		case strings.HasPrefix(line, "    Rule:"):
			list[len(list)-1].rule, last = value, nil
		case strings.HasPrefix(line, "    FailAt:"):
			list[len(list)-1].bad, last = true, nil
		case strings.HasPrefix(line, "    Input:"):
			last = &list[len(list)-1].input
			*last = value
			if strings.HasPrefix(value, ">") || value == "|" || value == "|-" {
				*last = ""
			}
		case last != nil && strings.HasPrefix(text, "- "): // what else the grammar could take parts of the input for
			last = nil
		case last != nil && strings.HasPrefix(line, "      "):
			*last = strings.TrimSpace(*last + " " + text)
		}
	}
	for i := range list {
		v := &list[i].input
		if n := len(*v); n > 1 && (*v)[0] == '"' && (*v)[n-1] == '"' {
			*v = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace((*v)[1 : n-1])
		} else if n > 1 && (*v)[0] == '\'' && (*v)[n-1] == '\'' {
			*v = strings.ReplaceAll((*v)[1:n-1], "''", "'")
		}
	}
	return list, names
}

// numbers and moments are properties of the suites that are no texts.
var (
	numbers = []string{"Age", "Amount", "Cost", "Population", "Price", "Quantity", "Rating", "Revenue", "SumAmount", "TaxRate", "X", "Size", "Budget", "Forecast", "SalesNumber"}
	moments = []string{"BirthDate", "LifeTime", "ReleaseDate", "Date"}
)

// suiteModel is a model in which every entity has all properties that a suite names.
func suiteModel(t *testing.T, names map[string][]string) *Index {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"definitions": {"S": {"kind": "service"}`)
	for _, set := range names["entitySetName"] {
		fmt.Fprintf(&b, `, "S.%s": {"kind": "entity", "elements": {"key": {"key": true, "type": "cds.Integer"}`, set)
		used := map[string]bool{"key": true}
		add := func(name, def string) {
			if !used[name] && !strings.Contains(name, "_at_") {
				used[name] = true
				fmt.Fprintf(&b, `, %q: {%s}`, name, def)
			}
		}
		target := func(name string) string {
			if slices.Contains(names["entitySetName"], name) {
				return name
			}
			return names["entitySetName"][0]
		}
		for _, kind := range []string{"primitiveKeyProperty", "primitiveNonKeyProperty"} {
			for _, n := range names[kind] {
				switch {
				case slices.Contains(numbers, n):
					add(n, `"type": "cds.Decimal"`)
				case slices.Contains(moments, n):
					add(n, `"type": "cds.Timestamp"`)
				case n == "Completed":
					add(n, `"type": "cds.Boolean"`)
				default:
					add(n, `"type": "cds.String"`)
				}
			}
		}
		for _, n := range names["primitiveColProperty"] {
			add(n, `"items": {"type": "cds.String"}`)
		}
		for _, n := range names["entityNavigationProperty"] {
			add(n, `"type": "cds.Association", "target": "S.`+target(n)+`", "keys": [{"ref": ["key"]}]`)
		}
		for _, n := range names["entityColNavigationProperty"] {
			add(n, `"type": "cds.Association", "cardinality": {"max": "*"}, "target": "S.`+target(n)+`", "on": [{"ref": ["`+n+`", "key"]}, "=", {"ref": ["key"]}]`)
		}
		for _, n := range names["customAggregate"] {
			add(n, `"type": "cds.Decimal", "@Aggregation.default": {"#": "SUM"}`)
		}
		b.WriteString("}}")
	}
	b.WriteString("}}")
	m, list := csn.Read([]byte(b.String()))
	if list.HasErrors() {
		t.Fatal(list)
	}
	return NewIndex(m.Service("S"))
}

// requests are how the input of a rule becomes a URL; rules that are not listed are about parts that other packages read.
var requests = map[string]string{
	"queryOptions": "%s", "filter": "%s", "expand": "%s", "select": "%s", "orderby": "%s", "orderBy": "%s", "search": "%s", "compute": "%s", "skiptoken": "%s",
	"systemQueryOption": "%s", "searchExpr": "$search=%s", "boolCommonExpr": "$filter=%s", "boolcommonExpr": "$filter=%s", "isofExpr": "$filter=%s",
	"notExpr": "$filter=%s", "commonExpr": "$compute=%s as zz", "binaryLiteral": "$compute=%s as zz", "dateTimeOffsetLiteral": "$compute=%s as zz",
	"decimalLiteral": "$compute=%s as zz", "doubleLiteral": "$compute=%s as zz", "int16Literal": "$compute=%s as zz", "int32Literal": "$compute=%s as zz",
	"int64Literal": "$compute=%s as zz", "stringLiteral": "$compute=%s as zz", "timeOfDayLiteral": "$compute=%s as zz", "durationLiteral": "$filter=%s eq %s",
	"odataRelativeUri": "/%s",
}

// TestVectors runs the grammar's own suites. What is well formed must be read, or be refused as unsupported or for a name that the model lacks; what is not
// must be refused. The score must not fall.
func TestVectors(t *testing.T) {
	for _, tc := range []struct {
		file, base string
		good, bad  int // least number that must be right
	}{
		{"odata-abnf-testcases.yaml", "Products", 458, 35},
		{"odata-aggregation-testcases.yaml", "Sales", 172, 9},
	} {
		list, names := vectors(t, tc.file)
		if len(names["entitySetName"]) == 0 {
			t.Fatal(tc.file, "no names")
		}
		x := suiteModel(t, names)
		good, bad, goodAll, badAll, other := 0, 0, 0, 0, 0
		for _, v := range list {
			form, ok := requests[v.rule]
			if !ok || v.input == "" {
				continue
			}
			got := readVector(x, tc.base, form, v.input)
			switch {
			case v.bad:
				badAll++
				switch got {
				case 400, 404:
					bad++
				case 501:
					other++
				default:
					t.Logf("%s: accepted: %s", v.rule, v.input)
				}
			default:
				goodAll++
				if got == 200 || got == 501 || got == 404 {
					good++
				} else {
					t.Logf("%s: refused: %s: %v", v.rule, v.input, lastError)
				}
			}
		}
		t.Logf("%s: %d of %d well-formed; of %d ill-formed %d refused as such, %d as unsupported", tc.file, good, goodAll, badAll, bad, other)
		if good < tc.good || bad < tc.bad {
			t.Errorf("%s: %d and %d right, want %d and %d", tc.file, good, bad, tc.good, tc.bad)
		}
	}
}

var lastError error

// readVector returns 200, or the status of the refusal; 404 stands for unknown names too.
func readVector(x *Index, base, form, input string) int {
	path, query := base, strings.ReplaceAll(form, "%s", input)
	if rest, ok := strings.CutPrefix(query, "/"); ok {
		if u, err := url.Parse(rest); err == nil {
			path, query = u.EscapedPath(), u.RawQuery
		} else {
			path, query, _ = strings.Cut(rest, "?")
		}
	}
	r, err := x.Parse(strings.ReplaceAll(path, " ", "%20"), query)
	if err == nil && r.Entity() != nil && r.Kind != Operation {
		_, err = r.Query(nil)
	}
	lastError = err
	if err == nil {
		return 200
	}
	var e *Error
	if !errors.As(err, &e) {
		return 500
	}
	if e.Unknown {
		return 404
	}
	return e.Status
}
