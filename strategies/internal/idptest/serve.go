package idptest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests[r.URL.Path]++
	s.headers[r.URL.Path] = r.Header.Clone()
	s.mu.Unlock()
	for {
		s.mu.Lock()
		mode, changed := s.mode, s.changed
		s.mu.Unlock()
		if mode != Hang {
			s.answer(w, r, mode)
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, mode Mode) {
	switch mode {
	case OK, TooMany:
		s.document(w, r, mode)
	case Fail:
		http.Error(w, "no", http.StatusInternalServerError)
	case Drop:
		panic(http.ErrAbortHandler)
	case Garbage:
		write(w, "\x00\xff{keys")
	case HTML:
		w.Header().Set("Content-Type", "text/html")
		write(w, "<!doctype html><title>Maintenance</title><p>{\"keys\":[]}")
	case Empty:
		write(w, `{"keys":[]}`)
	case Huge:
		write(w, `{"keys":[`)
		for range 20 {
			write(w, strings.Repeat(`{"kty":"none"},`, 5000))
		}
		write(w, `{}]}`)
	case Redirect:
		http.Redirect(w, r, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)+"/elsewhere", http.StatusFound)
	}
}

func (s *Server) document(w http.ResponseWriter, r *http.Request, mode Mode) {
	w.Header().Set("Content-Type", "application/json")
	if s.MaxAge > 0 {
		w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", s.MaxAge))
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{
			"issuer": s.URL, "jwks_uri": s.JWKS(), "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token",
			"introspection_endpoint": s.Introspection(), "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"ES256", "RS256"}, "code_challenge_methods_supported": []string{"S256"},
		}
		for k, v := range s.Metadata {
			if m[k] = v; v == nil {
				delete(m, k)
			}
		}
		reply(w, m)
	case "/jwks.json", "/token_keys", "/oauth2/certs":
		var set jose.JSONWebKeySet
		s.mu.Lock()
		for _, k := range s.keys {
			set.Keys = append(set.Keys, k.JWK())
		}
		s.mu.Unlock()
		for mode == TooMany && len(set.Keys) <= 100 {
			set.Keys = append(set.Keys, set.Keys[0])
		}
		reply(w, set)
	case "/introspect":
		s.introspect(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	if _, _, ok := r.BasicAuth(); !ok || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var m map[string]any
	if s.Active != nil {
		m = s.Active(r.PostFormValue("token"))
	}
	if m == nil {
		m = map[string]any{"active": false}
	}
	reply(w, m)
}

// write and reply take no notice of a client that is gone.
func write(w io.Writer, s string) { _, _ = io.WriteString(w, s) }

func reply(w io.Writer, v any) { _ = json.NewEncoder(w).Encode(v) }
