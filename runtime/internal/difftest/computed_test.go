package difftest

import (
	"strings"
	"testing"

	"cds/parser"
	"cds/runtime/authz"
)

// TestConditionsOfElements: conditions on elements that look at the user only are judged.
func TestConditionsOfElements(t *testing.T) {
	for where, shown := range map[string]bool{"$user = ''u1''": true, "$user = ''u2''": false, "$user.country = ''DE''": false, "1 = 1": true, "1 = 2": false, "$user.country is null": true} {
		do := start(t, `entity d.Books { key ID : Integer; title : String; cost : Integer; }
@path: '/s' @requires: 'any' service S { entity Books as projection on d.Books; }
annotate S.Books with { cost @restrict: [{ grant: '*', where: '`+where+`' }]; };`, map[string]string{"Books": "ID,title,cost\n1,a,7777\n"})
		code, body := do("GET", "/s/Books", "")
		if code != 200 || strings.Contains(body, "7777") != shown {
			t.Errorf("%s: %d %s", where, code, body)
		}
		if code, body := do("GET", "/s/Books?$select=cost", ""); (code == 200) != shown {
			t.Errorf("%s: named: %d %s", where, code, body)
		}
		if code, body := do("PATCH", "/s/Books(1)", `{"cost":1}`); (code < 300) != shown {
			t.Errorf("%s: written: %d %s", where, code, body)
		}
	}
}

// TestComputedFromForbidden: what is computed from an element is as restricted as that element, unless the model says who may read it.
func TestComputedFromForbidden(t *testing.T) {
	do := start(t, `
entity d.Books { key ID : Integer; title : String; @requires: 'boss' base : Integer; cost : Integer; total : Integer = cost + 1; twice : Integer = total * 2; kept : Integer = (cost + 3) stored;
  @requires: 'any' open : Integer = cost * 0 + 5; plain : Integer = ID + 40; frombase : Integer = base + 1; both : Integer = base + cost; author : Association to d.Authors; age : Integer = author.born + 1; }
entity d.Authors { key ID : Integer; @requires: 'boss' born : Integer; }
@path: '/s' @requires: 'any' service S {
  entity Books as projection on d.Books { *, cost * 3 as triple : Integer, case when cost > 5 then 'SECRET' else 'SECRET' end as level : String, author.born as born, author.born + 2 as born2 : Integer };
  @cds.redirection.target: false entity More as projection on Books { ID, total as sum, triple as renamed, plain };
  entity Authors as projection on d.Authors;
}
annotate S.Books with { cost @requires: 'boss'; };`, map[string]string{"Books": "ID,title,cost,base,author_ID\n1,a,7777,8888,1\n", "Authors": "ID,born\n1,1234\n"})
	code, body := do("GET", "/s/Books", "")
	for _, name := range []string{"total", "twice", "kept", "frombase", "both", "age", "triple", "level", "born", "born2", "cost", "base"} {
		if strings.Contains(body, `"`+name+`"`) {
			t.Errorf("%s shows: %s", name, body)
		}
		for _, q := range []string{"$select=" + name, "$filter=" + name + " eq null", "$orderby=" + name, "$apply=groupby((" + name + "))", "$compute=" + name + " as c1"} {
			if code, body := do("GET", "/s/Books?"+q, ""); code != 403 && code != 401 {
				t.Errorf("%s: %d %s", q, code, body)
			}
		}
	}
	if code != 200 || !strings.Contains(body, `"open":5`) || !strings.Contains(body, `"plain":41`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body := do("GET", "/s/More", ""); code != 200 || strings.Contains(body, "sum") || strings.Contains(body, "renamed") || !strings.Contains(body, `"plain":41`) {
		t.Errorf("a projection on it: %d %s", code, body)
	}
}

// TestTextsOfForbidden: the translations of an element are as restricted as the element.
func TestTextsOfForbidden(t *testing.T) {
	for _, at := range []string{"d", "S"} {
		do := start(t, `
entity d.Books { key ID : Integer; title : localized String; code : localized String; }
@path: '/s' @requires: 'any' service S { entity Books as projection on d.Books; }
annotate `+at+`.Books with { code @requires: 'boss'; };`, map[string]string{"Books": "ID,title,code\n1,a,SECRET\n", "Books.texts": "ID,locale,title,code\n1,de,b,SECRET\n"})
		for _, url := range []string{"Books", "Books(1)/texts", "Books?$expand=texts", "Books?$expand=localized", "Books?$expand=*", "Books?sap-locale=de", "Books(1)/texts(ID=1,locale='de')"} {
			if code, body := do("GET", "/s/"+url, ""); code != 200 || strings.Contains(body, "code") {
				t.Errorf("%s: GET %s: %d %s", at, url, code, body)
			}
		}
		for _, url := range []string{"Books(1)/texts?$select=code", "Books?$expand=texts($select=code)", "Books?$filter=texts/any(t:t/code eq 'x')", "Books?$filter=localized/code eq 'x'", "Books?$orderby=localized/code",
			"Books(1)/texts(ID=1,locale='de')/code", "Books?$apply=aggregate(texts/code with max as m)"} {
			if code, body := do("GET", "/s/"+url, ""); code != 403 && code != 401 {
				t.Errorf("%s: GET %s: %d %s", at, url, code, body)
			}
		}
		if code, body := do("PATCH", "/s/Books(1)", `{"texts":[{"locale":"de","code":"x"}]}`); code != 403 {
			t.Errorf("%s: %d %s", at, code, body)
		}
	}
}

// TestElementsOfSiblings: another entity of the service that shows a restricted element must say what holds for it (decision 7).
func TestElementsOfSiblings(t *testing.T) {
	for entity, refused := range map[string]bool{
		"entity Sib as projection on d.Books;":                                                      true,
		"entity Sib as projection on d.Books { ID, title };":                                        false,
		"entity Sib as projection on d.Books { ID, cost as price };":                                true,
		"entity Sib as projection on d.Books { ID, cost + 1 as price : Integer };":                  true,
		"entity Sib as projection on d.Books { ID, @requires: 'any' cost as price };":               false,
		"entity Sib as projection on Books { ID, cost as price };":                                  false, // inherited
		"entity Sib as select from d.Books { key owner, sum(cost) as s : Integer } group by owner;": true,
		"entity Sib as select from d.Books { key owner, count(*) as n : Integer } group by owner;":  false,
		"entity Sib as select from d.Other { key ID, book.cost };":                                  true,
	} {
		res := parser.CompileString("model.cds", `
entity d.Books { key ID : Integer; title : String; cost : Integer; owner : String; }
entity d.Other { key ID : Integer; book : Association to d.Books; }
@path: '/s' @requires: 'any' service S { @cds.redirection.target entity Books as projection on d.Books; `+entity+` }
annotate S.Books with { cost @requires: 'boss'; };`)
		if res.Model == nil {
			t.Fatalf("%s: %v", entity, res.Diags)
		}
		_, diags := authz.Compile(res.Model, authz.Options{Strict: true})
		if diags.HasErrors() != refused {
			t.Errorf("%s: %v", entity, diags)
		}
	}
}
