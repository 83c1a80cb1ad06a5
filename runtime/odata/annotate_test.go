package odata

import (
	"strings"
	"testing"
)

func TestWantsAnnotation(t *testing.T) {
	for prefer, want := range map[string]bool{
		`odata.include-annotations="cds.may"`:                           true,
		`include-annotations="cds.may"`:                                 true,
		`Include-Annotations = cds.may`:                                 true,
		`odata.include-annotations=*`:                                   true,
		`odata.include-annotations="cds.*"`:                             true,
		`odata.include-annotations="display.*,cds.may"`:                 true,
		`return=minimal, odata.include-annotations="a.b, cds.may"; x=1`: true,
		`odata.include-annotations="-*,cds.may"`:                        true,
		`odata.include-annotations="*,-cds.*,cds.may"`:                  true,
		`odata.include-annotations="c\ds.may"`:                          true, // an escape in a quoted string
		`odata.include-annotations="*,-cds.may"`:                        false,
		`odata.include-annotations="cds.may,-cds.may"`:                  false,
		`odata.include-annotations="-cds.may,cds.may"`:                  false,
		`odata.include-annotations="*,-cds.*"`:                          false,
		`odata.include-annotations="cds.mayhem"`:                        false,
		`odata.include-annotations="cds"`:                               false,
		`odata.include-annotations="CDS.may"`:                           false, // names compare exactly
		`odata.include-annotations`:                                     false,
		`odata.include-annotations=""`:                                  false,
		`odata.include-annotations="x", odata.include-annotations="*"`:  false, // the first one counts
		`return=minimal; odata.include-annotations="cds.may"`:           false, // a parameter of another preference
		`return="odata.include-annotations=cds.may"`:                    false,
		``:                             false,
		`"`:                            false,
		`odata.include-annotations="\`: false,
	} {
		if got := wantsAnnotation([]string{prefer}, rowRights); got != want {
			t.Errorf("%s: %v", prefer, got)
		}
	}
	if !wantsAnnotation([]string{"return=minimal", `include-annotations="cds.may"`}, rowRights) {
		t.Error("not found in the second header")
	}
}

// FuzzWantsAnnotation reads preferences of strangers: nothing panics, and nobody is given what he has not named.
func FuzzWantsAnnotation(f *testing.F) {
	f.Add(`odata.include-annotations="*,-cds.may"; x="\"", return=minimal`)
	f.Add(`include-annotations="cds.*`)
	f.Fuzz(func(t *testing.T, prefer string) {
		if wantsAnnotation([]string{prefer}, rowRights) && !strings.Contains(strings.ToLower(prefer), "include-annotations") {
			t.Errorf("%q asks for annotations", prefer)
		}
	})
}
