package drafttest

import (
	"context"
	"testing"

	cds "cds/runtime"
	"cds/runtime/cdstest"
)

// The typed side of Books as the generator would write it.
type (
	brand struct{}
	book  struct {
		ID    cds.Opt[int32]
		Title cds.Opt[string]
		Stock cds.Opt[int32]
		cds.Ext
	}
	bookRef struct{ cds.Entity[book] }
)

func (x *book) CDSFields(f *cds.Fields) {
	cds.Field(f, "ID", &x.ID)
	cds.Field(f, "title", &x.Title)
	cds.Field(f, "stock", &x.Stock)
}

// TestTyped has typed handlers for steps of drafts: they are registered for the entity, whichever of its sides the step happens to.
func TestTyped(t *testing.T) {
	books := cds.EntityRef[book](bookRef{cds.NewEntity[book]("S.Books")})
	var saved string
	hs := []cds.Handler[brand]{
		cds.BeforeEntity[brand](cds.NewDraft, books, func(_ context.Context, req *cds.Request[book]) error {
			req.Data.Stock.Set(42)
			return nil
		}),
		cds.BeforeEntity[brand](cds.PatchDraft, books, func(_ context.Context, req *cds.Request[book]) error {
			req.Data.Stock.Set(43)
			return nil
		}),
		cds.BeforeEntity[brand](cds.SaveDraft, books, func(_ context.Context, req *cds.Request[book]) error {
			saved = req.Data.Title.Or("")
			req.Data.Title.Set(saved + "!")
			return nil
		}),
	}
	w := start(t, nil, func(c *cdstest.Config) {
		c.Register = func(app *cds.App) error { return cds.Serve(app, "S", cds.PolicyOf(app, "S"), nil, hs) }
	})
	alice := w.as("alice")
	alice.post("Books", `{"ID":9,"title":"x"}`).Status(201).Contains(`"stock":42`)
	alice.patch("Books(ID=9"+draft, `{"title":"y"}`).Status(200).Contains(`"stock":43`)
	alice.post("Books(ID=9"+draft+"/draftActivate", `{}`).Status(201).Contains(`"title":"y!"`)
	if saved != "y" {
		t.Errorf("SAVE saw %q", saved)
	}
}

// TestBatch has the requests of an object page in batches.
func TestBatch(t *testing.T) {
	w := start(t, nil, nil)
	alice := w.HTTP().As("alice")
	alice.POST("/s/$batch", `{"requests":[
		{"id":"1","method":"POST","url":"Books","atomicityGroup":"g1","headers":{"content-type":"application/json"},"body":{"ID":9,"title":"x"}},
		{"id":"2","method":"PATCH","url":"$1","atomicityGroup":"g1","dependsOn":["1"],"headers":{"content-type":"application/json"},"body":{"stock":4}},
		{"id":"3","method":"GET","url":"Books(ID=9,IsActiveEntity=false)?$select=stock,HasActiveEntity&$expand=DraftAdministrativeData($select=DraftIsCreatedByMe)","dependsOn":["g1"]}]}`).
		Status(200).Contains(`"stock":4`, `"DraftIsCreatedByMe":true`, `"status":201`).Lacks(`"status":4`, `"status":5`)
	alice.POST("/s/$batch", `{"requests":[
		{"id":"1","method":"POST","url":"Books(ID=9,IsActiveEntity=false)/S.draftPrepare","atomicityGroup":"g1","headers":{"content-type":"application/json"},"body":{}},
		{"id":"2","method":"POST","url":"Books(ID=9,IsActiveEntity=false)/S.draftActivate?$select=ID,stock","atomicityGroup":"g1","dependsOn":["1"],"headers":{"content-type":"application/json"},"body":{}}]}`).
		Status(200).Contains(`"status":201`, `"IsActiveEntity":true`)
	alice.GET("/s/Books(ID=9,IsActiveEntity=true)").Status(200)
	w.empty()
}
