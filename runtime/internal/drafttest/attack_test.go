package drafttest

import (
	"strings"
	"testing"
	"time"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
)

// TestForeign has bob try every way to alice's drafts. Each of them is answered as if they were not there.
func TestForeign(t *testing.T) {
	both(t, nil, func(w *world) {
		alice, bob := w.as("alice"), w.as("bob")
		alice.post("Books(ID=1"+active+"/draftEdit", `{}`).Status(201)
		alice.patch("Books(ID=1"+draft, `{"title":"treasure","stock":0,"chapters":[{"ID":"`+ch1+`","title":"treasure"}]}`).Status(200)
		alice.post("Books", `{"ID":9,"title":"treasure"}`).Status(201)
		alice.get("Books?$filter=IsActiveEntity eq false&$expand=chapters").Contains("treasure")

		for _, path := range []string{"Books(ID=1" + draft, "Books(ID=9" + draft, "Books(ID=1" + draft + "/title", "Books(ID=1" + draft + "/chapters", "Books(ID=1" + draft + "/chapters/$count",
			"Books(ID=1" + draft + "/SiblingEntity", "Books(ID=1" + draft + "/DraftAdministrativeData", "Books(ID=9" + draft + "/author", "Chapters(ID=" + ch1 + draft,
			"Books(ID=1" + draft + "/chapters(ID=" + ch1 + draft, "Chapters(ID=" + ch1 + draft + "/book", "Books(ID=1" + active + "/SiblingEntity/chapters", "Books(ID=1" + draft + "/cover"} {
			if res := bob.get(path); res.Code() != 404 || strings.Contains(res.Body(), "treasure") {
				t2(w).Errorf("GET %s: %d %s", path, res.Code(), res.Body())
			}
		}
		bob.get("Books(ID=1" + active + "/SiblingEntity").Status(204)
		bob.get("Books(ID=1" + active + "?$expand=SiblingEntity").Status(200).Contains(`"SiblingEntity":null`)

		// What a query says of rows must not depend on drafts of others.
		for _, q := range []string{"$filter=SiblingEntity/title eq 'treasure'", "$filter=IsActiveEntity eq false", "$filter=contains(title,'treasure')", "$search=treasure",
			"$filter=SiblingEntity/chapters/any(c:c/title eq 'treasure')", "$filter=IsActiveEntity eq false or SiblingEntity/title eq 'treasure'",
			"$filter=chapters/any(c:c/title eq 'treasure')", "$filter=chapters/any(c:c/book/title eq 'treasure')", "$filter=SiblingEntity/SiblingEntity/SiblingEntity/title eq 'treasure'",
			"$filter=SiblingEntity/IsActiveEntity eq false", "$filter=SiblingEntity/chapters/$count eq 1", "$filter=IsActiveEntity ne true", "$filter=ID eq 9",
			"$filter=$root/Books(ID=9,IsActiveEntity=false)/title eq 'treasure'", "$filter=$root/Chapters(ID=" + ch1 + ",IsActiveEntity=false)/title eq 'treasure'"} {
			bob.get("Books?" + q).Status(200).Contains(`"value":[]`).Lacks("treasure")
			bob.get("Books/$count?" + q).Status(200).Contains("0")
		}
		for _, q := range []string{"$filter=$root/Books(ID=9,IsActiveEntity=false)/title eq 'treasure'", "$filter=SiblingEntity/chapters/any(c:c/title eq 'treasure')"} {
			alice.get("Books?" + q).Status(200).Contains(`"title"`)
		}
		// An expression that fails on a row of somebody else fails on none.
		for _, q := range []string{"$filter=1 div SiblingEntity/stock eq 1", "$orderby=SiblingEntity/title", all + "&$filter=10 div stock gt 0", "$orderby=10 div stock", "$filter=IsActiveEntity eq false and 1 div stock eq 1"} {
			bob.get("Books?" + q).Status(200).Lacks("treasure")
		}
		for _, q := range []string{"$expand=chapters,SiblingEntity($expand=chapters),author", all + "&$expand=chapters($expand=book,SiblingEntity)", "$expand=SiblingEntity($expand=SiblingEntity)", "$expand=*"} {
			bob.get("Books?" + q).Status(200).Lacks("treasure")
		}
		bob.get("Chapters?$expand=book,SiblingEntity").Status(200).Lacks("treasure")
		bob.get("Books?$apply=aggregate($count as n)").Status(200).Contains(`"n":3`)
		bob.get("Books?$apply=groupby((title))").Status(200).Lacks("treasure")

		// Names that only the framework uses are no names.
		for _, path := range []string{"Books_drafts", "Books.drafts", "DraftAdministrativeData", "DRAFT_DraftAdministrativeData", "Books_activeOrDraft", "Books(ID=1" + active + "/DraftOwner"} {
			if c := bob.get(path).Code(); c < 400 {
				t2(w).Errorf("GET %s: %d", path, c)
			}
		}
		for _, q := range []string{"$select=DraftAdministrativeData_DraftUUID", "$filter=DraftAdministrativeData_DraftUUID ne null", "$orderby=DraftAdministrativeData_DraftUUID", "$expand=DraftOwner",
			"$filter=DraftOwner/InProcessByUser eq 'alice'", "$expand=DraftAdministrativeData($expand=DraftOwner)"} {
			if c := bob.get("Books?" + q).Code(); c < 400 || c >= 500 {
				t2(w).Errorf("GET Books?%s: %d", q, c)
			}
		}

		for path, body := range map[string]string{"Books(ID=1" + draft: `{"title":"x"}`, "Books(ID=1" + draft + "/chapters(ID=" + ch1 + draft: `{"title":"x"}`, "Chapters(ID=" + ch1 + draft: `{"title":"x"}`} {
			bob.patch(path, body).Status(404)
			bob.delete(path).Status(404)
		}
		for _, step := range []string{"draftActivate", "draftPrepare", "stamp"} {
			bob.post("Books(ID=1"+draft+"/S."+step, `{}`).Status(404)
		}
		bob.post("Books(ID=1"+draft+"/chapters", `{"title":"x"}`).Status(404)
		bob.post("Books", `{"ID":9,"title":"mine"}`).Status(409) // as with any key that is taken
		bob.post("Chapters", `{"title":"x","book_ID":1,"IsActiveEntity":false}`)

		// Parts stay in the draft that they are parts of.
		bob.post("Books(ID=2"+active+"/draftEdit", `{}`).Status(201)
		var part struct{ ID string }
		bob.post("Books(ID=2"+draft+"/chapters", `{"title":"bob's"}`).Status(201).JSON(&part)
		for _, body := range []string{`{"book":{"ID":1}}`, `{"book_ID":1}`, `{"book_ID":9}`, `{"book_ID":77}`} {
			if c := bob.patch("Books(ID=2"+draft+"/chapters(ID="+part.ID+draft, body).Code(); c != 400 && c != 403 {
				t2(w).Errorf("PATCH %s: %d", body, c)
			}
		}
		bob.post("Books(ID=2"+draft+"/chapters", `{"title":"bob's","book_ID":1}`).Status(400)
		bob.post("Books", `{"ID":12,"chapters":[{"title":"bob's","book_ID":1}]}`).Status(400)
		bob.patch("Books(ID=2"+draft, `{"chapters":[{"title":"bob's","book_ID":1}]}`).Status(400)
		bob.patch("Books(ID=2"+draft, `{"chapters":[{"ID":"`+ch1+`","title":"bob's"}]}`).Status(409)
		alice.get("Books(ID=1" + draft + "?$expand=chapters").Status(200).Contains("treasure").Lacks("bob's")
		bob.delete("Books(ID=2" + draft).Status(204)

		// Nothing a payload says of drafts counts.
		var rows struct{ Value []map[string]any }
		alice.get("Books?$filter=ID eq 9&$expand=DraftAdministrativeData").Status(200).JSON(&rows)
		id := rows.Value[0]["DraftAdministrativeData"].(map[string]any)["DraftUUID"].(string)
		bob.post("Books", `{"ID":10,"title":"x","DraftAdministrativeData":{"DraftUUID":"`+id+`"}}`).Status(201)
		bob.get("Books(ID=10" + draft + "?$expand=DraftAdministrativeData").Status(200).Contains(`"CreatedByUser":"bob"`).Lacks(id)
		for _, body := range []string{`{"DraftAdministrativeData_DraftUUID":"` + id + `"}`, `{"DraftAdministrativeData":{"DraftUUID":"` + id + `"}}`, `{"HasActiveEntity":true}`, `{"IsActiveEntity":true}`} {
			bob.patch("Books(ID=10"+draft, body)
			bob.get("Books(ID=10"+draft).Status(200).Contains(`"HasActiveEntity":false`, `"IsActiveEntity":false`)
		}
		bob.get("Books(ID=10" + draft + "?$expand=DraftAdministrativeData").Status(200).Contains(`"CreatedByUser":"bob"`)
		bob.delete("Books(ID=10" + draft).Status(204)
		alice.get("Books(ID=9" + draft).Status(200).Contains("treasure")
		alice.get("Books(ID=1" + draft + "?$expand=chapters").Status(200).Contains("treasure")
	})
}

