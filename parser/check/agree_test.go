package check_test

import (
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/check"
	"cds/runtime/authz"
)

// Authors see what this package finds; at run time package authz decides alone. Whatever is an error here must close the resource
// there, and nothing that closes it may pass here in silence.
func TestAgreesWithAuthz(t *testing.T) {
	const entity = " entity E { key ID : Integer; owner : String; amount : Decimal; ok : Boolean; due : Date; virtual v : String;" +
		" status : String enum { open; closed = 'c' }; tags : many String; address { city : String; }; two : Association to Two;" +
		" customer : Association to C; items : Composition of many I on items.e = $self; } actions { action approve(); }" +
		" entity C { key ID : Integer; country : String; } entity I { key ID : Integer; e : Association to E; qty : Integer; }" +
		" entity Two { key a : Integer; key b : Integer; }"
	var annos []string
	for _, v := range []string{"", ": null", ": []", ": 'a'", ": ['a', 'b']", ": ['a', 5]", ": ''", ": a", ": true", ": [['a']]", ": { a: 1 }", ": #a", ": 1", ": ('a')"} {
		annos = append(annos, "@requires"+v, "@restrict"+v, "@restrict: [{ grant"+v+", to: 'x' }]", "@restrict: [{ to"+v+" }]", "@restrict: [{ where"+v+" }]")
	}
	for _, w := range []string{"READ", "read", "*", "WRITE", "SELECT", "approve", "Approve", "INSERT", "UPSERT", "DELETE ", "all"} {
		annos = append(annos, "@restrict: [{ grant: '"+w+"' }]")
	}
	for _, n := range []string{"require", "Requires", "restricts", "restrcit", "requires.x", "restrict.grant", "restrict#q", "title", "readonly", "UI.restrict", "reuse"} {
		annos = append(annos, "@"+n+": 'x'")
	}
	for _, w := range []string{"owner = $user", "ownr = 1", "exists items", "exists items[qty > 1]", "exists items[nope > 1]", "exists owner", "items = 1", "customer = 1", "two = 1",
		"customer.country = $user.c", "customer.nope = 1", "owner.x = 1", "'x' in tags", "tags = 'x'", "owner in owner", "v = 'x'", "address = 1", "address.city = 'x'",
		"count(*) > 1", "owner = :p", "$foo = 1", "ID in (select ID from C)", "true", "1 = 0", "owner[ID = 1] = 'x'", "$self.owner = $user", "not exists items.e",
		"case when ok then owner else 'x' end = $user", "$user.a = 'x'", "due < $now", "ok"} {
		annos = append(annos, "@restrict: [{ where: '"+strings.ReplaceAll(w, "'", "''")+"' }]", "@restrict: [{ where: ("+w+") }]")
	}
	for _, f := range []string{"were: 'x'", "grant: 'READ', Where: 'x'", "to: 'a', to: 'b'", "_where: 'x'"} {
		annos = append(annos, "@restrict: [{ "+f+" }]")
	}
	// Here an author hears of what only never holds, or fails, at run time.
	stricter := map[string]bool{
		"@restrict: [{ where: ('a') }]":     true,
		"@restrict: [{ where: 'two = 1' }]": true,
		"@restrict: [{ where: (two = 1) }]": true,
	}
	for _, a := range annos {
		text := "service s { " + a + entity + " }"
		res := parser.CompileString("f.cds", text)
		if res.Model == nil {
			continue // the linker refuses it in any case
		}
		ours := check.Run(res.Model, check.Options{Strict: true})
		_, theirs := authz.Compile(res.Model, authz.Options{Strict: true})
		if ours.HasErrors() != theirs.HasErrors() && !(stricter[a] && ours.HasErrors()) {
			t.Errorf("%s:\ncheck: %v\nauthz: %v", a, ours, theirs)
		}
	}
}
