package drafttest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/config"
)

func stamp(_ context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	v := cqn.String(r.Target.Name)
	return &cds.Result{Value: &v}, nil
}

// TestEdit edits an active row with its parts, as an object page does.
func TestEdit(t *testing.T) {
	both(t, nil, func(w *world) {
		alice := w.as("alice")
		alice.post("Books(ID=1"+active+"/S.draftEdit", `{"PreserveChanges":true}`).Status(201).Contains(`"IsActiveEntity":false`, `"HasActiveEntity":true`, `"title":"One"`)
		alice.get("Books(ID=1"+active).Status(200).Contains(`"HasDraftEntity":true`, `"HasActiveEntity":false`, `"IsActiveEntity":true`)
		got := alice.get("Books(ID=1" + draft + "?$expand=chapters($orderby=no),DraftAdministrativeData,SiblingEntity").Status(200)
		got.Contains(ch1, ch2, `"InProcessByUser":"alice"`, `"DraftIsCreatedByMe":true`, `"DraftIsProcessedByMe":true`, `"SiblingEntity":{`)

		// Only types are checked while a draft is changed.
		alice.patch("Books(ID=1"+draft, `{"title":"","stock":5000,"tags":["a","b"]}`).Status(200).Contains(`"stock":5000`)
		alice.patch("Books(ID=1"+draft, `{"stock":"many"}`).Status(400).Contains("ASSERT_DATA_TYPE")
		alice.patch("Books(ID=1"+draft, `{"nope":1}`).Status(400)
		alice.post("Books(ID=1"+draft+"/chapters", `{"no":3,"notes":[{"pos":1,"text":"n"}]}`).Status(201).Contains(`"HasActiveEntity":false`)
		alice.delete("Books(ID=1" + draft + "/chapters(ID=" + ch1 + draft).Status(204)
		alice.patch("Books(ID=1"+draft+"/chapters(ID="+ch2+draft, `{"title":"Changed"}`).Status(200)
		alice.get("Books(ID=1"+active+"?$expand=chapters").Contains("First", "Second", `"title":"One"`)

		// All is checked when it is saved, and nothing is lost if it can't be.
		var e struct {
			Error struct {
				Details []struct{ Code, Target string }
			}
		}
		alice.post("Books(ID=1"+draft+"/S.draftActivate", `{}`).Status(400).JSON(&e)
		var targets []string
		for _, d := range e.Error.Details {
			targets = append(targets, d.Code+" "+strings.Split(d.Target, "=")[0])
		}
		slices.Sort(targets)
		if diff := cmp.Diff([]string{"ASSERT_MANDATORY in/chapters(ID", "ASSERT_MANDATORY in/title", "ASSERT_RANGE in/stock"}, targets); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(e.Error.Details[2].Target+e.Error.Details[1].Target, ",IsActiveEntity=false)/title") {
			t.Errorf("the targets lack the draft's key: %+v", e)
		}
		alice.patch("Books(ID=1"+draft, `{"title":"Uno","stock":7,"author":{"ID":2}}`).Status(200)
		var list struct{ Value []struct{ ID, Title string } }
		alice.get("Books(ID=1" + draft + "/chapters?$filter=title eq null").Status(200).JSON(&list)
		alice.patch("Books(ID=1"+draft+"/chapters(ID="+list.Value[0].ID+draft, `{"title":"Third"}`).Status(200)
		w.pass(time.Minute)
		alice.post("Books(ID=1"+draft+"/S.draftPrepare", `{"SideEffectsQualifier":""}`).Status(200).Contains(`"IsActiveEntity":false`)
		alice.post("Books(ID=1"+draft+"/S.draftActivate?$select=title&$expand=chapters($select=no)", `{}`).Status(200).Contains(`"title":"Uno"`, `"IsActiveEntity":true`, `"chapters"`)
		alice.get("Books(ID=1" + draft).Status(404)
		alice.get("Books(ID=1"+active+"?$expand=chapters($expand=notes),author").Status(200).Contains(`"stock":7`, `"HasDraftEntity":false`, "Changed", "Third", `"text":"n"`, "Edgar",
			`"modifiedBy":"alice"`, `"tags":["a","b"]`, "2024-05-06T07:09:09").Lacks("First", "Second")
		w.empty()
	})
}

