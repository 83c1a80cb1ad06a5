package external

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"text/template"
	"time"
	"unicode"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// Unavailable is the code of a 503 for what an external decision was needed for and could not be had.
const Unavailable = "AUTHZ_UNAVAILABLE"

// Bounds of what is exchanged.
const (
	maxAnswer = 64 << 10
	maxSent   = 64 << 10
	maxWhere  = 2000
	maxReason = 200
)

// A Webhook asks a service over HTTP. It posts a question as JSON and gets {"allow": true}, with a condition on rows in where, or {"allow": false}, with a reason.
// Anything else, no answer in time and redirects are no permission.
type Webhook struct {
	Name    string
	URL     string
	Token   string // sent as bearer token; "" for none
	Headers map[string]string
	Timeout time.Duration // of one call, with waiting for a free one
	Cache   time.Duration // how long answers hold; 0 for not at all
	Attrs   []string      // attributes of users that are sent; nil for all of them
	Body    *template.Template
	Client  *http.Client
	Parse   cds.ConditionParser
	App     func() *cds.App
	Now     func() time.Time
	Log     *slog.Logger

	calls calls
}

// A question is what is sent.
type question struct {
	User    asking  `json:"user"`
	Service string  `json:"service,omitempty"`
	Target  string  `json:"target,omitempty"`
	Event   string  `json:"event"`
	About   string  `json:"about"` // "request", or "rows": those of target that a query touches
	Keys    []keyed `json:"keys,omitempty"`
}

type asking struct {
	ID     string              `json:"id"`
	Roles  []string            `json:"roles"`
	Tenant string              `json:"tenant,omitempty"`
	Attrs  map[string][]string `json:"attrs,omitempty"`
}

// A keyed is one step of the request's path.
type keyed struct {
	Entity string            `json:"entity"`
	Key    map[string]string `json:"key"`
}

// An answer is what comes back.
type answer struct {
	allow         bool
	where, reason string
	condition     cqn.Expr // where, read; nil for none
}

// Decide implements cds.Authorizer.
func (h *Webhook) Decide(ctx context.Context, a cds.Access) (cds.Narrowing, error) {
	body, err := h.body(&a)
	if err != nil {
		return h.failed(ctx, err)
	}
	ans, err := h.calls.get(ctx, keyOf(a.Target, body), h, body, a.Target)
	if err != nil {
		return cds.Narrowing{}, h.unavailable(err)
	}
	if !ans.allow {
		return cds.Narrowing{Deny: true, Reason: ans.reason}, nil
	}
	return cds.Narrowing{Where: ans.condition}, nil
}

// keyOf tells questions apart: by all that is sent, and by the entity that conditions in the answer are read for, which a template may leave out.
func keyOf(e *csn.Entity, body []byte) hash {
	name := ""
	if e != nil {
		name = e.Name
	}
	return sha256.Sum256(append([]byte(name+"\n"), body...))
}

// judge sends a question about e, and reads the answer with its condition.
func (h *Webhook) judge(ctx context.Context, body []byte, e *csn.Entity) (answer, error) {
	a, err := h.ask(ctx, body)
	if err != nil || !a.allow || a.where == "" {
		return a, err
	}
	if e == nil {
		return answer{}, errors.New("a condition on rows for an operation that has none")
	}
	if a.condition, err = cds.ParseCondition(h.Parse, a.where); err == nil {
		err = h.App().CheckCondition(a.condition, e)
	}
	if err != nil {
		return answer{}, err
	}
	return a, nil
}

// failed logs why there is no permission.
func (h *Webhook) failed(ctx context.Context, cause error) (cds.Narrowing, error) {
	h.Log.ErrorContext(ctx, "external decision failed, so nothing is allowed", "check", h.Name, "err", cause.Error())
	return cds.Narrowing{}, h.unavailable(cause)
}

// unavailable is no permission, and says no more to the client than that.
func (h *Webhook) unavailable(cause error) error {
	return &cds.Error{Status: http.StatusServiceUnavailable, Code: Unavailable, Message: "Service Unavailable", Cause: fmt.Errorf("check %s: %w", h.Name, cause)}
}

