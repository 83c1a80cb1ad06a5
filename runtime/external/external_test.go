package external_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/config"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/external"
	"cds/runtime/serve"
	"cds/strategies"
)

const model = `
namespace my;
entity Orders { key ID : Integer; owner : String(20); total : Integer; country : String(2); items : Composition of many Items on items.order = $self; }
entity Items { key ID : Integer; order : Association to Orders; qty : Integer; }
@requires: 'authenticated-user' @path: 'shop' @protocol: ['odata', 'rest']
service Shop {
  @authz.check: 'legal' entity Orders as projection on my.Orders actions { action approve() returns Integer; };
  entity Items as projection on my.Items;
  action close() returns Integer;
}`

var data = fstest.MapFS{
	"db/data/my-Orders.csv": {Data: []byte("ID,owner,total,country\n1,ann,10,DE\n2,bob,200,AT\n3,ann,300,DE\n4,,5,\n")},
	"db/data/my-Items.csv":  {Data: []byte("ID,order_ID,qty\n1,1,5\n2,2,6\n")},
}

// A decider is the service that is asked: each answer is told by the test.
type decider struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request, q map[string]any)
	asked  []string // questions
	calls  atomic.Int64
}

func newDecider(t *testing.T) *decider {
	d := &decider{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.calls.Add(1)
		b, _ := io.ReadAll(r.Body)
		var q map[string]any
		_ = json.Unmarshal(b, &q)
		d.mu.Lock()
		d.asked = append(d.asked, string(b))
		answer := d.answer
		d.mu.Unlock()
		answer(w, r, q)
	}))
	t.Cleanup(d.Close)
	d.says(`{"allow":true}`)
	return d
}

func (d *decider) set(fn func(w http.ResponseWriter, r *http.Request, q map[string]any)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer, d.asked = fn, nil
}

func (d *decider) says(body string) {
	d.set(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	})
}

func (d *decider) questions() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.asked, "\n")
}

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.at.Load()))
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type world struct {
	t     *testing.T
	s     *serve.Server
	clock *clock
	log   *logBuffer
}

type setup struct {
	text     string
	webhooks map[string]any
	app      func(*serve.App)
	postgres bool
}

func build(t *testing.T, o setup) (*world, error) {
	t.Helper()
	res := parser.CompileString("m.cds", o.text)
	if res.Model == nil || res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	w := &world{t: t, clock: &clock{}, log: &logBuffer{}}
	app := serve.New(func() (*csn.Model, error) { return res.Model, nil })
	app.Databases(sqlite.New(), postgres.New())
	app.Strategies(strategies.Builtin())
	app.Conditions(parser.ParseExpr)
	if o.app != nil {
		o.app(app)
	}
	user := func(tenant string, roles ...any) map[string]any {
		return map[string]any{"password": "pw", "roles": roles, "tenant": tenant, "attr": map[string]any{"country": []any{"DE"}, "apiToken": []any{"s3cret"}}}
	}
	over := config.Section{"requires": map[string]any{"auth": map[string]any{"kind": "basic", "users": map[string]any{"ann": user("t1", "clerk"), "bob": user("t2", "clerk")}}},
		"authz": map[string]any{"webhooks": o.webhooks}}
	opt := serve.Options{FS: data, Env: []string{}, InMemory: !o.postgres, Log: slog.New(slog.NewTextHandler(w.log, nil)), Now: w.clock.now, Overrides: over}
	if o.postgres {
		opt.Pool = deployed(t, res.Model, pgtest.Open(t))
	}
	s, err := app.Build(context.Background(), opt)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = s.Close() })
	w.s = s
	return w, nil
}

