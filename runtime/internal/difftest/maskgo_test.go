package difftest

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// goMasks are functions that make the same as the masks of computedModel, which the database computes.
func goMasks(app *cds.App) error {
	cds.Mask(app, "iban", func(_ context.Context, s string) (string, error) { return "XX" + s[max(0, len(s)-2):], nil })
	cds.Mask(app, "thousands", func(_ context.Context, n int64) (int64, error) { return n - n%1000, nil })
	cds.Mask(app, "hundreds", func(_ context.Context, d cds.Decimal) (cds.Decimal, error) {
		return cds.DecimalOf(int64(math.Trunc(d.Float()/100)) * 100), nil
	})
	cds.Mask(app, "mail", func(_ context.Context, s string) (string, error) {
		if name, at, ok := strings.Cut(s, "@"); ok && utf8.RuneCountInString(name) > 1 && !strings.Contains(at, "@") {
			return string([]rune(name)[:1]) + "***@" + at, nil
		}
		return "***", nil
	})
	cds.Mask(app, "year", func(_ context.Context, d cds.Date) (cds.Date, error) { return d[:4] + "-01-01", nil })
	cds.Mask(app, "month", func(_ context.Context, t time.Time) (time.Time, error) {
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC), nil
	})
	cds.Mask(app, "last4", func(_ context.Context, s string) (string, error) {
		if len(s) < 8 {
			return "***", nil
		}
		return "***" + s[len(s)-4:], nil
	})
	cds.Mask(app, "rate", func(_ context.Context, f float64) (float64, error) { return math.Floor(f/2) * 1.5, nil })
	cds.MaskOpt(app, "initial", func(_ context.Context, s cds.Opt[string]) (cds.Opt[string], error) {
		v, ok := s.Get()
		if !ok {
			return cds.Null[string](), nil
		}
		return cds.Some(v[:1] + "***"), nil
	})
	return nil
}

// viewedModel is computedModel with views of what is masked: with casts, unions, joins, nested columns, groups.
var viewedModel = strings.TrimSuffix(computedModel, "}") + `
  @cds.redirection.target: false @requires: 'any' entity Recast as select from d.Staff { key ID, iban as iban : String(50), pay as money : Integer, cast(mail as String) as mail, phone || '' as phone : String };
  @cds.redirection.target: false @requires: 'any' entity Both as select from d.Staff { key ID, phone, iban } where ID < 2 union all select from d.Staff { key ID, phone, name as iban } where ID > 1;
  @cds.redirection.target: false @requires: 'any' entity Joined as select from d.Members as m inner join d.Staff as s on s.ID = m.ID { key m.ID, s.iban as iban, s.phone, m.note };
  @cds.redirection.target: false @requires: 'any' entity Max as select from d.Staff { key name, max(phone) as phone : String, count(*) as n : Integer } group by name;
  @cds.redirection.target: false @requires: 'any' entity Again as projection on Renamed { ID, account as iban, money as phone, holder };
}`

// inGo is computedModel with masks by functions of the application.
var inGo = strings.NewReplacer("expr: (concat('XX', substring(iban, -2)))", "go: 'iban'", "fn: 'round(1000)'", "go: 'thousands'", "fn: 'round(100)'", "go: 'hundreds'", "fn: 'email'", "go: 'mail'",
	"fn: 'year'", "go: 'year'", "fn: 'month'", "go: 'month'", "fn: 'last(4)'", "go: 'last4'", "expr: (floor(rate / 2) * -1.5 * -1)", "go: 'rate'", "fn: 'first(1)'", "go: 'initial'")

func goMaskedApp(t *testing.T, database func(testing.TB) db.Pool, model string) *cdstest.App {
	return cdstest.New(t, cdstest.Config{FS: computedData, Database: database, Register: goMasks, Model: compiled(model), Users: []cdstest.TestUser{cdstest.User("u1"),
		cdstest.User("u2", cdstest.Roles("friend")), cdstest.User("c", cdstest.Roles("clerk")), cdstest.User("hr", cdstest.Roles("hr"))}})
}

