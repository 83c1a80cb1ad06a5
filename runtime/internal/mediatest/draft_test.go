package mediatest

import (
	"testing"

	"cds/runtime/cdstest"
)

// Data go with a row into its draft and back, whether they change on the way or not; a draft of somebody else's tells nothing of its own.
func TestDrafts(t *testing.T) {
	const active, draft = "/s/Drafts(ID=1,IsActiveEntity=true)", "/s/Drafts(ID=1,IsActiveEntity=false)"
	both(t, nil, func(t *testing.T, a *cdstest.App) {
		first, second := bytesOf(1, 700_000), bytesOf(2, 700_000)
		alice := a.HTTP().As("alice")
		text := a.HTTP().As("alice").With("Content-Type", "text/plain")
		want := func(path, data string) {
			t.Helper()
			if got := alice.GET(path + "/data").Status(200).Body(); got != data {
				t.Errorf("%s: %d bytes of %.4q, want %.4q", path, len(got), got, data)
			}
		}
		alice.POST(active+"/draftEdit", map[string]any{}).Status(201)
		text.PUT(draft+"/data", first).Status(204)
		alice.GET(active + "/data").Status(204)
		want(draft, first)
		a.HTTP().As("bob").GET(draft + "/data").Status(404)
		a.HTTP().As("bob").With("Content-Type", "text/plain").PUT(draft+"/data", second).Status(404)
		alice.POST(draft+"/draftActivate", map[string]any{}).Status(200)
		want(active, first)
		alice.GET(draft + "/data").Status(404)

		alice.POST(active+"/draftEdit", map[string]any{}).Status(201)
		want(draft, first)
		alice.PATCH(draft, map[string]any{"title": "new"}).Status(200)
		alice.POST(draft+"/draftActivate", map[string]any{}).Status(200).Contains(`"title":"new"`, `"tail":"end"`)
		want(active, first)

		alice.POST(active+"/draftEdit", map[string]any{}).Status(201)
		text.PUT(draft+"/data", second).Status(204)
		want(active, first)
		alice.POST(draft+"/draftActivate", map[string]any{}).Status(200)
		want(active, second)

		alice.POST(active+"/draftEdit", map[string]any{}).Status(201)
		alice.DELETE(draft + "/data").Status(204)
		alice.POST(draft+"/draftActivate", map[string]any{}).Status(200)
		alice.GET(active + "/data").Status(204)
	})
}