// empty checks that nothing of any draft is left.
func (w *world) empty() {
	w.t.Helper()
	for _, e := range w.CDS.Model.Entities {
		if e.Name != "DRAFT.DraftAdministrativeData" && (e.Active == nil || len(e.Union) > 0) {
			continue
		}
		q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}}
		res, err := cds.DB(w.As("alice")).Run(w.As("alice"), q)
		if err != nil || len(res.Rows) != 0 {
			w.t.Errorf("%s has %d rows (%v)", e.Name, len(res.Rows), err)
		}
	}
}

// TestNew makes rows by drafts.
func TestNew(t *testing.T) {
	both(t, nil, func(w *world) {
		alice := w.as("alice")
		res := alice.post("Books", `{"ID":9,"IsActiveEntity":false,"HasDraftEntity":true,"DraftAdministrativeData":{"DraftUUID":"`+o1+`"},"chapters":[{"no":1,"title":"c"}]}`).Status(201)
		res.Contains(`"price":"10.50"`, `"HasActiveEntity":false`, `"HasDraftEntity":false`, `"createdBy":null`, `"chapters":[{`)
		if got := res.Header("Location"); got != "Books(ID=9,IsActiveEntity=false)" {
			t.Errorf("Location is %s", got)
		}
		alice.get("Books(ID=9" + active).Status(404)
		alice.post("Books", `{"title":"no key"}`).Status(400).Contains("ASSERT_MANDATORY")
		alice.post("Books(ID=9"+draft+"/S.draftActivate", `{}`).Status(400).Contains("in/title")
		alice.patch("Books(ID=9"+draft, `{"title":"Nine","chapters":[{"no":2,"title":"d"}]}`).Status(200)
		alice.get("Books(ID=9"+draft+"?$expand=chapters").Contains(`"title":"d"`).Lacks(`"title":"c"`, `"HasActiveEntity":null`)
		alice.post("Books(ID=9"+draft+"/S.draftActivate", `{}`).Status(201).Contains(`"createdBy":"alice"`, `"IsActiveEntity":true`, `"title":"Nine"`)
		alice.get("Books(ID=9" + active + "?$expand=chapters").Status(200).Contains(`"title":"d"`)

		alice.post("Books", `{"ID":10,"title":"x","chapters":[{"no":1,"title":"c"}]}`).Status(201)
		alice.delete("Books(ID=10" + draft).Status(204)
		alice.get("Books(ID=10" + draft).Status(404)
		w.empty()

		alice.post("Books", `{"ID":11,"title":"direct","IsActiveEntity":true}`).Status(201).Contains(`"IsActiveEntity":true`)
		alice.patch("Books(ID=11"+active, `{"stock":3}`).Status(200)
		alice.post("Books", `{"ID":11,"title":"again"}`).Status(201)
		alice.post("Books(ID=11"+draft+"/S.draftActivate", `{}`).Status(409)
		alice.delete("Books(ID=11" + active).Status(204)
		w.empty() // a draft goes with what it would have been a draft of
	})
}

// TestBypass has rows that are made active where nothing else is said.
func TestBypass(t *testing.T) {
	w := start(t, nil, fiori(config.Section{"bypass_draft": true}))
	w.as("alice").post("Books", `{"ID":9,"title":"x"}`).Status(201).Contains(`"IsActiveEntity":true`)
	w.as("alice").post("Books", `{"ID":8,"title":"x","IsActiveEntity":false}`).Status(201).Contains(`"IsActiveEntity":false`)
}