func t2(w *world) *testing.T { w.t.Helper(); return w.t }

// TestRights follows the rights on active rows through the steps of drafts.
func TestRights(t *testing.T) {
	both(t, nil, func(w *world) {
		erin, frank, carl, ben, admin := w.as("erin"), w.as("frank"), w.as("carl"), w.as("ben"), w.as("admin")

		// NEW needs CREATE; EDIT needs UPDATE of the row, and to see it.
		erin.post("Orders", `{"number":"X"}`).Status(403)
		w.as("").post("Orders", `{}`).Status(401)
		w.as("").get("Orders?$filter=IsActiveEntity eq false").Status(401)
		carl.post("Orders(ID="+o1+active+"/draftEdit", `{}`).Status(403)
		frank.post("Orders(ID="+o1+active+"/draftEdit", `{}`).Status(404)
		erin.post("Orders(ID="+o3+active+"/draftEdit", `{}`).Status(403)
		ben.post("Orders(ID="+o1+active+"/draftEdit", `{}`).Status(404)
		ben.get("Orders?$filter=IsActiveEntity eq false").Status(200).Contains(`"value":[]`)
		erin.post("Orders(ID="+o1+active+"/draftEdit", `{}`).Status(201)
		for _, preserve := range []string{"true", "false"} { // the draft of a hidden row does not show either
			frank.post("Orders(ID="+o1+active+"/draftEdit", `{"PreserveChanges":`+preserve+`}`).Status(404)
		}
		frank.delete("Orders(ID=" + o1 + active).Status(404)
		frank.patch("Orders(ID="+o1+active, `{"number":"x"}`).Status(404)

		// Elements: what may not be read is not copied, what may not be written is not sent, and both stay as they are.
		erin.get("Orders(ID="+o1+draft).Status(200).Contains(`"fixed":5`).Lacks("s1", "secret", "blind", "b1")
		erin.get("Orders(ID=" + o1 + draft + "?$select=secret").Status(403)
		erin.get("Orders?$filter=IsActiveEntity eq false and secret eq null").Status(403)
		erin.patch("Orders(ID="+o1+draft, `{"secret":"mine"}`).Status(403)
		erin.patch("Orders(ID="+o1+draft, `{"fixed":6}`).Status(403)
		erin.patch("Orders(ID="+o1+draft, `{"number":"A2","items":[{"up__ID":"`+o1+`","pos":2,"qty":21},{"pos":3,"qty":30}]}`).Status(200)
		erin.post("Orders(ID="+o1+draft+"/draftActivate", `{}`).Status(200).Contains(`"number":"A2"`)
		admin.get("Orders(ID="+o1+active+"?$expand=items").Status(200).Contains(`"secret":"s1"`, `"fixed":5`, `"blind":"b1"`, `"qty":21`, `"qty":30`).Lacks(`"qty":10`)

		// SAVE checks the new values.
		erin.post("Orders(ID="+o1+active+"/draftEdit", `{}`).Status(201)
		erin.patch("Orders(ID="+o1+draft, `{"blind":"b9"}`).Status(200)
		erin.post("Orders(ID="+o1+draft+"/draftActivate", `{}`).Status(200)
		admin.get("Orders(ID=" + o1 + active).Status(200).Contains(`"blind":"b9"`)
		erin.post("Orders(ID="+o1+active+"/draftEdit", `{}`).Status(201)
		erin.patch("Orders(ID="+o1+draft, `{"status":"closed"}`).Status(200)
		erin.post("Orders(ID="+o1+draft+"/draftActivate", `{}`).Status(403)
		admin.get("Orders(ID=" + o1 + active).Status(200).Contains(`"status":"open"`)
		erin.get("Orders(ID=" + o1 + draft).Status(200).Contains(`"status":"closed"`)

		// The row is taken away while it is edited.
		w.pass(20 * time.Minute)
		admin.patch("Orders(ID="+o1+active, `{"status":"done"}`).Status(200)
		erin.patch("Orders(ID="+o1+draft, `{"status":"open"}`).Status(200)
		erin.post("Orders(ID="+o1+draft+"/draftActivate", `{}`).Status(403)
		w.pass(20 * time.Minute)
		admin.delete("Orders(ID=" + o1 + active).Status(204)
		erin.get("Orders(ID=" + o1 + draft).Status(404)
		erin.post("Orders(ID="+o1+draft+"/draftActivate", `{}`).Status(404)

		// Who may only create edits what he has begun, and no more.
		var row struct{ ID string }
		carl.post("Orders", `{"number":"N","items":[{"pos":1,"qty":1}]}`).Status(201).JSON(&row)
		carl.patch("Orders(ID="+row.ID+draft, `{"number":"N2"}`).Status(200)
		carl.post("Orders(ID="+row.ID+draft+"/items", `{"pos":2,"qty":2}`).Status(201)
		carl.post("Orders(ID="+row.ID+draft+"/draftActivate", `{}`).Status(201).Contains(`"number":"N2"`)
		carl.post("Orders(ID="+row.ID+active+"/draftEdit", `{}`).Status(403)
	})
}

