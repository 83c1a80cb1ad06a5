package cdstest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	cds "cds/runtime"
)

// A Client sends HTTP requests to an App, in the same process.
type Client struct {
	a       *App
	user    string
	headers http.Header
}

// HTTP returns a client without a login.
func (a *App) HTTP() *Client { return &Client{a: a, headers: http.Header{}} }

// As returns a client that logs in as a mocked user; "" sends no credentials.
func (c *Client) As(name string) *Client {
	out := &Client{c.a, name, c.headers.Clone()}
	if name != "" {
		c.a.t.Helper()
		c.a.UserNamed(name) // a misspelt name must not pass as a 401 that a test expects
	}
	return out
}

// With returns a client that also sends a header.
func (c *Client) With(header, value string) *Client {
	out := &Client{c.a, c.user, c.headers.Clone()}
	out.headers.Add(header, value)
	return out
}

// GET sends a request. Blanks in the path are escaped, so that $filter can be written as it is read.
func (c *Client) GET(path string) *Response { c.a.t.Helper(); return c.Do(http.MethodGet, path, nil) }

// DELETE sends a request.
func (c *Client) DELETE(path string) *Response {
	c.a.t.Helper()
	return c.Do(http.MethodDelete, path, nil)
}

// POST sends a body: a string as it is, anything else as JSON.
func (c *Client) POST(path string, body any) *Response {
	c.a.t.Helper()
	return c.Do(http.MethodPost, path, body)
}

// PATCH sends a body: a string as it is, anything else as JSON.
func (c *Client) PATCH(path string, body any) *Response {
	c.a.t.Helper()
	return c.Do(http.MethodPatch, path, body)
}

// PUT sends a body: a string as it is, anything else as JSON.
func (c *Client) PUT(path string, body any) *Response {
	c.a.t.Helper()
	return c.Do(http.MethodPut, path, body)
}

// Do sends a request.
func (c *Client) Do(method, path string, body any) *Response {
	c.a.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.a.t.Fatalf("cdstest: body: %v", err)
		}
		content = strings.NewReader(string(text))
	}
	r := httptest.NewRequest(method, strings.ReplaceAll(path, " ", "%20"), content)
	for k, v := range c.headers {
		r.Header[k] = v
	}
	if content != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.user != "" {
		r.SetBasicAuth(c.user, c.a.password(c.user))
	}
	w := httptest.NewRecorder()
	c.a.Server.Handler().ServeHTTP(w, r)
	return &Response{c.a, method + " " + path + " as " + c.who(), w}
}

func (c *Client) who() string {
	if c.user == "" {
		return "anonymous"
	}
	return c.user
}

// A Response is an answer with checks. Each check reports and returns the Response, so that they can be chained.
type Response struct {
	a    *App
	what string
	w    *httptest.ResponseRecorder
}

// Body returns the body.
func (r *Response) Body() string { return r.w.Body.String() }

// Code returns the status.
func (r *Response) Code() int { return r.w.Code }

// Header returns a header.
func (r *Response) Header(name string) string { return r.w.Header().Get(name) }

// Status checks the status. A wrong one ends the test, since later checks make no sense.
func (r *Response) Status(want int) *Response {
	r.a.t.Helper()
	if r.w.Code != want {
		r.a.t.Fatalf("%s: status is %d, want %d\n%s", r.what, r.w.Code, want, r.Body())
	}
	return r
}

// Contains checks that the body has all parts.
func (r *Response) Contains(parts ...string) *Response {
	r.a.t.Helper()
	for _, p := range parts {
		if !strings.Contains(r.Body(), p) {
			r.a.t.Errorf("%s: the body lacks %q\n%s", r.what, p, r.Body())
		}
	}
	return r
}

// Lacks checks that the body has none of the parts.
func (r *Response) Lacks(parts ...string) *Response {
	r.a.t.Helper()
	for _, p := range parts {
		if strings.Contains(r.Body(), p) {
			r.a.t.Errorf("%s: the body must not have %q\n%s", r.what, p, r.Body())
		}
	}
	return r
}

// JSON decodes the body.
func (r *Response) JSON(into any) *Response {
	r.a.t.Helper()
	if err := json.Unmarshal(r.w.Body.Bytes(), into); err != nil {
		r.a.t.Fatalf("%s: the body is no JSON: %v\n%s", r.what, err, r.Body())
	}
	return r
}

// Values returns the values of one property in the rows of a collection, as text, in order: Values("ID") of {"value":[{"ID":1},{"ID":2}]}
// is 1 2.
func (r *Response) Values(property string) []string {
	r.a.t.Helper()
	var body struct{ Value []map[string]json.RawMessage }
	r.JSON(&body)
	out := make([]string, 0, len(body.Value))
	for _, row := range body.Value {
		out = append(out, strings.Trim(string(row[property]), `"`))
	}
	return out
}

// TB is the part of testing.TB that the checks need.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Rejected checks that err tells the client of a failure with the given status.
func Rejected(t TB, err error, status int) *cds.Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want status %d", status)
	}
	e := cds.AsError(err)
	if e.Status != status {
		t.Fatalf("status is %d, want %d: %v (%v)", e.Status, status, e, e.Cause)
	}
	return e
}

// Forbidden checks for 403: known, but not allowed.
func Forbidden(t TB, err error) { t.Helper(); Rejected(t, err, http.StatusForbidden) }

// Unauthorized checks for 401: not known, and a login could help.
func Unauthorized(t TB, err error) { t.Helper(); Rejected(t, err, http.StatusUnauthorized) }

// NotFound checks for 404: not there, or not for this user.
func NotFound(t TB, err error) { t.Helper(); Rejected(t, err, http.StatusNotFound) }