func compiled(text string) func() (*csn.Model, error) {
	return func() (*csn.Model, error) {
		res := parser.CompileString("masked.cds", text)
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	}
}

// TestGoMask: masks by functions of the application answer as those that the database computes, in whatever is asked.
func TestGoMask(t *testing.T) { both(t, goMaskHolds) }

func goMaskHolds(t *testing.T, database func(testing.TB) db.Pool) {
	sql, code := goMaskedApp(t, database, viewedModel).Server.Handler(), goMaskedApp(t, database, inGo.Replace(viewedModel)).Server.Handler()
	shown := 0
	for _, url := range maskBattery() {
		for _, user := range []string{"u1", "u2", "hr"} {
			url := strings.ReplaceAll(escape(url), "%26", "&")
			want, got := send(sql, &person{name: user}, "GET", url, ""), send(code, &person{name: user}, "GET", url, "")
			if strings.Contains(url, "concat(") && got.Code == 403 { // several queries make one column, of which it cannot be told whose value is masked
				continue
			}
			if want.Code != got.Code || want.Body.String() != got.Body.String() {
				t.Errorf("%s: GET %s:\n    %d %s, and by the database\n    %d %s", user, url, got.Code, got.Body, want.Code, want.Body)
			}
			if user == "u1" && (strings.Contains(got.Body.String(), "SECRET") || strings.Contains(got.Body.String(), "8888") || strings.Contains(got.Body.String(), "ann.")) {
				t.Errorf("GET %s shows a value: %s", url, got.Body)
			}
			if user == "u1" && got.Code == 200 {
				shown++
			}
		}
	}
	if shown < 60 {
		t.Errorf("only %d requests show something", shown)
	}
}