// TestLists asks for what a list report asks for, by its filter for the editing status.
func TestLists(t *testing.T) {
	both(t, nil, func(w *world) {
		alice, bob := w.as("alice"), w.as("bob")
		alice.post("Books(ID=2"+active+"/draftEdit", `{}`).Status(201)
		alice.patch("Books(ID=2"+draft, `{"title":"Two, changed"}`).Status(200)
		alice.post("Books", `{"ID":0,"title":"New"}`).Status(201)
		titles := func(who as, query string) []string {
			t.Helper()
			return who.get("Books?$orderby=ID&$select=title&" + query).Status(200).Values("title")
		}
		for _, c := range []struct {
			name, query string
			alice, bob  []string
		}{
			{"all", all, []string{"New", "One", "Two, changed", "Three"}, []string{"One", "Two", "Three"}},
			{"no filter", "$top=10", []string{"New", "One", "Two", "Two, changed", "Three"}, []string{"One", "Two", "Three"}},
			{"own drafts", "$filter=IsActiveEntity eq false", []string{"New", "Two, changed"}, []string{}},
			{"active", "$filter=IsActiveEntity eq true", []string{"One", "Two", "Three"}, []string{"One", "Two", "Three"}},
			{"unchanged", "$filter=IsActiveEntity eq true and HasDraftEntity eq false", []string{"One", "Three"}, []string{"One", "Three"}},
			{"locked", "$filter=IsActiveEntity eq true and SiblingEntity/IsActiveEntity eq null and DraftAdministrativeData/InProcessByUser ne '' and DraftAdministrativeData/InProcessByUser ne null", []string{}, []string{"Two"}},
			{"unsaved", "$filter=IsActiveEntity eq true and SiblingEntity/IsActiveEntity eq null and DraftAdministrativeData/InProcessByUser eq ''", []string{}, []string{}},
			{"with another condition", all[:8] + "(" + all[8:] + ") and contains(title,'ew')", []string{"New"}, []string{}},
			{"not", "$filter=not IsActiveEntity", []string{"New", "Two, changed"}, []string{}},
			{"search", all + "&$search=changed", []string{"Two, changed"}, []string{}},
			{"paged", all + "&$top=2&$skip=1", []string{"One", "Two, changed"}, []string{"Two", "Three"}},
		} {
			if got := titles(alice, c.query); !slices.Equal(got, c.alice) {
				t.Errorf("%s: alice sees %q, want %q", c.name, got, c.alice)
			}
			if got := titles(bob, c.query); !slices.Equal(got, c.bob) {
				t.Errorf("%s: bob sees %q, want %q", c.name, got, c.bob)
			}
		}
		alice.get("Books/$count?" + all).Status(200).Contains("4")
		bob.get("Books/$count?" + all).Status(200).Contains("3")
		alice.get("Books?" + all + "&$count=true&$top=1").Contains(`"@odata.count":4`)
		alice.get("Books?"+all+"&$expand=chapters($select=title),author,DraftAdministrativeData&$orderby=title").Status(200).Contains("First", "Emily", `"InProcessByUser":"alice"`)
		w.pass(20 * time.Minute)
		bob.get("Books?$select=title&$filter=IsActiveEntity eq true and SiblingEntity/IsActiveEntity eq null and DraftAdministrativeData/InProcessByUser eq ''").Status(200).Contains(`"Two"`)
		alice.get("Plain").Status(200).Lacks("IsActiveEntity", "Draft")
		alice.get("").Status(200).Lacks("Draft", "draft", "Both")
	})
}

// TestLock has two users who want to edit the same row.
func TestLock(t *testing.T) {
	both(t, nil, func(w *world) {
		alice, bob := w.as("alice"), w.as("bob")
		alice.post("Books(ID=1"+active+"/draftEdit", `{"PreserveChanges":true}`).Status(201)
		alice.post("Books(ID=1"+active+"/draftEdit", `{"PreserveChanges":true}`).Status(409).Contains("DRAFT_ALREADY_EXISTS")
		alice.post("Books(ID=1"+active+"/draftEdit", `{}`).Status(409)
		alice.patch("Books(ID=1"+draft, `{"title":"mine"}`).Status(200)
		alice.post("Books(ID=1"+active+"/draftEdit", `{"PreserveChanges":false}`).Status(201).Contains(`"title":"One"`)
		for _, preserve := range []string{"true", "false", "null"} {
			bob.post("Books(ID=1"+active+"/draftEdit", `{"PreserveChanges":`+preserve+`}`).Status(409).Contains("DRAFT_LOCKED_BY_ANOTHER_USER")
		}
		bob.patch("Books(ID=1"+active, `{"stock":9}`).Status(409)
		bob.delete("Books(ID=1" + active).Status(409)
		bob.patch("Books(ID=1"+active+"/chapters(ID="+ch1+active, `{"no":9}`).Status(409)
		bob.post("Books(ID=1"+active+"/chapters", `{"title":"x"}`).Status(409)
		bob.delete("Books(ID=1" + active + "/chapters(ID=" + ch1 + active).Status(409)
		bob.post("Books(ID=2"+active+"/chapters", `{"title":"x"}`).Status(201)
		alice.patch("Books(ID=1"+active, `{"stock":9}`).Status(200)
		w.pass(14 * time.Minute)
		alice.patch("Books(ID=1"+draft, `{"title":"mine"}`).Status(200) // prolongs it
		w.pass(14 * time.Minute)
		bob.post("Books(ID=1"+active+"/draftEdit", `{"PreserveChanges":false}`).Status(409)
		w.pass(2 * time.Minute)
		bob.get("Books(ID=1"+active+"?$expand=DraftAdministrativeData").Contains(`"InProcessByUser":""`, `"CreatedByUser":"alice"`)
		alice.get("Books(ID=1" + active + "?$expand=DraftAdministrativeData").Contains(`"InProcessByUser":"alice"`)
		bob.post("Books(ID=1"+active+"/draftEdit", `{"PreserveChanges":true}`).Status(409).Contains("DRAFT_ALREADY_EXISTS")
		bob.post("Books(ID=1"+active+"/draftEdit", `{"PreserveChanges":false}`).Status(201).Contains(`"title":"One"`)
		alice.get("Books(ID=1" + draft).Status(404)
		alice.patch("Books(ID=1"+draft, `{"title":"mine"}`).Status(404)
		alice.post("Books(ID=1"+draft+"/draftActivate", `{}`).Status(404)
		bob.post("Books(ID=1"+draft+"/draftActivate", `{}`).Status(200)
		w.empty()
	})
}

