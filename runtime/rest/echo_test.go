package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
)

// desk has elements that some may write and not read, also such as the server fills, and in parts.
const desk = `
@protocol: ['odata-v4', 'rest'] @requires: 'authenticated-user' service Desk {
  entity Notes { key ID : Integer; title : String;
    @restrict: [{ grant: ['CREATE', 'UPDATE'], to: 'any' }, { grant: 'READ', to: 'boss' }] pin : String;
    @restrict: [{ grant: ['CREATE', 'UPDATE'], to: 'any' }, { grant: 'READ', to: 'boss' }] level : String default 'secret';
    @restrict: [{ grant: ['CREATE', 'UPDATE'], to: 'any' }, { grant: 'READ', to: 'boss' }] clerk : String @cds.on.insert: $user @cds.on.update: $user;
    lines : Composition of many Lines on lines.note = $self; }
  entity Lines { key note : Association to Notes; key nr : Integer; text : String;
    @restrict: [{ grant: ['CREATE', 'UPDATE'], to: 'any' }, { grant: 'READ', to: 'boss' }] pin : String; }
}`

// TestEchoTellsNothing: the answer to a write shows no element that its user may not read, not even what they sent, whatever the way.
func TestEchoTellsNothing(t *testing.T) {
	app := cdstest.New(t, cdstest.Config{
		Model: func() (*csn.Model, error) {
			r := parser.CompileString("desk.cds", desk)
			return r.Model, r.Diags.Err()
		},
		Users: []cdstest.TestUser{cdstest.User("bob"), cdstest.User("alice", cdstest.Roles("boss"))},
	})
	const lines = `,"lines":[{"nr":1,"text":"t","pin":"4711"}]`
	ways := []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/rest/desk/Notes", `{"ID":1,"title":"a","pin":"4711"` + lines + `}`, 201},
		{"POST", "/rest/desk/Notes", `[{"ID":2,"title":"a","pin":"4711"` + lines + `},{"ID":3,"pin":"4711"}]`, 201},
		{"PATCH", "/rest/desk/Notes/1", `{"pin":"4711"` + lines + `}`, 200},
		{"PATCH", "/rest/desk/Notes", `[{"ID":1,"pin":"4711"` + lines + `}]`, 200},
		{"PUT", "/rest/desk/Notes/1", `{"title":"b","pin":"4711"}`, 200},
		{"PUT", "/rest/desk/Notes", `[{"ID":9,"pin":"4711"` + lines + `}]`, 200},
		{"PUT", "/rest/desk/Notes/10", `{"pin":"4711"` + lines + `}`, 201},
		{"POST", "/rest/desk/Notes/1/lines", `{"nr":7,"pin":"4711"}`, 201},
		{"POST", "/odata/v4/desk/Notes", `{"ID":11,"title":"a","pin":"4711"` + lines + `}`, 201},
		{"PATCH", "/odata/v4/desk/Notes(11)", `{"pin":"4711"` + lines + `}`, 200},
		{"PUT", "/odata/v4/desk/Notes(12)", `{"pin":"4711"` + lines + `}`, 201},
		{"PUT", "/odata/v4/desk/Notes(11)/pin", `{"value":"4711"}`, 204},
		{"POST", "/odata/v4/desk/$batch", `{"requests":[{"id":"1","method":"POST","url":"Notes","body":{"ID":21,"pin":"4711"` + lines + `}},{"id":"2","atomicityGroup":"g","method":"PATCH","url":"$1","body":{"pin":"4711"}}]}`, 200},
	}
	for _, w := range ways {
		r := app.HTTP().As("bob").With("Content-Type", "application/json").Do(w.method, w.path, w.body)
		got := r.Body()
		if r.Code() != w.status || strings.Contains(got, `"error"`) {
			t.Errorf("%s %s: %d %s", w.method, w.path, r.Code(), got)
		}
		for _, x := range []string{"4711", "pin\":", "level", "secret", "clerk"} {
			if strings.Contains(got, x) {
				t.Errorf("%s %s tells %s: %s", w.method, w.path, x, got)
			}
		}
	}
	if b := app.HTTP().As("alice").Do(http.MethodGet, "/rest/desk/Notes/1?$expand=lines", nil).Body(); !strings.Contains(b, "4711") || !strings.Contains(b, "secret") {
		t.Errorf("who may read them: %s", b)
	}
	if b := app.HTTP().As("alice").Do(http.MethodPatch, "/rest/desk/Notes/1", `{"pin":"1234"}`).Body(); !strings.Contains(b, "1234") || !strings.Contains(b, `"clerk":"alice"`) {
		t.Errorf("who may read them: %s", b)
	}
}
