package diag_test

import (
	"strings"
	"testing"

	"cds/parser/diag"
	"cds/parser/token"
)

func TestList_Apply(t *testing.T) {
	var l diag.List
	l.Warnf("a", token.Span{}, "one")
	l.Warnf("b", token.Span{}, "two")
	l.Errorf("c", token.Span{}, "three")
	l.Apply(diag.Settings{"a": diag.Error, "b": 0})
	if len(l) != 2 || l[0].Severity != diag.Error || l[1].Code != "c" || l[1].Severity != diag.Error {
		t.Errorf("got %+v", l)
	}
}

func TestCatalogue_Check(t *testing.T) {
	cat := diag.Catalogue{
		"must":  {Severity: diag.Error, Title: "A restriction"},
		"may":   {Severity: diag.Error, Configurable: true},
		"small": {Severity: diag.Info},
	}
	for _, c := range []struct {
		set  diag.Settings
		want string
	}{
		{diag.Settings{"must": diag.Warning}, "always an error"},
		{diag.Settings{"must": 0}, "always an error"},
		{diag.Settings{"must": diag.Error, "may": diag.Warning, "small": diag.Error}, ""},
		{diag.Settings{"small": 0}, ""},
		{diag.Settings{"smal": 0}, "no message"},
	} {
		err := cat.Check(c.set)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.set, err, c.want)
		}
	}
	for name, want := range map[string]diag.Severity{"Error": diag.Error, "warn": diag.Warning, "info": diag.Info, "none": 0} {
		if got, err := diag.ParseSeverity(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := diag.ParseSeverity("loud"); err == nil {
		t.Error("an unknown severity is accepted")
	}
}
