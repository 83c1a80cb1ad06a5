package local_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/authstore"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/strategies/local"
)

const recordings = "../../../shared/conformance"

// A question is a recorded request of somebody.
type question struct {
	Name, Method, Path string
	User               *string
	Headers            map[string]string
	Body               any
}

func questions(t *testing.T) []question {
	t.Helper()
	files, _ := filepath.Glob(recordings + "/cases/authlab-*.jsonl")
	var out []question
	for _, name := range files {
		if strings.HasSuffix(name, ".expect.jsonl") {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(f)
		sc.Buffer(nil, 1<<22)
		for sc.Scan() {
			var q question
			if err := json.Unmarshal(sc.Bytes(), &q); err == nil && q.Path != "" && q.Headers["authorization"] == "" && q.Headers["Authorization"] == "" {
				out = append(out, q)
			}
		}
		f.Close()
	}
	return out
}

// Users of the database get the answers that the same users of the configuration get, for all that was recorded: status and, for reads, the rows.
func TestConformance(t *testing.T) {
	if _, err := os.Stat(recordings + "/models/authlab"); err != nil {
		t.Skip("the recorded requests are not here")
	}
	dir := recordings + "/models/authlab"
	model := func() (*csn.Model, error) {
		res := cdl.CompileProject(os.DirFS(dir), cdl.Options{})
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	}
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	mocked := cdstest.New(t, cdstest.Config{Model: model, Dir: dir, Now: now, Overrides: config.Section{"requires": obj{"auth": obj{"strict": false}}}})
	section := config.Section{"kind": "local", "jwt": obj{"secret": "a secret of more than thirty-two bytes"}, "strict": false, "local": obj{"id": "name", "path": "/login"}}
	ours := cdstest.New(t, cdstest.Config{Model: model, Dir: dir, Now: now, Overrides: config.Section{"requires": obj{"auth": map[string]any(section)}}})
	tokens := authlabUsers(t, ours, section, now)
	n, differ := 0, 0
	deployed := regexp.MustCompile(`"\d{4}-\d\d-\d\dT[\d:.]+Z"`) // when the two databases were
	for _, q := range questions(t) {
		a, b := mocked.HTTP(), ours.HTTP()
		if q.User != nil {
			tok, known := tokens[*q.User]
			if !known { // the other kind has technical users, passwords, and a user of any name
				continue
			}
			a = a.With("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(*q.User+":")))
			b = b.With("Authorization", "Bearer "+tok)
		}
		for k, v := range q.Headers {
			a, b = a.With(k, v), b.With(k, v)
		}
		want, got := a.Do(q.Method, q.Path, q.Body), b.Do(q.Method, q.Path, q.Body)
		n++
		if got.Code() != want.Code() || q.Method == "GET" && deployed.ReplaceAllString(got.Body(), "") != deployed.ReplaceAllString(want.Body(), "") {
			if differ++; differ <= 10 {
				t.Errorf("%s %s %s as %v:\n%d %.300s\nwant\n%d %.300s", q.Name, q.Method, q.Path, q.User, got.Code(), got.Body(), want.Code(), want.Body())
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d requests were found", n)
	}
	t.Logf("%d requests, %d differ", n, differ)
}

// authlabUsers adds the users of the recordings, and returns a token of each.
func authlabUsers(t *testing.T, a *cdstest.App, section config.Section, now func() time.Time) map[string]string {
	t.Helper()
	store, err := authstore.Open(t.Context(), a.CDS.DB, now)
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{}
	for _, u := range []auth.StoredUser{
		{Name: "alice", Tenant: "t1", Roles: []string{"admin"}, Attrs: map[string][]string{"country": {"DE"}}},
		{Name: "bob", Tenant: "t1", Roles: []string{"Viewer"}, Attrs: map[string][]string{"country": {"DE"}, "limit": {"100"}}},
		{Name: "carol", Tenant: "t1", Roles: []string{"Editor"}, Attrs: map[string][]string{"country": {"DE", "FR"}, "limit": {"500"}}},
		{Name: "dave", Tenant: "t2"},
		{Name: "erin", Tenant: "t2", Roles: []string{"Viewer", "Editor"}, Attrs: map[string][]string{"country": {}}},
		{Name: "frank", Tenant: "t2", Roles: []string{"Viewer"}, Attrs: map[string][]string{"country": {"FR"}, "limit": {"500"}}},
		{Name: "hugo", Roles: []string{"Viewer", "Editor", "admin"}, Attrs: map[string][]string{"country": {"XX"}}},
	} {
		if u.ID, err = store.AddUser(t.Context(), &u); err != nil {
			t.Fatal(err)
		}
		if tokens[u.Name], err = local.Sign(section, &u, nil, now(), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	return tokens
}
