// Package leaktest proves that what a user may not see does not show: 33 ways in which rights are walked around elsewhere, each tried at each door
// and on each database.
//
// A request is tried in two worlds that differ only in what its user may not see. The answers must be the same, byte by byte; a user who may see it all
// gets different ones, or the test has lost its sense.
package leaktest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/runtime/ql"
)

const model = `
namespace d;
entity Trips { key ID : Integer; title : String(40); guest : Association to Guests; code : Association to Codes; }
entity Guests { key ID : Integer; name : String(40); country : String(3); iban : String(40); trips : Association to many Trips on trips.guest = $self; }
entity Codes { key ID : Integer; text : String(40); trips : Association to many Trips on trips.code = $self; }
entity Tours { key ID : Integer; title : String(40); country : String(3); stops : Composition of many Stops on stops.tour = $self;
  crew : Composition of many { key nr : Integer; name : String(40); } }
entity Stops { key ID : Integer; tour : Association to Tours; seats : Integer; note : String(40); }
@restrict: [{ grant: 'READ', to: 'Viewer', where: 'country = $user.country' }, { grant: '*', to: 'admin' }]
entity Safes { key ID : Integer; label : String(40); country : String(3); drawers : Composition of many Drawers on drawers.safe = $self; }
entity Drawers { key ID : Integer; safe : Association to Safes; content : String(40); }
entity Notes { key ID : UUID; text : String(40); owner : String(20); }

@protocol: ['odata', 'rest'] @path: 'nav' @requires: 'authenticated-user' service Nav {
  @cds.redirection.target @requires: 'any' entity Trips as projection on d.Trips;
  @cds.redirection.target @restrict: [{ grant: 'READ', to: 'Viewer', where: 'country = $user.country' }, { grant: '*', to: 'admin' }]
  entity Guests as projection on d.Guests;
  @requires: 'admin' entity Codes as projection on d.Codes;
  entity GuestsAgain as projection on Guests { ID, name, country, trips };
  @requires: 'admin' entity GuestNames as select from d.Guests { key ID, name };
  @requires: 'admin' entity TripsFlat as select from d.Trips { key ID, title, guest.name as guestName, guest.iban as iban, code.text as codeText };
}
@protocol: ['odata', 'rest'] @path: 'comp' @requires: 'authenticated-user' service Comp {
  @restrict: [{ grant: 'READ', where: 'country = $user.country' }, { grant: 'WRITE', to: 'Editor', where: 'country = $user.country' }, { grant: '*', to: 'admin' }]
  entity Tours as projection on d.Tours;
  @restrict: [{ grant: 'READ', where: 'seats < 50' }, { grant: 'WRITE', to: 'Editor', where: 'seats < 10' }, { grant: '*', to: 'admin' }]
  entity Stops as projection on d.Stops;
}
@protocol: ['odata', 'rest'] @path: 'vault' @requires: 'authenticated-user' service Vault {
  @cds.redirection.target entity Safes as projection on d.Safes;
  entity SomeDrawers as projection on d.Drawers;
}
@protocol: ['odata', 'rest'] @path: 'rules' @requires: 'any' service Rules {
  @restrict: [{ grant: '*', where: 'country = $user.country or $user.country is null' }] entity OrNull as projection on d.Guests { ID, name, country };
  @restrict: [{ grant: '*', where: 'country = $user.country' }] entity ByCountry as projection on d.Guests { ID, name, country };
  @restrict: [{ grant: '*', where: 'owner = $user' }] entity Notes as projection on d.Notes;
  @requires: 'any' action trouble();
  @requires: 'Viewer' function forViewers() returns String;
}
`