// body makes what is sent.
func (h *Webhook) body(a *cds.Access) ([]byte, error) {
	q := question{User: asking{ID: a.User.ID, Roles: a.User.Roles(), Tenant: a.User.Tenant}, Event: string(a.Event), About: "rows"}
	if q.User.Roles == nil {
		q.User.Roles = []string{}
	}
	for name, values := range a.User.Attrs {
		if h.sends(name) {
			if q.User.Attrs == nil {
				q.User.Attrs = map[string][]string{}
			}
			q.User.Attrs[name] = values
		}
	}
	if a.Service != nil {
		q.Service = a.Service.Name
	}
	if a.Target != nil {
		q.Target = a.Target.Name
	}
	if a.Op != nil {
		if q.Event = a.Op.LocalName(); a.Target == nil {
			q.Target = a.Op.Name
		}
	}
	if a.Request {
		q.About = "request"
		q.Keys = keysOf(a.Params)
	}
	b, err := json.Marshal(q)
	if err == nil && h.Body != nil {
		b, err = h.fill(b)
	}
	if err == nil && len(b) > maxSent {
		err = errors.New("the question is too large to be sent")
	}
	return b, err
}

func keysOf(params []cds.Keys) []keyed {
	var out []keyed
	for _, p := range params {
		if p.Entity == nil || p.Values == nil {
			continue
		}
		k := keyed{Entity: p.Entity.Name, Key: map[string]string{}}
		for _, f := range p.Values.Fields() {
			k.Key[f.Name] = f.Value.Format()
		}
		out = append(out, k)
	}
	return out
}

// sends reports whether an attribute of users is sent.
func (h *Webhook) sends(name string) bool {
	if h.Attrs == nil {
		return !secret(name)
	}
	for _, n := range h.Attrs {
		if n == name {
			return true
		}
	}
	return false
}

// fill puts a question into the template of the configuration, which has to make JSON of it.
func (h *Webhook) fill(q []byte) ([]byte, error) {
	var data map[string]any
	if err := json.Unmarshal(q, &data); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := h.Body.Execute(&limited{&b, maxSent}, data); err != nil {
		return nil, errors.New("the template of the body cannot be filled: " + err.Error())
	}
	if !json.Valid(b.Bytes()) {
		return nil, errors.New("the template of the body does not make JSON")
	}
	return b.Bytes(), nil
}

// limited is a writer that takes so many bytes.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, errors.New("it is too large")
	}
	return l.w.Write(b)
}

// Functions are those of templates: json writes a value as JSON, join a list as one text.
func Functions() template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"join": func(sep string, list []any) string {
			out := make([]string, len(list))
			for i := range list {
				out[i] = fmt.Sprint(list[i])
			}
			return strings.Join(out, sep)
		},
	}
}

// ask sends a question.
func (h *Webhook) ask(ctx context.Context, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("the address is not usable") // the error would have it
	}
	for name, v := range h.Headers {
		req.Header.Set(name, v)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if h.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	resp, err := h.Client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return answer{}, fmt.Errorf("no answer within %s", h.Timeout)
		}
		return answer{}, errors.New("the service cannot be reached")
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return answer{}, fmt.Errorf("no answer within %s", h.Timeout)
	case err != nil:
		return answer{}, errors.New("the answer breaks off")
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return answer{}, fmt.Errorf("the service answers %d", resp.StatusCode)
	case len(b) > maxAnswer:
		return answer{}, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return answer{}, errors.New("the answer is not application/json")
	}
	return parseAnswer(b)
}

// parseAnswer reads {"allow": bool, "where": text, "reason": text}, with nothing else in it, nothing twice, and in exactly this spelling: an answer
// that can be read in two ways is none.
func parseAnswer(b []byte) (answer, error) {
	bad := func(what string) (answer, error) {
		return answer{}, errors.New("the answer is not understood: " + what)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return bad("it is no object")
	}
	var out answer
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return bad("it is no JSON")
		}
		if seen[name] {
			return bad("a property is there twice")
		}
		seen[name] = true
		v, err := d.Token()
		if err != nil {
			return bad("it is no JSON")
		}
		switch name {
		case "allow":
			out.allow, ok = v.(bool)
		case "where":
			if out.where, ok = v.(string); v == nil {
				ok = true
			}
		case "reason":
			if out.reason, ok = v.(string); v == nil {
				ok = true
			}
		default:
			return bad("it has a property beside allow, where and reason")
		}
		if !ok {
			return bad(name + " has another type")
		}
	}
	if _, err := d.Token(); err != nil {
		return bad("it is no JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("there is something behind it")
	}
	switch {
	case !seen["allow"]:
		return bad("it does not say allow")
	case len(out.where) > maxWhere:
		return bad("where is too long")
	}
	out.where, out.reason = strings.TrimSpace(out.where), shown(out.reason)
	if seen["where"] && out.where == "" && out.allow { // a condition was meant
		return bad("where is empty")
	}
	return out, nil
}

// shown makes a text of somebody else fit for logs.
func shown(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		if n++; n > maxReason {
			return -1
		}
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
}