func TestLockTimeout(t *testing.T) {
	w := start(t, nil, fiori(config.Section{"draft_lock_timeout": "1h"}))
	w.as("alice").post("Books(ID=1"+active+"/draftEdit", `{}`).Status(201)
	w.pass(59 * time.Minute)
	w.as("bob").get("Books(ID=1" + active + "?$expand=DraftAdministrativeData").Contains(`"InProcessByUser":"alice"`)
	w.as("bob").post("Books(ID=1"+active+"/draftEdit", `{}`).Status(409)
	w.pass(2 * time.Minute)
	w.as("bob").delete("Books(ID=1" + active).Status(204)
	w.empty()
}

// TestCollect has drafts that nobody cares for any more.
func TestCollect(t *testing.T) {
	both(t, nil, func(w *world) {
		w.as("alice").post("Books(ID=1"+active+"/draftEdit", `{}`).Status(201)
		w.pass(29 * 24 * time.Hour)
		w.as("bob").post("Books", `{"ID":9,"title":"x"}`).Status(201)
		w.as("alice").get("Books(ID=1" + draft).Status(200)
		w.pass(2 * 24 * time.Hour)
		w.as("bob").post("Books", `{"ID":10,"title":"x"}`).Status(201)
		w.as("alice").get("Books(ID=1" + draft).Status(404)
		w.as("bob").get("Books(ID=9" + draft).Status(200)
	})
}

func TestCollect_never(t *testing.T) {
	w := start(t, nil, fiori(config.Section{"draft_deletion_timeout": false}))
	w.as("alice").post("Books(ID=1"+active+"/draftEdit", `{}`).Status(201)
	w.pass(1000 * 24 * time.Hour)
	w.as("bob").post("Books", `{"ID":9,"title":"x"}`).Status(201)
	w.as("alice").get("Books(ID=1" + draft).Status(200)
}