// shown is what bob may see, who is a Viewer and Editor of DE; hidden is what he may not, in two forms.
var shown = map[string]string{
	"Trips":      "ID,title,guest_ID,code_ID\n1,one,1,2\n2,two,2,1\n3,three,5,3\n4,four,,\n",
	"Guests":     "ID,name,country,iban\n1,Anna,DE,DE01\n",
	"Codes":      "ID,text\n",
	"Tours":      "ID,title,country\n1,mine,DE\n2,other,DE\n",
	"Tours.crew": "up__ID,nr,name\n1,1,Jim\n",
	"Stops":      "ID,tour_ID,seats,note\n1,1,5,first\n2,1,20,second\n",
	"Safes":      "ID,label,country\n1,small,DE\n",
	"Drawers":    "ID,safe_ID,content\n1,1,socks\n",
	"Notes":      "ID,text,owner\n10000000-0000-4000-8000-000000000001,mine,bob\n",
}

var hidden = [2]map[string]string{{
	"Guests":     "2,SECRET Paul,FR,SECRET 02\n3,SECRET Nemo,,SECRET 03\n5,SECRET Zoe,US,SECRET 05\n",
	"Codes":      "1,SECRET alpha\n2,SECRET beta\n3,SECRET gamma\n",
	"Tours":      "3,SECRET tour,FR\n5,SECRET trip,US\n",
	"Tours.crew": "3,1,SECRET Tom\n",
	"Stops":      "3,3,5,SECRET stop\n4,1,66,SECRET full\n",
	"Safes":      "3,SECRET big,FR\n4,SECRET null,\n",
	"Drawers":    "3,3,SECRET gold\n",
	"Notes":      "00000000-0000-4000-8000-000000000003,SECRET note,ann\n",
}, {
	"Guests":     "2,SECRET Pia,US,SECRET 42\n5,SECRET Aaron,FR,SECRET 43\n6,SECRET Xenia,FR,SECRET 06\n",
	"Codes":      "1,SECRET omega\n2,SECRET aleph\n4,SECRET beth\n",
	"Tours":      "4,SECRET voyage,FR\n",
	"Tours.crew": "4,2,SECRET Tim\n",
	"Stops":      "5,4,7,SECRET halt\n6,1,77,SECRET crowd\n7,2,88,SECRET mass\n",
	"Safes":      "5,SECRET huge,US\n",
	"Drawers":    "5,5,SECRET silver\n6,5,SECRET coins\n",
	"Notes":      "00000000-0000-4000-8000-000000000004,SECRET memo,ann\n",
}}

// people are the users. ann may see all; dave has nothing but a login; carol has two countries, eve an empty list of them.
var people = []cdstest.TestUser{
	cdstest.User("bob", cdstest.Roles("Viewer", "Editor"), cdstest.Attr("country", "DE")),
	cdstest.User("carol", cdstest.Roles("Viewer"), cdstest.Attr("country", "DE", "AT")),
	cdstest.User("eve", cdstest.Roles("Viewer"), cdstest.Attr("country")),
	cdstest.User("dave"),
	cdstest.User("mallory", cdstest.Roles("other!t1.admin", "shop!t1.admin", "Admin", "ADMIN", " admin", "admin ", "admins", "d.admin", "viewer"), cdstest.Attr("country", "DE")),
	cdstest.User("ann", cdstest.Roles("admin", "Viewer", "Editor"), cdstest.Attr("country", "DE", "FR", "US")),
}

// A world is a running application on one database, with one form of what is hidden.
type world struct {
	*cdstest.App
	deployed map[string][]*cds.Row
	others   map[string]*world // the same in other profiles; forms has the misread restrictions
}

// databases are those that the tests run on.
var databases = []string{"sqlite", "postgres", "postgres-rls"}

// on runs a test on each database.
func on(t *testing.T, test func(t *testing.T)) {
	for _, name := range databases {
		t.Run(name, func(t *testing.T) {
			if name != "sqlite" && testing.Short() {
				t.Skip("SQLite only in short mode")
			}
			t.Setenv("CDS_TEST_DB", name)
			test(t)
		})
	}
}