// TestParts has rows that are parts of others' documents.
func TestParts(t *testing.T) {
	both(t, nil, func(w *world) {
		erin, frank := w.as("erin"), w.as("frank")
		erin.post("Orders(ID="+o1+active+"/draftEdit", `{}`).Status(201)
		frank.post("Orders(ID="+o2+active+"/draftEdit", `{}`).Status(201)
		frank.get("Orders(ID=" + o1 + draft + "/items").Status(404)
		frank.get("Orders(ID=" + o2 + draft + "/items").Status(200).Contains(`"value":[]`)
		frank.patch("Orders(ID="+o1+draft+"/items(up__ID="+o1+",pos=1"+draft, `{"qty":1}`).Status(404)
		frank.post("Orders(ID="+o1+draft+"/items", `{"pos":9}`).Status(404)
		frank.post("Orders(ID="+o2+draft+"/items", `{"pos":9,"up__ID":"`+o1+`"}`).Status(400)
		frank.patch("Orders(ID="+o2+draft, `{"items":[{"up__ID":"`+o1+`","pos":1,"qty":666}]}`).Status(400)
		frank.get("Orders?$expand=items&"+all).Status(200).Lacks(`"qty":10`, `"qty":666`)
		erin.get("Orders(ID="+o1+draft+"?$expand=items").Status(200).Contains(`"qty":10`, `"qty":20`).Lacks("666")
	})
}

