package parser_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/csn"
)

// TestSealFaults: what cannot be encrypted or hashed, and what needs values that are, stops the compiler at its place.
func TestSealFaults(t *testing.T) {
	const staff = "entity Staff { key ID : Integer; name : String; @encrypted iban : String; @encrypted: 'deterministic' ssn : String; boss : Association to Staff; }\n"
	for name, c := range map[string]struct{ text, code, at, says string }{
		"a misspelt form":         {"entity E { key ID : Integer;\n @encrypted: 'determinstic' a : String; }", "csn-seal", "2:3", "'determinstic' is not understood"},
		"a number":                {"entity E { key ID : Integer;\n @encrypted: 7 a : String; }", "csn-seal", "2:3", "is not understood"},
		"a misspelt hash":         {"entity E { key ID : Integer;\n @hash: 'md5' a : String; }", "csn-seal", "2:3", "expected true, 'argon2id', 'bcrypt' or 'sha256'"},
		"parts":                   {"entity E { key ID : Integer;\n @encrypted: { mode: 'random' } a : String; }", "csn-seal", "2:", "has no parts"},
		"a key":                   {"entity E {\n @encrypted key ID : String; }", "csn-seal", "2:3", "it is a key"},
		"localized":               {"entity E { key ID : Integer;\n @encrypted a : localized String; }", "csn-seal", "2:3", "localized"},
		"virtual":                 {"entity E { key ID : Integer;\n @encrypted virtual a : String; }", "csn-seal", "2:3", "virtual"},
		"calculated":              {"entity E { key ID : Integer; b : String;\n @encrypted a : String = b; }", "csn-seal", "2:3", "calculated"},
		"a default":               {"entity E { key ID : Integer;\n @encrypted a : String default 'x'; }", "csn-seal", "2:3", "default"},
		"an association":          {"entity E { key ID : Integer;\n @encrypted a : Association to E; }", "csn-seal", "2:3", "association"},
		"an array":                {"entity E { key ID : Integer;\n @encrypted a : array of String; }", "csn-seal", "2:3", "array"},
		"in an array":             {"entity E { key ID : Integer; c : many {\n @encrypted a : String; } }", "csn-seal", "2:3", "c has @encrypted within an array"},
		"deep in an array":        {"entity E { key ID : Integer; s { c : many { d : many {\n @hash a : String; } } } }", "csn-seal", "2:3", "s_c has @hash within an array"},
		"a type's, in an array":   {"\n@encrypted type T : String; entity E { key ID : Integer; c : many T; }", "csn-seal", "2:2", "c has @encrypted within an array"},
		"a part's, in an array":   {"type T { n : Integer;\n @encrypted a : String; }; type L : many T; entity E { key ID : Integer; c : L; }", "csn-seal", "2:3", "c has @encrypted within an array"},
		"a misspelling":           {"entity E { key ID : Integer;\n @encrypt a : String; }", "csn-seal", "2:3", "looks like a misspelt @encrypted"},
		"a synonym":               {"entity E { key ID : Integer;\n @encryption a : String; }", "csn-seal", "2:3", "looks like a misspelt @encrypted"},
		"another case":            {"entity E { key ID : Integer;\n @Encrypted: 'deterministic' a : String; }", "csn-seal", "2:3", "looks like a misspelt @encrypted"},
		"a misspelt hash's name":  {"entity E { key ID : Integer;\n @hashed a : String; }", "csn-seal", "2:3", "looks like a misspelt @hash"},
		"an event":                {"service S { event V {\n @encrypted a : String; } }", "csn-seal", "2:3", "means nothing"},
		"a result":                {"service S { action f() returns {\n @hash a : String; } }", "csn-seal", "2:3", "means nothing"},
		"a stream":                {"entity E { key ID : Integer;\n @encrypted a : LargeBinary; }", "csn-seal", "2:3", "cds.LargeBinary"},
		"a hash of a number":      {"entity E { key ID : Integer;\n @hash a : Integer; }", "csn-seal", "2:3", "texts"},
		"both":                    {"entity E { key ID : Integer;\n @encrypted @hash a : String; }", "csn-seal", "2:", "@encrypted and @hash"},
		"an entity tag":           {"entity E { key ID : Integer;\n @encrypted @odata.etag a : String; }", "csn-seal", "2:3", "@odata.etag"},
		"unique and random":       {"@assert.unique.a: [a] entity E { key ID : Integer;\n @encrypted a : String; }", "csn-seal", "2:3", "@assert.unique.a"},
		"unique and a salt":       {"@assert.unique.a: [a] entity E { key ID : Integer;\n @hash a : String; }", "csn-seal", "2:3", "@assert.unique.a"},
		"an entity":               {"\n@encrypted entity E { key ID : Integer; a : String; }", "csn-seal", "2:2", "means nothing on E"},
		"a service":               {"\n@hash service S {}", "csn-seal", "2:2", "means nothing on S"},
		"a parameter":             {"service S { action f(\n @encrypted a : String); }", "csn-seal", "2:3", "means nothing"},
		"a projection adds":       {staff + "service S { entity V as projection on Staff { ID,\n @encrypted name }; }", "csn-seal", "3:3", "a view keeps nothing"},
		"a projection takes away": {staff + "service S { entity V as projection on Staff { ID,\n @encrypted: false iban }; }", "csn-seal", "3:3", "cannot change"},
		"a projection changes":    {staff + "service S { entity V as projection on Staff { ID,\n @encrypted: 'deterministic' iban }; }", "csn-seal", "3:3", "not that of the column"},
		"annotate null":           {staff + "service S { entity V as projection on Staff; }\nannotate S.V with { @encrypted: null iban };", "csn-seal", "3:", "cannot change"},
		"a hash in drafts":        {"entity E { key ID : Integer;\n @hash a : String; } service S { @odata.draft.enabled entity D as projection on E; }", "csn-seal", "2:", "edited as a draft"},

		"an expression in a view":  {staff + "entity V as select from Staff { ID, upper(iban) as x : String };", "csn-seal-use", "2:8", "Staff.iban"},
		"a cast":                   {staff + "entity V as select from Staff { ID, cast(iban as String(10)) as x };", "csn-seal-use", "2:8", "Staff.iban"},
		"a condition":              {staff + "entity V as select from Staff { ID } where ssn = 'x';", "csn-seal-use", "2:8", "Staff.ssn"},
		"a condition over a path":  {staff + "entity V as select from Staff { ID } where boss.ssn = 'x';", "csn-seal-use", "2:8", "Staff.ssn"},
		"order by":                 {staff + "entity V as select from Staff { ID } order by iban;", "csn-seal-use", "2:8", "Staff.iban"},
		"group by":                 {staff + "entity V as select from Staff { count(*) as n : Integer } group by ssn;", "csn-seal-use", "2:8", "Staff.ssn"},
		"grouped with":             {staff + "entity V as select from Staff { key ssn, count(*) as n : Integer } group by ssn;", "csn-seal-use", "2:8", "Staff.ssn"},
		"distinct":                 {staff + "entity V as select distinct from Staff { ssn };", "csn-seal-use", "2:8", "distinct"},
		"a union":                  {staff + "entity V as select from Staff { ID, iban } union all select from Staff { ID, iban };", "csn-seal-use", "2:8", "unions"},
		"a star in a union":        {staff + "entity V as select from Staff union all select from Staff;", "csn-seal-use", "2:8", "unions"},
		"a subquery as source":     {staff + "entity V as select from (select from Staff { ID, iban }) as s { ID, iban };", "csn-seal-use", "2:8", "subqueries"},
		"a join condition":         {staff + "entity V as select from Staff as a join Staff as b on a.ssn = b.ssn { key a.ID };", "csn-seal-use", "2:8", "Staff.ssn"},
		"exists":                   {staff + "entity V as select from Staff { ID } where exists boss[ssn = 'x'];", "csn-seal-use", "2:8", "Staff.ssn"},
		"a filter in a path":       {staff + "entity V as select from Staff { ID, boss[ssn = 'x'].name as n };", "csn-seal-use", "2:8", "Staff.ssn"},
		"a subquery in a where":    {staff + "entity V as select from Staff { ID } where ID in (select from Staff as b { b.ID } where b.ssn = 'x');", "csn-seal-use", "2:8", "Staff.ssn"},
		"a case":                   {staff + "entity V as select from Staff { ID, case when iban is null then 1 when iban = 'x' then 2 end as c : Integer };", "csn-seal-use", "2:8", "Staff.iban"},
		"calculated from one":      {"entity E { key ID : Integer; @encrypted a : String;\n b : String = a || 'x'; }", "csn-seal-use", "2:2", "calculated"},
		"a view of a view":         {staff + "entity V as select from Staff { ID, iban as x }; entity W as select from V { ID, lower(x) as y : String };", "csn-seal-use", "2:", "Staff.iban"},
		"a foreign key":            {staff + "entity F { key ID : Integer;\n s : Association to Staff { ssn }; }", "csn-seal-use", "3:2", "foreign key"},
		"an on-condition":          {staff + "entity F { key ID : Integer; n : String;\n s : Association to Staff on s.ssn = n; }", "csn-seal-use", "3:2", "condition of the association"},
		"an own on-condition":      {"entity E { key ID : Integer; @encrypted n : String;\n s : Association to E on s.ID = 1 and n = 'x'; }", "csn-seal-use", "2:2", "condition of the association"},
		"@restrict":                {staff + "@requires: 'any' service S {\n @restrict: [{ grant: 'READ', where: 'ssn = $user' }] entity V as projection on Staff; }", "csn-seal-use", "3:", "@restrict"},
		"@restrict, renamed":       {staff + "@requires: 'any' service S {\n @restrict: [{ grant: 'READ', where: (number = $user) }] entity V as projection on Staff { ID, ssn as number }; }", "csn-seal-use", "3:", "Staff.ssn"},
		"@restrict over a path":    {staff + "@requires: 'any' service S {\n @restrict: [{ grant: 'READ', where: 'boss.ssn = $user' }] entity V as projection on Staff; }", "csn-seal-use", "3:", "Staff.ssn"},
		"@restrict with an exists": {staff + "@requires: 'any' service S {\n @restrict: [{ grant: 'READ', where: 'exists boss[ssn = $user]' }] entity V as projection on Staff; }", "csn-seal-use", "3:", "Staff.ssn"},
		"a named condition":        {"@authz.condition.own: (ssn = $user)\nentity E { key ID : Integer; @encrypted: 'deterministic' ssn : String; }", "csn-seal-use", "1:", "Staff"},
		"a mask that is computed":  {"entity E { key ID : Integer;\n @mask: { fn: 'last(4)' } @encrypted a : String; }", "csn-seal-use", "2:", "show a constant"},
		"a function of the app":    {"entity E { key ID : Integer;\n @mask: { go: 'f' } @hash a : String; }", "csn-seal-use", "2:", "needs the value"},
		"a hash of some rows":      {"entity E { key ID : Integer; own : String;\n @mask: { value: '*', unless: [{ where: (own = $user) }] } @hash a : String; }", "csn-seal-use", "2:", "show a constant"},
		"a mask of some rows":      {"entity E { key ID : Integer; own : String;\n @mask: { value: '*', unless: [{ to: 'x', where: (own = $user) }] } @encrypted a : String; }", "csn-seal-use", "2:", "show a constant"},
		"@cds.search":              {"@cds.search: { name,\n a } entity E { key ID : Integer; name : String; @encrypted a : String; }", "csn-seal-use", "2:", "@cds.search names a"},
		"@assert":                  {"entity E { key ID : Integer;\n @assert: (case when a = 'x' then 'wrong' end) @encrypted a : String; }", "csn-seal-use", "2:", "@assert"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			res := parser.CompileString("m.cds", c.text)
			var all []string
			for _, d := range res.Diags {
				p := res.Files.Position(d.Span)
				got := fmt.Sprintf("%d:%d %s %s %s", p.Line, p.Col, d.Code, d.Message, d.Hint)
				all = append(all, got)
				if string(d.Code) == c.code && strings.HasPrefix(got, c.at) && (strings.Contains(got, c.says) || c.says == "Staff") {
					return
				}
			}
			t.Errorf("want %s at %s saying %q, got\n%s", c.code, c.at, c.says, strings.Join(all, "\n"))
		})
	}
}