// maskBattery are requests that select elements of computedModel in all ways, and such that use them for more than that.
func maskBattery() []string {
	elements := []string{"iban", "pay", "bonus", "mail", "born", "seen", "phone", "rate", "band", "name"}
	out := []string{"/s/Staff", "/s/Staff(1)", "/s/Staff(3)", "/s/Staff?$expand=boss,team", "/s/Staff?$expand=*", "/s/Staff(2)/boss", "/s/Staff?$expand=boss($expand=boss($select=pay),team)",
		"/s/Members", "/s/Members?$expand=chief", "/s/Members(1)/texts", "/s/Members?sap-locale=de", "/s/Members?$select=note&sap-locale=de", "/s/Renamed", "/s/Renamed?$select=money", "/rest/s/Staff", "/rest/s/Staff/1", "/s/Recast", "/s/Both", "/s/Joined", "/s/Max", "/s/Again", "/s/Again?$select=iban", "/s/Joined?$select=iban,note",
		"/s/Staff?$expand=team($top=1;$count=true)", "/s/Staff?$expand=team($orderby=ID desc;$skip=0;$top=5;$select=note)", "/s/Staff?$top=1&$skip=1&$count=true&$orderby=name desc",
		"/s/Staff?$apply=identity", "/s/Staff?$search=SECRET", "/s/Staff?$search=XX", "/s/Staff?$apply=filter(name eq 'bob')", "/s/Staff?$apply=filter(name eq 'bob')/identity",
		"/s/Staff?$apply=concat(identity,identity)", "/s/Staff?$apply=concat(filter(ID eq 1),aggregate($count as n))", "/s/Staff?$apply=compute(ID mul 2 as two)", "/s/Staff?$apply=compute(ID mul 2 as two)/filter(two gt 2)",
		"/s/Staff?$apply=orderby(name)/top(2)", "/s/Staff?$apply=top(2)/filter(ID gt 0)", "/s/Staff?$apply=skip(1)/identity", "/s/Staff?$apply=search(bob)", "/s/Staff?$apply=topcount(2,ID)", "/s/Staff?$apply=concat(topcount(1,ID),filter(ID eq 1))",
		"/s/Staff?$apply=groupby((boss/name))", "/s/Staff?$apply=groupby((boss/iban))", "/s/Staff?$apply=groupby((name,boss/pay))", "/s/Staff?$apply=filter(team/any(m:m/note eq 'x'))", "/s/Staff?$filter=team/any()",
		"/s/Staff/$count", "/s/Staff?$apply=aggregate($count as n)", "/s/Members?$apply=groupby((chief/name),aggregate(chief/pay with sum as s))", "/s/Staff?$apply=ancestors($root/Staff,h,ID,filter(ID eq 1))",
		"/s/Renamed?$filter=money gt 1", "/s/Renamed?$orderby=account", "/s/Renamed(1)/account", "/s/Staff?$select=last", "/s/Staff?$select=*,last", "/s/Staff(1)/last", "/s/Staff?$expand=team($filter=note eq 'S')",
		"/s/Staff?$expand=team($orderby=note)", "/s/Staff?$expand=team($search=SECRET)", "/s/Staff?$expand=team($compute=note as x;$select=x)", "/s/Staff?$expand=team/$count", "/s/Staff?$expand=boss($compute=pay add 1 as p;$select=p)",
		"/s/Staff?$expand=team($apply=groupby((note)))", "/s/Staff?$apply=expand(team,filter(ID gt 0))", "/rest/s/Staff?$filter=pay gt 1", "/rest/s/Staff?$select=pay,mail", "/rest/s/Staff?$orderby=mail"}
	for _, e := range elements {
		for _, form := range []string{"?$select=%", "(1)/%", "(2)/%/$value", "(3)/%/$value", "?$select=ID,%&$top=2", "?$select=name&$expand=boss($select=%)", "?$filter=% eq null", "?$filter=% ne null", "?$filter=boss/% eq null", "?$filter=not (% in (null))",
			"?$orderby=%", "?$orderby=boss/% desc", "/$count?$filter=% eq null", "?$filter=$it/% eq null", "?$filter=contains(%,'SECRET')", "?$filter=year(%) eq 1987", "?$filter=% gt 5", "?$filter=length(%) eq 10", "?$apply=groupby((%))", "?$apply=groupby((%),aggregate($count as n))",
			"?$apply=groupby((ID,%))", "?$apply=groupby((boss_ID),aggregate(% with max as m))", "?$apply=aggregate(% with min as m)", "?$apply=aggregate(% with sum as m)", "?$apply=aggregate(% with average as m)", "?$apply=aggregate(% with countdistinct as m)",
			"?$apply=filter(% ne null)", "?$apply=compute(% as x)", "?$apply=compute(% as x)/groupby((x))", "?$apply=orderby(%)/top(1)", "?$apply=topcount(1,%)", "?$apply=concat(groupby((%)),identity)", "?$apply=filter(ID eq 1)/groupby((%))", "?$apply=identity&$select=%",
			"?$apply=top(1)&$select=%", "?$apply=skip(1)/filter(% ne null)", "?$apply=groupby((name))&$filter=% eq null", "?$compute=% as x&$select=x", "?$compute=% as x&$filter=x ne null", "?$compute=% as x&$orderby=x", "?$compute=case(% ne null:1,true:0) as x&$select=x",
			"?$filter=$root/Staff(2)/% ne null", "?$compute=$root/Staff(2)/% as x&$select=x", "?$filter=team/any(m:m/chief/% ne null)", "?$filter=ID eq 1 or % eq null", "?$search=7777&$select=%", "?$filter=% eq boss/%", "?$select=boss/%", "/boss/%"} {
			out = append(out, "/s/Staff"+strings.ReplaceAll(form, "%", e))
		}
		out = append(out, "/s/Recast(1)/"+e, "/s/Both(1)/"+e, "/s/Joined(1)/"+e, "/s/Again(2)/"+e, "/s/Max('bob')/"+e, "/s/Joined?$filter="+e+" ne null", "/s/Again?$filter="+e+" ne null", "/s/Both?$orderby="+e)
		out = append(out, "/s/Members?$filter=chief/"+e+" ne null", "/s/Members?$expand=chief($select="+e+")", "/s/Members?$orderby=chief/"+e, "/s/Members(1)/chief/"+e, "/s/Members(1)/chief/"+e+"/$value")
	}
	return out
}