// TestByCode has handlers of an application, which act as the user.
func TestByCode(t *testing.T) {
	w := start(t, nil, nil)
	w.as("alice").post("Books(ID=1"+active+"/draftEdit", `{}`).Status(201)
	run := func(user, entity string) (int, error) {
		res, err := w.CDS.Service("S").Run(w.As(user), &cqn.Select{From: &cqn.From{Path: cqn.NewRef(entity)}})
		if err != nil {
			return 0, err
		}
		return len(res.Rows), nil
	}
	for _, c := range []struct {
		user, entity string
		rows         int
	}{{"alice", "S.Books", 3}, {"bob", "S.Books", 3}, {"alice", "S.Books.drafts", 1}, {"bob", "S.Books.drafts", 0}} {
		if n, err := run(c.user, c.entity); n != c.rows || err != nil {
			t.Errorf("%s reads %d rows of %s (%v), want %d", c.user, n, c.entity, err, c.rows)
		}
	}
	for _, entity := range []string{"S.DraftAdministrativeData", "DRAFT.DraftAdministrativeData", "S.Books.activeOrDraft"} {
		if n, err := run("alice", entity); err == nil {
			t.Errorf("%s: %d rows, want an error", entity, n)
		}
	}
	_, err := w.CDS.Service("S").Run(w.As("bob"), &cqn.Update{Entity: cqn.NewRef("S.Books.drafts"), Data: cqn.NewRow(cqn.Field{Name: "title", Value: cqn.String("x")})})
	if err != nil && cds.AsError(err).Status != 404 {
		t.Error(err)
	}
	w.as("alice").get("Books(ID=1" + draft).Contains(`"title":"One"`)
}

