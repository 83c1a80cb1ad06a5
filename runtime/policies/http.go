package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	cds "cds/runtime"
)

// maxBody bounds what is sent.
const maxBody = 64 << 10

// A Handler manages policies over HTTP:
//
//	GET    /authz/policies          all policies, with what is wrong with them
//	POST   /authz/policies          one more
//	GET    /authz/policies/{id}
//	PATCH  /authz/policies/{id}     {"active": false}
//	DELETE /authz/policies/{id}
//
// It is for users with one role. A user who belongs to a tenant sees and writes the policies for users of that tenant only; ids, and how many there may be, are each
// tenant's own. Others name the tenant of a policy by ?tenant=; without that it is one for users of all tenants, and a list has those of every tenant. Policies
// do not hold for it: whoever has the role can always take away what he or somebody else has written.
type Handler struct {
	Manager *Manager
	Path    string
	Role    string
	// Unauthorized answers who is not logged in.
	Unauthorized func(w http.ResponseWriter, r *http.Request)
}

// ServeHTTP answers a request whose user is in its context.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u := cds.UserFrom(r.Context())
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case !u.Identified():
		h.Unauthorized(w, r)
		return
	case !h.Manager.app.Policy.Has(u, h.Role):
		h.Manager.refused(r, u, h.Role)
		fail(w, http.StatusForbidden, "403", "Forbidden", "")
		return
	}
	id, inner := strings.CutPrefix(strings.TrimPrefix(r.URL.Path, h.Path), "/")
	if inner && strings.Contains(id, "/") {
		fail(w, http.StatusNotFound, "404", "Not Found", "")
		return
	}
	one := inner && id != ""
	tenant, every, ok := tenantOf(w, r, u)
	if !ok {
		return
	}
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		h.get(w, r, id, tenant, every)
	case r.Method == http.MethodPost && !one:
		h.add(w, r, u, tenant)
	case r.Method == http.MethodPatch && one:
		h.activate(w, r, u, tenant, id)
	case r.Method == http.MethodDelete && one:
		h.answer(w, r, h.Manager.Remove(r.Context(), u, tenant, id))
	default:
		allow := "GET, HEAD, POST"
		if one {
			allow = "GET, HEAD, PATCH, DELETE"
		}
		w.Header().Set("Allow", allow)
		fail(w, http.StatusMethodNotAllowed, "405", "Method Not Allowed", "")
	}
}

// refused keeps account of who wanted to manage policies and may not.
func (m *Manager) refused(r *http.Request, u *cds.User, role string) {
	reason := "policies are managed by users with the role " + role
	m.log.WarnContext(r.Context(), "authorization refused", "user", u.ID, "tenant", u.Tenant, "event", r.Method, "target", "policies", "status", 403, "reason", reason)
	if m.opt.Audit != nil {
		m.opt.Audit.Offer(r.Context(), cds.AuditEvent{Kind: cds.AuditDenied, Time: m.app.Options.Now().UTC(), User: u, Event: cds.Event(r.Method), Target: "policies", Status: 403, Reason: reason})
	}
}

// tenantOf says of which tenant a request is; every that it names none. It answers, and is not ok, where the tenant is another one's, or the query is not
// understood: a name that is misspelt would lead to another policy.
func tenantOf(w http.ResponseWriter, r *http.Request, u *cds.User) (tenant string, every, ok bool) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(q) > 1 || len(q) == 1 && len(q["tenant"]) != 1 {
		fail(w, http.StatusBadRequest, "POLICY_INVALID", "The query has at most one tenant, and nothing else", "")
		return "", false, false
	}
	if u.Tenant == "" {
		return q.Get("tenant"), !q.Has("tenant"), true
	}
	if q.Has("tenant") && q.Get("tenant") != u.Tenant {
		foreign(w)
		return "", false, false
	}
	return u.Tenant, false, true
}

func foreign(w http.ResponseWriter) {
	fail(w, http.StatusForbidden, "POLICY_TENANT", "Policies for users of another tenant cannot be managed", "")
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request, id, tenant string, every bool) {
	if id != "" {
		p, err := h.Manager.Get(r.Context(), tenant, id)
		if err != nil {
			h.answer(w, r, err)
			return
		}
		write(w, http.StatusOK, p)
		return
	}
	var list []Checked
	var err error
	if every {
		list, err = h.Manager.List(r.Context())
	} else {
		list, err = h.Manager.ListOf(r.Context(), tenant)
	}
	if err != nil {
		h.answer(w, r, err)
		return
	}
	write(w, http.StatusOK, map[string]any{"value": list})
}