// TestSides calls steps on the wrong side.
func TestSides(t *testing.T) {
	w := start(t, nil, nil)
	alice := w.as("alice")
	alice.post("Books(ID=1"+active+"/draftActivate", `{}`).Status(400)
	alice.post("Books(ID=1"+active+"/draftPrepare", `{}`).Status(400)
	alice.post("Books(ID=1"+active+"/draftEdit", `{}`).Status(201)
	alice.post("Books(ID=1"+draft+"/draftEdit", `{}`).Status(400)
	alice.post("Books(ID=1"+draft+"/draftEdit?$select=nope", `{}`).Status(400)
	alice.post("Books(ID=77"+active+"/draftEdit", `{}`).Status(404)
	alice.post("Books(ID=77"+draft+"/draftActivate", `{}`).Status(404)
	alice.get("Books(ID=1,IsActiveEntity=maybe)").Status(400)
	alice.get("Books(ID=1,IsActiveEntity=true,IsActiveEntity=true)").Status(400)
	alice.get("Books(IsActiveEntity=true)").Status(400)
	alice.get("Books(1)").Status(200).Contains(`"IsActiveEntity":true`)
	alice.get("Plain(ID=1,IsActiveEntity=true)").Status(400)
	alice.get("Books(ID=1" + draft + "/chapters(ID=" + ch1 + active).Status(404)
	alice.get("Books(ID=1" + active + "/chapters(ID=" + ch1 + draft).Status(404)
	alice.get("Chapters(ID=" + ch1 + draft).Status(200).Contains(`"IsActiveEntity":false`)
	alice.get("Books(ID=1" + draft + "/SiblingEntity").Status(200).Contains(`"IsActiveEntity":true`)
	alice.get("Books(ID=1" + active + "/SiblingEntity").Status(200).Contains(`"IsActiveEntity":false`)
	alice.get("Books(ID=1" + active + "/DraftAdministrativeData").Status(200).Contains(`"CreatedByUser":"alice"`)
	alice.get("Books(ID=1" + draft + "?$select=DraftMessages").Status(200).Contains(`"DraftMessages":[]`)
	alice.post("Books(ID=1"+draft+"/S.stamp", `{}`).Status(200).Contains("S.Books.drafts")
	alice.post("Books(ID=1"+active+"/S.stamp", `{}`).Status(200).Contains(`"S.Books"`)
}

// TestHandlers has code of an application take part.
func TestHandlers(t *testing.T) {
	var seen []string
	note := func(what string) cds.Before {
		return func(_ context.Context, r *cds.RawRequest) error {
			seen = append(seen, what+" "+r.Target.Name)
			return nil
		}
	}
	w := start(t, nil, func(c *cdstest.Config) {
		c.Register = func(app *cds.App) error {
			s := app.Service("S")
			on := func(ev cds.Event, entity string) {
				s.Before(cds.Match{Events: []cds.Event{ev}, Entities: []string{entity}}, note(string(ev)))
			}
			s.Before(cds.Match{Events: []cds.Event{cds.NewDraft}, Entities: []string{"Books.drafts"}}, func(_ context.Context, r *cds.RawRequest) error {
				r.Data.Set("stock", cqn.Int(42))
				return nil
			})
			on(cds.EditDraft, "Books")
			on("UPDATE", "Books.drafts")
			on("CANCEL", "Books.drafts")
			on("CREATE", "Books")
			on("UPDATE", "Books")
			s.Before(cds.Match{Events: []cds.Event{cds.SaveDraft}, Entities: []string{"Books"}}, func(_ context.Context, r *cds.RawRequest) error {
				seen = append(seen, "SAVE "+r.Data.Value("title").Str())
				r.Data.Set("title", cqn.String("saved"))
				return nil
			})
			return nil
		}
	})
	alice := w.as("alice")
	alice.post("Books", `{"ID":9,"title":"x"}`).Status(201).Contains(`"stock":42`)
	alice.patch("Books(ID=9"+draft, `{"title":"y"}`).Status(200)
	alice.post("Books(ID=9"+draft+"/draftActivate", `{}`).Status(201).Contains(`"title":"saved"`)
	alice.post("Books(ID=9"+active+"/draftEdit", `{}`).Status(201)
	alice.delete("Books(ID=9" + draft).Status(204)
	alice.post("Books(ID=9"+active+"/draftEdit", `{}`).Status(201)
	alice.post("Books(ID=9"+draft+"/draftActivate", `{}`).Status(200)
	want := []string{"UPDATE S.Books.drafts", "SAVE y", "CREATE S.Books", "EDIT S.Books", "CANCEL S.Books.drafts", "EDIT S.Books", "SAVE saved", "UPDATE S.Books"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

// TestMetadata has the documents of a service with trees of drafts.
func TestMetadata(t *testing.T) {
	w := start(t, nil, nil)
	res := w.as("alice").get("$metadata").Status(200)
	res.Contains(`<PropertyRef Name="IsActiveEntity"/>`, `Term="Common.DraftNode"`, `String="S.draftPrepare"`, `Name="SiblingEntity" Type="S.Chapters"`).Lacks("drafts", "activeOrDraft", "DraftOwner", "_drafts", "i18n>")
	if n := strings.Count(res.Body(), `<Action Name="draftActivate"`); n != 2 {
		t.Errorf("%d actions draftActivate, want one for each root", n)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(w.as("alice").get("$metadata?$format=json").Status(200).Body()), &doc); err != nil {
		t.Error(err)
	}
}
