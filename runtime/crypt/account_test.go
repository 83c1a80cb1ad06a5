package crypt_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/config"
)

const accounted = `
@PersonalData.EntitySemantics: 'DataSubject'
@changelog: [iban]
entity my.People {
  key ID : Integer;
  @PersonalData.FieldSemantics: 'DataSubjectID' @encrypted: 'deterministic' ssn : String(100);
  @PersonalData.IsPotentiallySensitive @changelog @encrypted iban : String(100);
  @PersonalData.IsPotentiallyPersonal @changelog @encrypted home { street : String(100); };
  @PersonalData.IsPotentiallyPersonal @changelog @hash pw : String(100);
  @PersonalData.IsPotentiallyPersonal @changelog name : String(100);
}
@requires: 'authenticated-user' service S {
  entity People as projection on my.People actions { @changelog function changes() returns array of { attribute : String; valueChangedFrom : String; valueChangedTo : String; objectID : String; } };
}
`

// TestAccount: neither the audit log, even if it keeps all values, nor the history of rows has values of encrypted and hashed elements. That they changed is there.
func TestAccount(t *testing.T) {
	on(t, func(t *testing.T) {
		app := cdstest.New(t, cdstest.Config{Model: func() (*csn.Model, error) { return compile(t, accounted), nil }, FS: fstest.MapFS{},
			Users: []cdstest.TestUser{cdstest.User("bob")}, Overrides: config.Section{"audit": map[string]any{"values": "all"}}})
		as := app.HTTP().As("bob")
		as.POST("/odata/v4/s/People", `{"ID":1,"ssn":"PLAIN-ssn","iban":"PLAIN-iban","home_street":"PLAIN-street","pw":"PLAIN-pw","name":"shown one"}`).Status(201)
		as.PATCH("/odata/v4/s/People(1)", `{"iban":"PLAIN-iban","name":"shown one"}`).Status(200)
		as.PATCH("/odata/v4/s/People(1)", `{"iban":"PLAIN-iban2","pw":"PLAIN-pw2","name":"shown two","home_street":null}`).Status(200)
		as.GET("/odata/v4/s/People").Status(200).Contains("PLAIN-iban2")
		as.GET("/odata/v4/s/People(1)/changes()").Status(200).Lacks("PLAIN", `"attribute":"pw"`).Contains("shown two", `"attribute":"iban"`, `"valueChangedTo":"***"`)
		as.DELETE("/odata/v4/s/People(1)").Status(204)
		all := ""
		err := cds.Privileged(app.As("bob"), "a test", func(ctx context.Context) error {
			for _, sql := range []string{"SELECT data AS v FROM cds_audit", "SELECT element || ' ' || action || ' ' || coalesce(object, '') || ' ' || coalesce(old_value, '-') || ' ' || coalesce(new_value, '-') AS v FROM cds_changes"} {
				res, err := cds.DB(ctx).NativeQuery(ctx, sql)
				if err != nil {
					return err
				}
				for _, r := range res.Rows {
					all += r.Value("v").Str() + "\n"
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(all, "PLAIN") || strings.Contains(all, "cds1.") || strings.Contains(all, "argon2") {
			t.Errorf("a value is kept:\n%s", all)
		}
		for _, want := range []string{"shown one", "shown two", "iban create  - ***", "iban update  *** ***", "pw update  - ***", "home_street update  *** -", "iban delete  *** -", `"name":"iban"`} {
			if !strings.Contains(all, want) {
				t.Errorf("%s is not there:\n%s", want, all)
			}
		}
		if n := strings.Count(all, "iban update"); n != 1 {
			t.Errorf("%d changes of iban: one update left it as it was", n)
		}
		if strings.Contains(app.Log(), "PLAIN") {
			t.Error("a value is in the log")
		}
	})
}