// input is a policy that is sent.
type input struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Entity string   `json:"entity"`
	Events []string `json:"events"`
	Roles  []string `json:"roles"`
	Users  []string `json:"users"`
	Tenant string   `json:"tenant"`
	Effect string   `json:"effect"`
	Where  string   `json:"where"`
	Active *bool    `json:"active"`
}

func (h *Handler) add(w http.ResponseWriter, r *http.Request, u *cds.User, tenant string) {
	var in input
	if !decode(w, r, &in) {
		return
	}
	p := &Policy{ID: in.ID, Name: in.Name, Entity: in.Entity, Events: in.Events, Roles: in.Roles, Users: in.Users, Tenant: in.Tenant, Effect: in.Effect, Where: in.Where,
		Active: in.Active == nil || *in.Active}
	if tenant != "" {
		if p.Tenant != "" && p.Tenant != tenant {
			foreign(w)
			return
		}
		p.Tenant = tenant
	}
	warnings, err := h.Manager.Add(r.Context(), u, p)
	if err != nil {
		h.answer(w, r, err)
		return
	}
	at := h.Path + "/" + p.ID
	if p.Tenant != "" {
		at += "?tenant=" + url.QueryEscape(p.Tenant)
	}
	w.Header().Set("Location", at)
	write(w, http.StatusCreated, struct {
		*Policy
		Warnings []string `json:"warnings,omitempty"`
	}{p, warnings})
}

func (h *Handler) activate(w http.ResponseWriter, r *http.Request, u *cds.User, tenant, id string) {
	var in struct {
		Active *bool `json:"active"`
	}
	if !decode(w, r, &in) {
		return
	}
	if in.Active == nil {
		fail(w, http.StatusBadRequest, "POLICY_INVALID", "active is expected, true or false", "")
		return
	}
	h.answer(w, r, h.Manager.Activate(r.Context(), u, tenant, id, *in.Active))
}

// decode reads a JSON object with known properties only. It answers where that fails. Other kinds of content are refused: a page of another site
// cannot send JSON without being asked first.
func decode(w http.ResponseWriter, r *http.Request, to any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "415", "application/json is expected", "")
		return false
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = members(b)
	}
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, "413", "The policy is too large", "")
		return false
	case err != nil:
		message := "The body is no policy"
		var m *memberError
		if errors.As(err, &m) {
			message = m.Error()
		}
		fail(w, http.StatusBadRequest, "POLICY_INVALID", message, "properties: "+strings.Join(properties, ", "))
		return false
	}
	return true
}

// A memberError is about a property that is sent.
type memberError struct{ name, fault string }

func (e *memberError) Error() string { return "A policy " + e.fault + " " + strconv.Quote(e.name) }

// members checks that a text is one JSON object with properties of policies, each once and in exactly this spelling: what could be read in two
// ways is refused.
func members(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("no object")
	}
	var seen []string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if !slices.Contains(properties, name) {
			return &memberError{name, "has no property"}
		}
		if slices.Contains(seen, name) {
			return &memberError{name, "has only one"}
		}
		seen = append(seen, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// properties are those of a policy that can be sent.
var properties = []string{"id", "name", "entity", "events", "roles", "users", "tenant", "effect", "where", "active"}

// answer answers with an error, or with 204.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.As(err, &e):
		fail(w, http.StatusBadRequest, "POLICY_INVALID", e.Message, e.Hint)
	case errors.Is(err, ErrExists), errors.Is(err, ErrFull):
		fail(w, http.StatusConflict, "POLICY_CONFLICT", err.Error(), "")
	case errors.Is(err, ErrNotFound):
		fail(w, http.StatusNotFound, "404", err.Error(), "")
	default:
		h.Manager.log.ErrorContext(r.Context(), "policies", "err", err.Error())
		fail(w, http.StatusServiceUnavailable, "503", "Service Unavailable", "")
	}
}

func fail(w http.ResponseWriter, status int, code, message, hint string) {
	e := map[string]string{"code": code, "message": message}
	if hint != "" {
		e["hint"] = hint
	}
	write(w, status, map[string]any{"error": e})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client may be gone
}