// TestLostRole has a user who made a draft and may not see the entity any more.
func TestLostRole(t *testing.T) {
	w := start(t, nil, func(c *cdstest.Config) { c.Users = append(c.Users, cdstest.User("zoe", cdstest.Roles("creator"))) })
	var row struct{ ID string }
	w.as("zoe").post("Orders", `{"number":"N"}`).Status(201).JSON(&row)
	u := *w.UserNamed("erin") // no CREATE, and nobody's drafts
	u.ID = "zoe"
	ctx := w.CDS.NewContext(t.Context(), &u, "")
	res, err := w.CDS.Service("S").Dispatch(ctx, &cds.RawRequest{Event: "READ", Target: w.CDS.Model.Entity("S.Orders.drafts"), User: &u,
		Query: &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.Orders.drafts")}}})
	if err != nil || len(res.Rows) != 1 { // READ is granted to all, and the draft is theirs
		t.Errorf("got %v, %v", res, err)
	}
	s := w.CDS.Service("S")
	reader := *w.UserNamed("alice") // only READ and DELETE
	reader.ID = "zoe"
	at := &cqn.Ref{Path: []cqn.Step{{Name: "S.Orders.drafts", Filter: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.String(row.ID)}}}}}
	for _, ev := range []cds.Event{"DELETE", "UPDATE"} {
		r := &cds.RawRequest{Event: ev, Target: w.CDS.Model.Entity("S.Orders.drafts"), User: &reader, Data: cqn.NewRow(), Query: &cqn.Delete{From: at}}
		if _, err := s.Dispatch(w.CDS.NewContext(t.Context(), &reader, ""), r); err == nil || cds.AsError(err).Status != 403 {
			t.Errorf("%s: got %v, want 403", ev, err)
		}
	}
	for _, ev := range []cds.Event{cds.NewDraft, cds.SaveDraft} {
		r := &cds.RawRequest{Event: ev, Target: w.CDS.Model.Entity("S.Orders.drafts"), User: &u, Data: cqn.NewRow()}
		if ev == cds.SaveDraft {
			r.Op = r.Target.Action("draftActivate")
			r.Query = &cqn.Select{From: &cqn.From{Path: &cqn.Ref{Path: []cqn.Step{{Name: r.Target.Name, Filter: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.String(row.ID)}}}}}}}
		}
		if _, err := s.Dispatch(ctx, r); err == nil || cds.AsError(err).Status != 403 {
			t.Errorf("%s: got %v, want 403", ev, err)
		}
	}
}