func (w *world) ask(who, method, path, body string) (int, string) {
	r := httptest.NewRequest(method, strings.ReplaceAll(path, " ", "%20"), strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.SetBasicAuth(who, "pw")
	rec := httptest.NewRecorder()
	w.s.Handler().ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

func (w *world) want(status int, who, method, path, body string, parts ...string) {
	w.t.Helper()
	got, text := w.ask(who, method, path, body)
	if got != status {
		w.t.Errorf("%s %s %s %s: %d %s, want %d", who, method, path, body, got, text, status)
	}
	for _, p := range parts {
		if not, found := strings.CutPrefix(p, "!"); found && strings.Contains(text, not) || !found && !strings.Contains(text, p) {
			w.t.Errorf("%s %s %s: %s, want %s", who, method, path, text, p)
		}
	}
}

func hook(d *decider, more map[string]any) map[string]any {
	out := map[string]any{"url": d.URL}
	for k, v := range more {
		out[k] = v
	}
	return map[string]any{"legal": out}
}

func newWorld(t *testing.T, o setup) *world {
	t.Helper()
	if o.text == "" {
		o.text = model
	}
	w, err := build(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

const orders = "/odata/v4/shop/Orders"

// What the service says narrows on every way to the rows, on both databases.
func TestWebhookNarrows(t *testing.T) {
	for _, pg := range []bool{false, true} {
		t.Run(fmt.Sprint("postgres ", pg), func(t *testing.T) {
			d := newDecider(t)
			w := newWorld(t, setup{webhooks: hook(d, nil), postgres: pg})
			w.want(200, "ann", "GET", orders+"/$count", "", "4")
			d.says(`{"allow":true,"where":"country = $user.country","reason":"office"}`)
			w.want(200, "ann", "GET", orders+"?$select=ID", "", `"ID":1`, `!"ID":2`, `"ID":3`)
			w.want(200, "ann", "GET", "/odata/v4/shop/Items?$select=ID&$expand=order", "", `"total":10`, `"ID":1`, `!"ID":2`)
			w.want(200, "ann", "GET", "/odata/v4/shop/Items/$count", "", "1")
			w.want(404, "ann", "GET", "/odata/v4/shop/Items(2)", "")
			w.want(404, "ann", "PATCH", "/odata/v4/shop/Items(2)", `{"qty":1}`)
			w.want(200, "ann", "PATCH", "/odata/v4/shop/Items(1)", `{"qty":1}`)
			w.want(200, "ann", "GET", "/odata/v4/shop/Items?$select=ID&$filter=order/total gt 0", "", `"ID":1`, `!"ID":2`)
			w.want(404, "ann", "GET", "/rest/shop/Orders/2", "")
			w.want(404, "ann", "PATCH", orders+"(2)", `{"total":7}`)
			w.want(200, "ann", "PATCH", orders+"(1)", `{"total":7}`)
			w.want(403, "ann", "PATCH", orders+"(1)", `{"country":"AT"}`, "AUTHZ_DATA")
			w.want(403, "ann", "POST", orders, `{"ID":9,"country":"AT"}`, "AUTHZ_DATA")
			w.want(201, "ann", "POST", orders, `{"ID":9,"country":"DE","items":[{"ID":9}]}`)
			w.want(404, "ann", "DELETE", orders+"(2)", "")
			d.says(`{"allow":false,"reason":"closed on sundays\u0007"}`)
			w.want(403, "ann", "GET", orders, "", "Forbidden", "!sundays")
			w.want(403, "ann", "GET", "/odata/v4/shop/Items?$expand=order", "", "!sundays")
			w.want(403, "ann", "GET", "/odata/v4/shop/Items", "") // parts follow
			if !strings.Contains(w.log.String(), "check:legal (closed on sundays ") {
				t.Errorf("the log does not say why: %s", w.log)
			}
		})
	}
}

// What is sent: who asks for what, and nothing secret.
func TestQuestion(t *testing.T) {
	d := newDecider(t)
	w := newWorld(t, setup{webhooks: hook(d, map[string]any{"token": "tok", "headers": map[string]any{"X-Own": "yes"}})})
	var head http.Header
	d.set(func(rw http.ResponseWriter, r *http.Request, _ map[string]any) {
		head = r.Header.Clone()
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(rw, `{"allow": true}`)
	})
	w.want(200, "ann", "GET", orders+"(3)", "")
	want := `{"user":{"id":"ann","roles":["any","authenticated-user","clerk"],"tenant":"t1","attrs":{"country":["DE"]}},"service":"my.Shop","target":"my.Shop.Orders","event":"READ","about":"request","keys":[{"entity":"my.Shop.Orders","key":{"ID":"3"}}]}
{"user":{"id":"ann","roles":["any","authenticated-user","clerk"],"tenant":"t1","attrs":{"country":["DE"]}},"service":"my.Shop","target":"my.Shop.Orders","event":"READ","about":"rows"}`
	if got := d.questions(); got != want {
		t.Errorf("%s", got)
	}
	if head.Get("Authorization") != "Bearer tok" || head.Get("X-Own") != "yes" || head.Get("Cookie") != "" {
		t.Errorf("%v", head)
	}
	if all := d.questions(); strings.Contains(all, "s3cret") || strings.Contains(all, "pw") {
		t.Error("secrets are sent")
	}
	w = newWorld(t, setup{webhooks: hook(d, map[string]any{"attrs": []any{}, "body": `{"input": {{json .}}, "roles": "{{join "," .user.roles}}"}`})})
	d.says(`{"allow":true}`)
	w.want(200, "ann", "GET", orders, "")
	if got := d.questions(); !strings.HasPrefix(got, `{"input": {"about":"request","event":"READ","service"`) || !strings.Contains(got, `"roles": "any,authenticated-user,clerk"}`) || strings.Contains(got, "country") {
		t.Errorf("%s", got)
	}
	w = newWorld(t, setup{webhooks: hook(d, map[string]any{"body": `{"input": {{.user.id}} }`})})
	w.want(503, "ann", "GET", orders, "")
}

// Whatever is no clear yes is a no, and tells the client nothing.
func TestWebhookFails(t *testing.T) {
	d := newDecider(t)
	w := newWorld(t, setup{webhooks: hook(d, map[string]any{"cache": "1m"})})
	other := newDecider(t)
	answer := func(status int, kind, body string) func(http.ResponseWriter, *http.Request, map[string]any) {
		return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const js = "application/json"
	for name, fn := range map[string]func(http.ResponseWriter, *http.Request, map[string]any){
		"500": answer(500, js, `{"allow":true}`),
		"404": answer(404, js, `{"allow":true}`),
		"redirect": func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
		"no json":     answer(200, js, `yes`),
		"html":        answer(200, "text/html", `{"allow":true}`),
		"no kind":     answer(200, "", `{"allow":true}`),
		"empty":       answer(200, js, ``),
		"no content":  answer(204, js, ``),
		"null":        answer(200, js, `null`),
		"list":        answer(200, js, `[{"allow":true}]`),
		"no allow":    answer(200, js, `{}`),
		"text":        answer(200, js, `{"allow":"true"}`),
		"number":      answer(200, js, `{"allow":1}`),
		"Allow":       answer(200, js, `{"Allow":true}`),
		"twice":       answer(200, js, `{"allow":false,"allow":true}`),
		"more":        answer(200, js, `{"allow":true,"deny":true}`),
		"behind":      answer(200, js, `{"allow":true}{"allow":false}`),
		"nested":      answer(200, js, `{"allow":{"allow":true}}`),
		"cut":         answer(200, js, `{"allow":true`),
		"large":       answer(200, js, `{"allow":true,"reason":"`+strings.Repeat("x", 70_000)+`"}`),
		"long where":  answer(200, js, `{"allow":true,"where":"`+strings.Repeat("1=1 or ", 400)+`1=1"}`),
		"empty where": answer(200, js, `{"allow":true,"where":""}`),
		"bad where":   answer(200, js, `{"allow":true,"where":"country ="}`),
		"unknown":     answer(200, js, `{"allow":true,"where":"land = 'DE'"}`),
		"function":    answer(200, js, `{"allow":true,"where":"pg_sleep(10) = 1"}`),
		"subquery":    answer(200, js, `{"allow":true,"where":"ID in (select ID from my.Orders)"}`),
		"dies":        func(http.ResponseWriter, *http.Request, map[string]any) { panic(http.ErrAbortHandler) },
	} {
		d.set(fn)
		status, body := w.ask("ann", "GET", orders, "")
		if status != 503 || !strings.Contains(body, external.Unavailable) || strings.Contains(body, "DE") || strings.Contains(body, "127.0.0.1") {
			t.Errorf("%s: %d %s", name, status, body)
		}
		w.want(503, "ann", "POST", orders, `{"ID":77}`)
	}
	if other.calls.Load() != 0 {
		t.Error("a redirect is followed")
	}
	log := w.log.String()
	for _, part := range []string{"answers 307", "answers 500", "cannot be reached", "is no object", "no application/json", "more than 65536 bytes", "does not say allow", "is there twice", "pg_sleep", "subquery", "land"} {
		if !strings.Contains(strings.Replace(log, "is not application/json", "no application/json", 1), part) {
			t.Errorf("the log lacks %s", part)
		}
	}
	if strings.Contains(log, d.URL) {
		t.Error("the log has the address")
	}
	d.says(`{"allow":true}`) // failures are not kept
	w.want(200, "ann", "GET", orders+"/$count", "", "4")
	d.Close()
	w.want(503, "bob", "GET", orders, "")
}

// Who waits for an answer that does not come is refused when the time is over; the deadline is the call's.
func TestWebhookStalls(t *testing.T) {
	d := newDecider(t)
	w := newWorld(t, setup{webhooks: hook(d, map[string]any{"timeout": "10ms"})})
	free := make(chan struct{})
	d.set(func(_ http.ResponseWriter, r *http.Request, _ map[string]any) {
		select {
		case <-r.Context().Done():
		case <-free:
		}
	})
	w.want(503, "ann", "GET", orders, "")
	close(free)
	if !strings.Contains(w.log.String(), "no answer within 10ms") {
		t.Errorf("%s", w.log)
	}
}

// Equal questions at the same time are one call; whoever gives up does not end it for the others.
func TestSingleFlight(t *testing.T) {
	d := newDecider(t)
	w := newWorld(t, setup{webhooks: hook(d, map[string]any{"timeout": "30s", "cache": "1h"})})
	here, free := make(chan struct{}, 10), make(chan struct{})
	d.set(func(rw http.ResponseWriter, _ *http.Request, _ map[string]any) {
		here <- struct{}{}
		<-free
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, `{"allow":true}`)
	})
	ctx, giveUp := context.WithCancel(context.Background())
	svc := w.s.CDS.Service("my.Shop")
	ann := func(ctx context.Context) error {
		_, err := svc.Dispatch(w.s.CDS.NewContext(ctx, w.user("ann"), ""), &cds.RawRequest{Event: authz.Read, Target: svc.Model.Entity("Orders"), Query: all()})
		return err
	}
	first := make(chan error, 1)
	go func() { first <- ann(ctx) }()
	<-here // the call of the first is under way
	const n = 500
	done := make(chan error, n)
	for range n {
		go func() { done <- ann(context.Background()) }()
	}
	giveUp()
	if err := <-first; err == nil {
		t.Error("who gives up gets an answer")
	}
	close(free)
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
			break
		}
	}
	if got := d.calls.Load(); got != 2 { // about the request, and about the rows
		t.Errorf("%d calls", got)
	}
}

// Answers are kept for those about whom the same is asked, for a while.
func TestCache(t *testing.T) {
	d := newDecider(t)
	w := newWorld(t, setup{webhooks: hook(d, map[string]any{"cache": "30s"})})
	read := func(who string, want int64) {
		t.Helper()
		before := d.calls.Load()
		w.want(200, who, "GET", orders, "")
		if got := d.calls.Load() - before; got != want {
			t.Errorf("%s: %d calls, want %d", who, got, want)
		}
	}
	read("ann", 2)
	read("ann", 0)
	read("bob", 2) // another user, of another tenant
	w.clock.at.Add(int64(29 * time.Second))
	read("ann", 0)
	w.clock.at.Add(int64(2 * time.Second))
	read("ann", 2)
	before := d.calls.Load()
	w.want(200, "ann", "GET", orders+"(1)", "") // with its key
	if got := d.calls.Load() - before; got != 1 {
		t.Errorf("%d calls", got)
	}
}

// A template may leave out what tells questions apart. A condition for one entity is read for another one anew: it may not fit there.
func TestCacheTemplate(t *testing.T) {
	d := newDecider(t)
	d.says(`{"allow":true,"where":"country = 'DE'"}`)
	w := newWorld(t, setup{webhooks: hook(d, map[string]any{"cache": "30s", "on": []any{"my.Shop.Items"}, "body": `{"who": {{json .user.id}}}`})})
	w.want(200, "ann", "GET", orders+"?$select=ID", "", `"ID":1`, `!"ID":2`)
	w.want(503, "ann", "GET", "/odata/v4/shop/Items", "", "AUTHZ_UNAVAILABLE")
	w.want(200, "ann", "GET", orders+"?$select=ID", "", `"ID":1`, `!"ID":2`)
}

// Operations, events, and services as a whole.
func TestAbout(t *testing.T) {
	d := newDecider(t)
	no := func(events ...any) map[string]any { return map[string]any{"events": events} }
	handlers := func(a *serve.App) {
		a.Register(func(app *cds.App) error {
			app.Service("my.Shop").On(cds.Match{Events: []cds.Event{"approve", "close"}}, func(context.Context, *cds.RawRequest, cds.Next) (*cds.Result, error) {
				one := cqn.Int(1)
				return &cds.Result{Value: &one}, nil
			})
			return nil
		})
	}
	service := strings.Replace(strings.Replace(model, "@authz.check: 'legal' ", "", 1), "service Shop", "@authz.check: ['legal'] service Shop", 1)
	for _, c := range []struct {
		text string
		hook map[string]any
		deny []string
		pass []string
	}{
		{model, no("approve"), []string{"POST Orders(1)/my.Shop.approve"}, []string{"GET Orders", "POST close"}},
		{model, no("WRITE"), []string{"PATCH Orders(1)", "DELETE Orders(1)", "PUT Orders(99)"}, []string{"GET Orders", "GET Items?$expand=order"}},
		{model, no("UPDATE"), []string{"PATCH Orders(1)", "PATCH Items(1)", "POST Items", "DELETE Items(2)"}, []string{"POST Orders", "DELETE Orders(1)", "GET Items"}},
		{model, no("READ"), []string{"GET Orders", "GET Items", "GET Items?$expand=order", "GET Items?$filter=order/total gt 1"}, []string{"POST close"}},
		{service, no(), []string{"GET Orders", "GET Items", "POST close", "POST Orders(1)/my.Shop.approve"}, nil},
		{strings.Replace(service, "@authz.check: ['legal'] ", "", 1), map[string]any{"on": []any{"my.Shop.Orders.approve"}}, []string{"POST Orders(1)/my.Shop.approve"}, []string{"GET Orders", "POST close", "PATCH Orders(1)"}},
		{strings.Replace(service, "@authz.check: ['legal'] ", "", 1), map[string]any{"on": []any{"my.Shop.close", "my.Shop.Items"}}, []string{"POST close", "GET Items", "GET Orders?$expand=items"}, []string{"GET Orders"}},
	} {
		d.says(`{"allow":false}`)
		w := newWorld(t, setup{text: c.text, webhooks: hook(d, c.hook), app: handlers})
		for i, list := range [][]string{c.deny, c.pass} {
			for _, r := range list {
				method, path, _ := strings.Cut(r, " ")
				body := ""
				if method != "GET" && method != "DELETE" {
					body = `{}`
				}
				switch {
				case method == "POST" && path == "Orders":
					body = `{"ID":50,"items":[{"ID":50,"qty":1}]}`
				case method == "POST" && path == "Items":
					body = `{"ID":51,"order_ID":2}`
				}
				if status, text := w.ask("ann", method, "/odata/v4/shop/"+path, body); (status == 403) != (i == 0) {
					t.Errorf("%v %s: %d %s", c.hook, r, status, text)
				}
			}
		}
	}
	d.says(`{"allow":true,"where":"ID = 1"}`)
	w := newWorld(t, setup{webhooks: hook(d, map[string]any{"on": []any{"my.Shop.close"}}), app: handlers})
	w.want(200, "ann", "POST", orders+"(1)/my.Shop.approve", `{}`)
	w.want(404, "ann", "POST", orders+"(2)/my.Shop.approve", `{}`)
	w.want(503, "ann", "POST", "/odata/v4/shop/close", `{}`) // a condition, and no rows
}

// An operation on a part of a document changes the document: what is said of that holds on whatever way the part is addressed, before any handler runs.
func TestOperationOnPart(t *testing.T) {
	d := newDecider(t)
	var ran atomic.Int64
	text := strings.Replace(model, "projection on my.Items;", "projection on my.Items actions { action done() returns Integer; };", 1)
	w := newWorld(t, setup{text: text, webhooks: hook(d, nil), app: func(a *serve.App) {
		a.Register(func(app *cds.App) error {
			app.Service("my.Shop").On(cds.Match{Events: []cds.Event{"done"}}, func(context.Context, *cds.RawRequest, cds.Next) (*cds.Result, error) {
				ran.Add(1)
				one := cqn.Int(1)
				return &cds.Result{Value: &one}, nil
			})
			return nil
		})
	}})
	for _, c := range []struct {
		says          string
		first, second int
	}{{`{"allow":true}`, 200, 200}, {`{"allow":true,"where":"country = 'DE'"}`, 200, 404}, {`{"allow":false}`, 403, 403}, {`{}`, 503, 503}} {
		d.says(c.says)
		for _, path := range []string{"/odata/v4/shop/Items(%d)/my.Shop.done", orders + "(%[1]d)/items(%[1]d)/my.Shop.done"} {
			for id, want := range map[int]int{1: c.first, 2: c.second} {
				before := ran.Load()
				w.want(want, "ann", "POST", fmt.Sprintf(path, id), `{}`)
				if (ran.Load() > before) != (want == 200) {
					t.Errorf("%s: whether the handler ran on %d is confused", c.says, id)
				}
			}
		}
	}
}

// What somebody may do with the service follows what is answered; no answer is no right.
func TestCapabilities(t *testing.T) {
	d := newDecider(t)
	w := newWorld(t, setup{webhooks: hook(d, map[string]any{"cache": "30s", "events": []any{"READ", "DELETE"}})})
	for _, c := range []struct{ says, want string }{
		{`{"allow":true}`, `"Orders":{"read":"all","create":"all","update":"all","delete":"all"`},
		{`{"allow":true,"where":"country = 'DE'"}`, `"Orders":{"read":"some","create":"all","update":"all","delete":"some"`},
		{`{"allow":false}`, `"Orders":{"read":"none","create":"all","update":"all","delete":"none"`},
		{`{"allow":`, `"Orders":{"read":"none","create":"all","update":"all","delete":"none"`},
	} {
		d.says(c.says)
		w.want(200, "ann", "GET", "/odata/v4/shop/-/capabilities", "", c.want, "!legal")
		w.clock.at.Add(int64(time.Minute)) // no answer holds any more
	}
	before := d.calls.Load()
	d.says(`{"allow":true}`)
	for range 3 {
		w.want(200, "ann", "GET", "/odata/v4/shop/-/capabilities", "")
	}
	if n := d.calls.Load() - before; n != 4 { // READ and DELETE, of the request and of the rows
		t.Errorf("%d calls", n)
	}
}

// Functions of the application are asked as webhooks are.
func TestFunction(t *testing.T) {
	var fault error
	w := newWorld(t, setup{app: func(a *serve.App) {
		a.Check("legal", cds.AuthorizerFunc(func(_ context.Context, a cds.Access) (cds.Narrowing, error) {
			return cds.Narrowing{Deny: a.User.ID == "bob" && a.Event == authz.Read}, fault
		}))
	}})
	w.want(200, "ann", "GET", orders, "")
	w.want(403, "bob", "GET", orders, "")
	fault = errors.New("cannot tell")
	w.want(500, "ann", "GET", orders, "", "!cannot tell")
}

// What is not understood stops the start.
func TestStartErrors(t *testing.T) {
	url := func(more map[string]any) map[string]any {
		out := map[string]any{"url": "https://policy.example/decide"}
		for k, v := range more {
			out[k] = v
		}
		return map[string]any{"legal": out}
	}
	legal := "@authz.check: 'legal' "
	for _, c := range []struct {
		text     string
		webhooks map[string]any
		want     string
	}{
		{model, nil, `asks the check "legal", which is not known`},
		{strings.Replace(model, legal, "@authz.chek: 'legal' ", 1), url(nil), "@authz.chek on entity my.Shop.Orders is not understood"},
		{strings.Replace(model, legal, "@authz.check: { name: 'legal' } ", 1), url(nil), "is not understood"},
		{strings.Replace(model, legal, "@authz.check: 5 ", 1), url(nil), "each as a text"},
		{strings.Replace(model, legal, "@authz.check: [] ", 1), url(nil), "each as a text"},
		{strings.Replace(model, "total : Integer", "@authz.check: 'legal' total : Integer", 1), url(nil), "has no effect on element my.Orders.total"},
		{strings.Replace(model, legal, "", 1), url(nil), "is asked nowhere"},
		{strings.Replace(model, "action close()", "action close(@authz.check: 'legal' why : String)", 1), url(nil), "has no effect on parameter my.Shop.close.why"},
		{strings.Replace(model, "action close()", "@authz.check: 'legal' event Closed { who : String }; action close()", 1), url(nil), "has no effect on event my.Shop.Closed"},
		{strings.Replace(model, "action close()", "event Closed { @authz.check: 'legal' who : String }; action close()", 1), url(nil), "has no effect on element my.Shop.Closed.who"},
		{strings.Replace(model, "total : Integer", "total : Integer; sum { @authz.check: 'legal' net : Integer }", 1), url(nil), "has no effect on element my.Orders.sum.net"},
		{strings.Replace(model, "service Shop", "@authz.check: 'legal' context x { } @requires: 'any' service Shop", 1), url(nil), "has no effect on context my.x"},
		{strings.Replace(model, "action close()", "event Closed : projection on my.Shop.Orders { ID }; action again(o : my.Shop.Orders) returns my.Shop.Orders; action close()", 1), url(nil), ""},
		{model, url(map[string]any{"on": []any{"my.Shop.Order"}}), "which the model does not have"},
		{model, url(map[string]any{"on": []any{"my.Shop.Orders.aprove"}}), "which the model does not have"},
		{model, url(map[string]any{"events": []any{"aprove"}}), `which is no event`},
		{model, url(map[string]any{"events": []any{"read"}}), `which is no event`},
		{model, url(map[string]any{"urls": "x"}), "did you mean url?"},
		{model, map[string]any{"legal": "x"}, "is no object"},
		{model, map[string]any{"legal": map[string]any{}}, "is no address"},
		{model, map[string]any{"legal": map[string]any{"url": "http://policy.example/"}}, "is not encrypted"},
		{model, map[string]any{"legal": map[string]any{"url": "https://u:p@policy.example/"}}, "password"},
		{model, map[string]any{"legal": map[string]any{"url": "ftp://policy.example/"}}, "is no address"},
		{model, url(map[string]any{"timeout": "2h"}), "no duration"},
		{model, url(map[string]any{"cache": "-1s"}), "no duration"},
		{model, url(map[string]any{"body": "{{"}), "no template"},
		{model, url(map[string]any{"headers": map[string]any{"X\nY": "z"}}), "no header"},
		{model, url(nil), ""},
		{model, map[string]any{"legal": map[string]any{"url": "http://policy.example/", "insecure": true}}, ""},
	} {
		_, err := build(t, setup{text: c.text, webhooks: c.webhooks})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %s", c.webhooks, err, c.want)
		}
	}
	if _, err := build(t, setup{text: model, webhooks: url(nil), app: func(a *serve.App) {
		a.Check("legal", cds.AuthorizerFunc(func(context.Context, cds.Access) (cds.Narrowing, error) { return cds.Narrowing{}, nil }))
	}}); err == nil || !strings.Contains(err.Error(), "two checks") {
		t.Errorf("%v", err)
	}
}
