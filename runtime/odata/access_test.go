package odata

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/auth"
	"cds/runtime/odata/internal/testmodel"
)

// TestStrangers: who may not enter a service learns nothing of it, whatever is wrong with the request besides, and no handler runs.
func TestStrangers(t *testing.T) {
	s := newStage(t, testmodel.Restricted(t), "Shop", Options{Unauthorized: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(401)
	}})
	for _, request := range []string{
		"GET /", "HEAD /", "GET /$metadata", "POST /$batch", "PUT /$metadata", "GET /Books", "GET /Nope", "GET /Books(1)/nope", "GET /Books(x)",
		"GET /Books(1", "PATCH /Books", "POST /Books(1)", "POST /Books", "PATCH /Books(1)", "PUT /Books(1)/title", "DELETE /Books(1)",
		"GET /Books?$filter=nope eq 1", "GET /Books?$frob=1", "GET /Books/$count", "GET /Books(1)/image", "GET /sum(a=x)", "GET /reset", "POST /reset",
		"POST /Books(1)/order", "GET /Books(1)/margin()",
	} {
		for _, body := range []string{"", "not json"} {
			s.user = auth.Anonymous
			if w := s.do(request, body); w.Code != 401 || w.Body.Len() > 0 || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("anonymous %s: %d %s", request, w.Code, w.Body)
			}
			s.user = auth.New(auth.User{ID: "bob"}, "clerk")
			w := s.do(request, body)
			if w.Code != 403 || strings.Contains(w.Body.String(), "ope") || w.Header().Get("OData-Version") != "" || w.Header().Get("ETag") != "" {
				t.Errorf("bob %s: %d %s %v", request, w.Code, w.Body, w.Header())
			}
			if len(s.seen) > 0 {
				t.Errorf("%s: the handler was called", request)
			}
		}
	}
}

// TestForbiddenEntity: rights to an entity are asked for before its options and bodies are read.
func TestForbiddenEntity(t *testing.T) {
	s := newStage(t, testmodel.Restricted(t), "Shop", Options{})
	s.user = auth.New(auth.User{ID: "bob"}, "staff")
	for _, request := range []string{
		"GET /Codes", "GET /Codes?$filter=nope eq 1", "GET /Codes(a=1,b='x')", "GET /Codes/$count", "POST /Codes", "PATCH /Codes(a=1,b='x')", "GET /Codes(a=1,b='x')/text",
	} {
		w := s.do(request, "not json")
		if w.Code != 403 || !strings.Contains(w.Body.String(), `"message":"Forbidden"`) || w.Header().Get("OData-Version") != "4.0" {
			t.Errorf("%s: %d %s", request, w.Code, w.Body)
		}
		if len(s.seen) > 0 {
			t.Errorf("%s: the handler was called", request)
		}
	}
	if w := s.do("GET /Books", ""); w.Code != 200 {
		t.Errorf("Books: %d %s", w.Code, w.Body)
	}
	s.user = auth.New(auth.User{ID: "alice"}, "staff", "admin")
	if w := s.do("GET /Codes", ""); w.Code != 200 {
		t.Errorf("Codes: %d %s", w.Code, w.Body)
	}
}

// TestLogin: an anonymous user who may enter the service but not an entity gets the challenge, from within OData.
func TestLogin(t *testing.T) {
	m := testmodel.Restricted(t)
	m.Service("Shop").Annotations = nil // open to all
	s := newStage(t, m, "Shop", Options{Unauthorized: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Del("OData-Version")
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(401)
	}})
	w := s.do("GET /Codes", "")
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" || w.Header().Get("OData-Version") != "4.0" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// TestStarLeavesOut: $expand=* takes along what may be read and nothing else.
func TestStarLeavesOut(t *testing.T) {
	m := testmodel.Restricted(t)
	s := newStage(t, m, "Shop", Options{})
	s.user = auth.New(auth.User{ID: "bob"}, "staff")
	if w := s.do("GET /Books?$expand=*", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var got []string
	for _, col := range s.last().Query.(*cqn.Select).Columns {
		if col.Expand != nil {
			got = append(got, cqn.Format(col.X))
		}
	}
	if fmt.Sprint(got) != "[parent items]" { // without author
		t.Errorf("expanded: %v", got)
	}
}
