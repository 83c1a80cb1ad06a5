package csn

import (
	"strings"
	"testing"
)

const draftModel = `{"definitions": {
	"S": {"kind": "service"},
	"S.T": {"kind": "type", "elements": {"ref": {"type": "cds.Association", "target": "S.D", "keys": [{"ref": ["ID"]}]}}},
	"S.D": {"kind": "entity", "@odata.draft.enabled": true, "elements": {
		"ID": {"key": true, "type": "cds.UUID"},
		"x": {"type": "cds.String", "notNull": true},
		"other": {"type": "cds.Association", "target": "S.D", "keys": [{"ref": ["ID"]}]},
		"parts": {"type": "cds.Composition", "cardinality": {"max": "*"}, "target": "S.P", "on": [{"ref": ["parts", "up"]}, "=", {"ref": ["$self"]}]},
		"one": {"type": "cds.Composition", "target": "S.O", "keys": [{"ref": ["ID"]}]},
		"far": {"type": "cds.Composition", "cardinality": {"max": "*"}, "target": "Far", "on": [{"ref": ["far", "d_ID"]}, "=", {"ref": ["ID"]}]}},
		"actions": {"go": {"kind": "action", "params": {"t": {"type": "S.T"}}, "returns": {"type": "S.D"}}}},
	"S.P": {"kind": "entity", "elements": {
		"ID": {"key": true, "type": "cds.UUID"},
		"up": {"type": "cds.Association", "target": "S.D", "keys": [{"ref": ["ID"]}]},
		"next": {"type": "cds.Association", "target": "S.P", "keys": [{"ref": ["ID"]}]},
		"sub": {"type": "cds.Composition", "cardinality": {"max": "*"}, "target": "S.P", "on": [{"ref": ["sub", "next"]}, "=", {"ref": ["$self"]}]}}},
	"S.O": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.Integer"}}},
	"Far": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.Integer"}, "d_ID": {"type": "cds.UUID"}}},
	"S.N": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.Integer"}, "d": {"type": "cds.Association", "target": "S.D", "keys": [{"ref": ["ID"]}]}}}
}}`

func readDrafts(t *testing.T, text string) *Model {
	t.Helper()
	m, diags := Read([]byte(text))
	if m == nil {
		t.Fatal(diags)
	}
	return m
}

func TestWithDrafts(t *testing.T) {
	m := readDrafts(t, draftModel)
	before := string(Marshal(m, MarshalOptions{}))
	full, diags := WithDrafts(m, "")
	if full == nil {
		t.Fatal(diags)
	}
	if after := string(Marshal(m, MarshalOptions{})); after != before || m.Entity("S.D").Drafts != nil || m.Fingerprint() == full.Fingerprint() {
		t.Error("the given model was changed")
	}
	for _, e := range m.Entities { // nothing leads from one model into the other
		for _, el := range e.Flat {
			if a := el.Assoc(); a != nil && m.Entity(a.TargetName) != a.Target {
				t.Errorf("%s.%s leads into another model", e.Name, el.Name)
			}
		}
	}
	if a := m.Lookup("S.T").(*TypeDef).Type.Type.(*Struct).Elements[0].Assoc(); a.Target != m.Entity("S.D") {
		t.Error("a type leads into another model")
	}
	if again, _ := WithDrafts(full, ""); again != full {
		t.Error("not the same the second time")
	}
	target := func(e, el string) string { return full.Entity(e).Element(el).Assoc().Target.Name }
	for _, c := range [][3]string{
		{"S.D", "parts", "S.P"}, {"S.D.drafts", "parts", "S.P.drafts"}, {"S.D.activeOrDraft", "parts", "S.P.activeOrDraft"}, {"S.D.drafts", "one", "S.O.drafts"},
		{"S.D.drafts", "other", "S.D"}, {"S.P.drafts", "up", "S.D.drafts"}, {"S.P.drafts", "sub", "S.P.drafts"}, {"S.P.drafts", "next", "S.P.drafts"},
		{"S.D.drafts", "far", "Far"}, {"S.N", "d", "S.D"}, {"S.D", "SiblingEntity", "S.D.drafts"}, {"S.D.drafts", "SiblingEntity", "S.D"},
		{"S.D", "DraftAdministrativeData", "S.DraftAdministrativeData"},
	} {
		if got := target(c[0], c[1]); got != c[2] {
			t.Errorf("%s.%s leads to %s, want %s", c[0], c[1], got, c[2])
		}
	}
	d := full.Entity("S.D")
	switch {
	case d.Drafts != full.Entity("S.D.drafts") || d.Drafts.Active != d || d.Both.Active != d || d.Both.Union[1] != d.Drafts || !d.DraftRoot:
		t.Error("D is not tied to its drafts")
	case full.Entity("S.P").DraftRoot || full.Entity("S.N").Drafts != nil || full.Entity("Far").Drafts != nil:
		t.Error("wrong roots")
	case d.Drafts.Element("x").NotNull || !d.Element("x").NotNull || !d.Drafts.Element("ID").Key:
		t.Error("what may be null is wrong")
	case d.Drafts.Action("go") == nil || d.Drafts.Action("go") == d.Action("go") || d.Action("draftEdit").Draft != DraftEdit || full.Entity("S.P").Action("draftEdit") != nil ||
		full.Entity("S.P").Action("draftPrepare") == nil:
		t.Error("wrong actions")
	case !d.Drafts.Element(DraftUUID).Internal || !d.Element(DraftUUID).Internal || d.Element(DraftUUID).Value() == nil || d.Drafts.Element(DraftUUID).Value() != nil:
		t.Error("bookkeeping is not hidden")
	}
	for _, p := range d.Both.Element("parts").Assoc().Pairs {
		if p.Source.Name == DraftActive && p.Target.Name == DraftActive {
			return
		}
	}
	t.Error("parts of active rows and of drafts are mixed")
}

func TestWithDrafts_none(t *testing.T) {
	for _, text := range []string{
		strings.Replace(draftModel, `"@odata.draft.enabled": true`, `"@odata.draft.enabled": false`, 1),
		strings.Replace(draftModel, `"@odata.draft.enabled": true`, `"@odata.draft.enabled": true, "@cds.persistence.skip": true`, 1),
		strings.Replace(draftModel, `"@odata.draft.enabled": true`, `"@odata.draft.enabled": true, "@odata.singleton": true`, 1),
		strings.Replace(draftModel, `"S": {"kind": "service"},`, ``, 1), // outside services it is only inherited
	} {
		m := readDrafts(t, text)
		if full, diags := WithDrafts(m, ""); full != m || diags != nil {
			t.Errorf("got another model (%v)", diags)
		}
	}
}

func TestWithDrafts_clash(t *testing.T) {
	for _, name := range []string{"S.D.drafts", "S.DraftAdministrativeData", "DRAFT.DraftAdministrativeData", "S.P.activeOrDraft"} {
		m := readDrafts(t, strings.Replace(draftModel, `"S.T": {`, `"`+name+`": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.Integer"}}}, "S.T": {`, 1))
		if full, diags := WithDrafts(m, ""); full != nil || !diags.HasErrors() {
			t.Errorf("%s: no error", name)
		}
	}
	m := readDrafts(t, strings.Replace(draftModel, `"x": {`, `"IsActiveEntity": {`, 1))
	if full, diags := WithDrafts(m, ""); full != nil || !diags.HasErrors() {
		t.Error("an element's name that drafts need: no error")
	}
}