// TestSeals: what an element shows is kept as the column behind it.
func TestSeals(t *testing.T) {
	res := parser.CompileString("m.cds", `
type Secret : String(10) @encrypted;
aspect Coded { @encrypted: 'deterministic' code : String; }
entity Staff : Coded { key ID : Integer; iban : Secret; plain : String; @encrypted home { street : String; in : { town : String; } }; @hash pw : String; boss : Association to Staff; }
entity Other { key ID : Integer; iban : String; who : Association to Staff; }
service S {
  @cds.redirection.target entity P as projection on Staff { *, iban as account } excluding { iban };
  entity PP as projection on P { ID, account as again, code, home };
  entity J as select from Staff as a inner join Other as o on o.ID = a.ID { key a.ID, a.iban as mine, o.iban as theirs, o.who.iban as whose, a.home.street, o.who.code };
  entity N as select from Other { ID, who.{ ID as whoID, plain } };
  entity Nul as select from Staff { ID, iban } where iban is not null and code != null;
  action act(a : type of Staff:iban, b : Secret) returns Staff;
}`)
	if err := res.Diags.Err(); err != nil || res.Model == nil {
		t.Fatal(err, res.Diags)
	}
	var text bytes.Buffer
	if err := csn.Write(&text, res.Model, csn.MarshalOptions{}); err != nil {
		t.Fatal(err)
	}
	read, diags := csn.Read(text.Bytes())
	if read == nil || diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, c := range []struct {
		element string
		kind    csn.SealKind
		column  string
	}{
		{"Staff.iban", csn.SealRandom, "Staff.iban"}, {"Staff.code", csn.SealDeterministic, "Staff.code"}, {"Staff.home_street", csn.SealRandom, "Staff.home_street"},
		{"Staff.home_in_town", csn.SealRandom, "Staff.home_in_town"}, {"Staff.pw", csn.SealArgon2id, "Staff.pw"}, {"Staff.plain", 0, ""}, {"Staff.boss_ID", 0, ""}, {"Other.iban", 0, ""},
		{"S.P.account", csn.SealRandom, "Staff.iban"}, {"S.P.pw", csn.SealArgon2id, "Staff.pw"}, {"S.P.plain", 0, ""}, {"S.PP.again", csn.SealRandom, "Staff.iban"},
		{"S.PP.home_in_town", csn.SealRandom, "Staff.home_in_town"}, {"S.J.mine", csn.SealRandom, "Staff.iban"}, {"S.J.theirs", 0, ""}, {"S.J.whose", csn.SealRandom, "Staff.iban"},
		{"S.J.street", csn.SealRandom, "Staff.home_street"}, {"S.J.code", csn.SealDeterministic, "Staff.code"}, {"S.N.whoID", 0, ""}, {"S.Nul.iban", csn.SealRandom, "Staff.iban"},
	} {
		i := strings.LastIndexByte(c.element, '.')
		for form, m := range map[string]*csn.Model{"compiled": res.Model, "read": read} {
			el := m.Entity(c.element[:i]).Element(c.element[i+1:])
			if el == nil {
				t.Errorf("%s is not there", c.element)
				continue
			}
			switch s := el.Seal(); {
			case s == nil && c.column == "":
			case s == nil || s.Kind != c.kind || s.Column != c.column:
				t.Errorf("%s, %s: %+v, want %d %s", c.element, form, s, c.kind, c.column)
			}
		}
	}
}