// files are the data of a world.
func files(model string, secrets map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range shown {
		if !strings.Contains(model, "entity "+strings.SplitN(name, ".", 2)[0]+" {") {
			continue
		}
		out["db/data/d-"+name+".csv"] = &fstest.MapFile{Data: []byte(text + secrets[name])}
	}
	return out
}

// compiled returns the model of a text.
func compiled(text string) func() (*csn.Model, error) {
	return func() (*csn.Model, error) {
		res := parser.CompileString("leaks.cds", text)
		return res.Model, res.Diags.Err()
	}
}

// section is configuration of requires.auth.
func section(name string, value any) config.Section {
	return config.Section{"requires": map[string]any{"auth": map[string]any{name: value}}}
}

// beginAll starts the two worlds; the first one has others.
func beginAll(t *testing.T) (a, b *world) {
	t.Helper()
	a, b = begin(t, model, hidden[0], nil), begin(t, model, hidden[1], nil)
	a.others = map[string]*world{"test": a, "forms": begin(t, misread(allForms()), hidden[0], section("strict", false))}
	for _, profile := range []string{"development", "production"} {
		a.others[profile] = begin(t, model, hidden[0], section("allowInProduction", true), profile)
	}
	return a, b
}

// begin starts an application.
func begin(t *testing.T, text string, secrets map[string]string, more config.Section, profiles ...string) *world {
	t.Helper()
	w := &world{App: cdstest.New(t, cdstest.Config{Model: compiled(text), FS: files(text, secrets), Users: people, Overrides: more, Profiles: profiles,
		Register: func(app *cds.App) error {
			s := app.Service("d.Rules")
			if s == nil {
				return nil
			}
			s.On(cds.Match{Events: []cds.Event{"trouble"}}, func(ctx context.Context, _ *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
				return nil, cds.Privileged(ctx, "a test", func(ctx context.Context) error {
					_, err := cds.DB(ctx).NativeQuery(ctx, "SELECT nosuch FROM d_Codes WHERE text = 'SECRET'")
					return err
				})
			})
			s.On(cds.Match{Events: []cds.Event{"forViewers"}}, func(context.Context, *cds.RawRequest, cds.Next) (*cds.Result, error) {
				v := cqn.String("fine")
				return &cds.Result{Value: &v}, nil
			})
			return nil
		}})}
	w.deployed = w.rows(t)
	return w
}

// rows returns all that is in the database.
func (w *world) rows(t *testing.T) map[string][]*cds.Row {
	t.Helper()
	out := map[string][]*cds.Row{}
	for name := range shown {
		if w.CDS.Model.Entity("d."+name) == nil {
			continue
		}
		rows, err := ql.Select("d."+name).Rows(w.As("ann"), ownerOf{})
		if err != nil {
			t.Fatal(err)
		}
		out[name] = rows
	}
	return out
}

// tables returns it as sorted texts.
func (w *world) tables(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for name, rows := range w.rows(t) {
		out[name] = lines(rows)
	}
	return out
}

func lines(rows []*cds.Row) []string {
	var out []string
	for _, r := range rows {
		out = append(out, text(r))
	}
	slices.Sort(out)
	return out
}

// restore gives the database the rows back that were deployed. On PostgreSQL it is much quicker than Reset.
func (w *world) restore(t *testing.T) {
	t.Helper()
	now := w.rows(t)
	for name, rows := range w.deployed {
		if slices.Equal(lines(rows), lines(now[name])) {
			continue
		}
		if _, err := ql.Delete("d."+name).All().Run(w.As("ann"), ownerOf{}); err != nil {
			t.Fatal(err)
		}
		if _, err := (ownerOf{}).Run(w.As("ann"), &cqn.Insert{Into: "d." + name, Rows: rows}); err != nil {
			t.Fatal(err)
		}
	}
}

// ownerOf runs queries as the owner of the database.
type ownerOf struct{}

func (ownerOf) Run(ctx context.Context, q cqn.Query) (*cds.Result, error) {
	return cds.DB(ctx).Run(ctx, q)
}
