package serve_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"cds/runtime/config"
	"cds/runtime/serve"
)

func rc(text string) fstest.MapFS { return fstest.MapFS{".cdsrc.json": {Data: []byte(text)}} }

const production = `{"requires":{"auth":{"kind":"basic","users":{"alice":{"password":"pw","roles":["admin"]}}}}`

func answer(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for _, x := range headers {
		n, v, _ := strings.Cut(x, ": ")
		r.Header.Set(n, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestCORS: pages of other origins are let in as configured; by default in development only, and never with credentials.
func TestCORS(t *testing.T) {
	const books = "/odata/v4/open/Books"
	preflight := []string{"Origin: https://shop.example", "Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: Content-Type, X-Own, bad name"}
	for name, tt := range map[string]struct {
		rc          string
		profile     string
		origin      string
		allowed     string
		headers     string // of the preflight
		credentials bool
	}{
		"development":        {`{}`, "", "https://shop.example", "https://shop.example", "content-type,x-own", false},
		"off in development": {`{"server":{"cors":false}}`, "", "https://shop.example", "", "", false},
		"production":         {production + "}", config.Production, "https://shop.example", "", "", false},
		"configured":         {production + `,"server":{"cors":{"origins":["https://shop.example"],"credentials":true}}}`, config.Production, "https://shop.example", "https://shop.example", "content-type", true},
		"own header":         {production + `,"server":{"cors":{"origins":["https://shop.example"],"headers":["x-own"]}}}`, config.Production, "https://shop.example", "https://shop.example", "content-type,x-own", false},
		"another origin":     {production + `,"server":{"cors":{"origins":["https://shop.example"]}}}`, config.Production, "https://evil.example", "", "", false},
		"suffix":             {production + `,"server":{"cors":{"origins":["https://shop.example"]}}}`, config.Production, "https://shop.example.evil", "", "", false},
		"null":               {production + `,"server":{"cors":{"origins":["https://shop.example"]}}}`, config.Production, "null", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			opt := serve.Options{FS: rc(tt.rc), InMemory: true}
			if tt.profile != "" {
				opt.Profiles = []string{tt.profile}
			}
			h := build(t, opt).Handler()
			w := answer(h, "GET", books, "Origin: "+tt.origin)
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != tt.allowed {
				t.Errorf("GET: allowed %q, want %q", got, tt.allowed)
			}
			if got := w.Header().Get("Access-Control-Allow-Credentials") == "true"; got != tt.credentials {
				t.Errorf("GET: credentials %v", got)
			}
			if tt.allowed != "" && !strings.Contains(w.Header().Get("Vary"), "Origin") {
				t.Errorf("GET: Vary %q", w.Header().Get("Vary"))
			}
			preflight[0] = "Origin: " + tt.origin
			w = answer(h, "OPTIONS", books, preflight...)
			if got := w.Header().Get("Access-Control-Allow-Headers"); got != tt.headers {
				t.Errorf("preflight: headers %q, want %q", got, tt.headers)
			}
			if got := w.Header().Get("Access-Control-Allow-Methods"); (got != "") != (tt.allowed != "") {
				t.Errorf("preflight: methods %q", got)
			}
		})
	}
	h := build(t, serve.Options{}).Handler()
	if w := answer(h, "OPTIONS", books, "Origin: http://x"); w.Header().Get("Allow") == "" { // no preflight
		t.Errorf("OPTIONS: %v", w.Header())
	}
}

// TestStrictTransport: HSTS is sent where TLS is known. X-Forwarded-Proto counts only from proxies that are named.
func TestStrictTransport(t *testing.T) {
	for name, tt := range map[string]struct {
		rc, from, proto string
		want            bool
	}{
		"nobody trusted": {`{}`, "10.0.0.1:9", "https", false},
		"trusted":        {`{"server":{"trusted_proxies":["10.0.0.0/8"]}}`, "10.0.0.1:9", "https", true},
		"chain":          {`{"server":{"trusted_proxies":["10.0.0.0/8"]}}`, "10.0.0.1:9", "http, https", true},
		"forged":         {`{"server":{"trusted_proxies":["10.0.0.0/8"]}}`, "10.0.0.1:9", "https, http", false},
		"another":        {`{"server":{"trusted_proxies":["10.0.0.0/8"]}}`, "11.0.0.1:9", "https", false},
		"switched off":   {`{"server":{"hsts":0,"trusted_proxies":["10.0.0.0/8"]}}`, "10.0.0.1:9", "https", false},
	} {
		r := httptest.NewRequest("GET", "/health", nil)
		r.RemoteAddr = tt.from
		r.Header.Set("X-Forwarded-Proto", tt.proto)
		r.Header.Set("X-Forwarded-Host", "evil.example")
		w := httptest.NewRecorder()
		build(t, serve.Options{FS: rc(tt.rc)}).Handler().ServeHTTP(w, r)
		if got := w.Header().Get("Strict-Transport-Security"); (got != "") != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestHeadersOfAnswers: answers to users may not be stored by caches in between, and nothing tells what the server is made of.
func TestHeadersOfAnswers(t *testing.T) {
	h := build(t, serve.Options{}).Handler()
	r := get(t, h, "/odata/v4/staff/Books", "alice")
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Authorization, Accept-Language, Origin", "OData-Version": "4.0", "Server": "", "X-Powered-By": "",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// Method override and rewriting headers of proxies change nothing.
	for _, x := range []string{"X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Original-URL: /odata/v4/staff/Books", "X-Rewrite-URL: /odata/v4/staff/Books"} {
		if w := answer(h, "GET", "/odata/v4/open/Books", x); w.Code != 200 || !strings.Contains(w.Body.String(), "$metadata#Books") {
			t.Errorf("%s: %d", x, w.Code)
		}
	}
}

// TestBodyLimitOfService: @cds.server.body_parser.limit wins over the server's.
func TestBodyLimitOfService(t *testing.T) {
	s := build(t, serve.Options{FS: rc(`{"server":{"body_parser":{"limit":"1kb"}}}`)})
	for path, want := range map[string]int{"/odata/v4/open/Books": 413, "/odata/v4/roomy/Books": 201} {
		body := `{"ID":7,"title":"` + strings.Repeat("x", 2000) + `"}`
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d %.200s", path, w.Code, w.Body)
		}
	}
}

// TestLogIsCareful: secrets stay out of the log, texts are cut, and records of a request have its id.
func TestLogIsCareful(t *testing.T) {
	var b bytes.Buffer
	s := build(t, serve.Options{Log: slog.New(slog.NewTextHandler(&b, nil))})
	s.Log.Info("x", "Authorization", "Basic abc", "user_password", "p", slog.Group("g", "access_token", "tok"), "long", strings.Repeat("y", 10_000), "evil", "a\nlevel=ERROR\x1b[31m")
	s.Log.With("cookie", "c00kie").Info("y", "err", io.ErrUnexpectedEOF)
	got := b.String()
	for _, bad := range []string{"abc", "=p ", "tok ", "c00kie", strings.Repeat("y", 3000), "\nlevel=ERROR", "\x1b"} {
		if strings.Contains(got, bad) {
			t.Errorf("the log has %.20q", bad)
		}
	}
	if !strings.Contains(got, "unexpected EOF") || !strings.Contains(got, "***") {
		t.Errorf("the log lacks something:\n%s", got)
	}
	b.Reset()
	w := answer(s.Handler(), "GET", "/odata/v4/panics/boom()", "X-Request-Id: id-17")
	if w.Code != 500 || w.Header().Get("X-Correlation-Id") != "id-17" || !strings.Contains(b.String(), "correlation=id-17") {
		t.Errorf("%d, log:\n%s", w.Code, b.String())
	}
}

// TestMetrics: counters have a listener of their own, which tells numbers only; the services' port has none.
func TestMetrics(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.Addr().String()
	probe.Close()
	s := build(t, serve.Options{FS: rc(`{"server":{"metrics":"` + addr + `"}}`)})
	ln, err := serve.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	fetch := func(url string) (int, string) {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(raw)
	}
	own := "http://" + ln.Addr().String()
	fetch(own + "/odata/v4/open/Books")
	fetch(own + "/odata/v4/open/Nope")
	fetch(strings.Replace(own, "//", "//anonymous:x@", 1) + "/odata/v4/open/Books") // nobody has this name
	if code, _ := fetch(own + "/metrics"); code != 404 {
		t.Errorf("metrics on the services' port: %d", code)
	}
	code, text := fetch("http://" + addr + "/metrics")
	for _, want := range []string{`cds_requests_total{status="2xx"} 1`, `cds_requests_total{status="4xx"} 3`, "cds_authentication_refused_total 1", "cds_authentication_faults_total 0", "cds_requests_in_flight 0", "cds_ready 1", "go_goroutines "} {
		if code != 200 || !strings.Contains(text, want) {
			t.Errorf("%d, lacks %s:\n%s", code, want, text)
		}
	}
	if strings.Contains(text, "Books") {
		t.Error("names in the counters")
	}
	for _, path := range []string{"/", "/debug/pprof/", "/odata/v4/open/Books"} {
		if code, _ := fetch("http://" + addr + path); code != 404 {
			t.Errorf("%s on the metrics port: %d", path, code)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestMetadataLanguage: labels come in the client's language where there are texts, else in the default one; caches tell them apart.
func TestMetadataLanguage(t *testing.T) {
	files := rc(`{}`)
	files["_i18n/i18n.properties"] = &fstest.MapFile{Data: []byte("Title = Book title\n")}
	files["_i18n/i18n_de.properties"] = &fstest.MapFile{Data: []byte("Title = Buchtitel\n")}
	h := build(t, serve.Options{FS: files}).Handler()
	tags := map[string]bool{}
	for language, want := range map[string]string{"": "Book title", "en": "Book title", "de-AT, en;q=0.5": "Buchtitel", "fr": "Book title"} {
		w := answer(h, "GET", "/odata/v4/open/$metadata", "Accept-Language: "+language)
		if !strings.Contains(w.Body.String(), `"Common.Label" String="`+want+`"`) {
			t.Errorf("%q: no %q", language, want)
		}
		if json := answer(h, "GET", "/odata/v4/open/$metadata?$format=json", "Accept-Language: "+language); !strings.Contains(json.Body.String(), want) {
			t.Errorf("%q as JSON: no %q", language, want)
		}
		tags[w.Header().Get("ETag")] = true
	}
	if len(tags) != 2 {
		t.Errorf("%d entity tags for two documents", len(tags))
	}
}

// TestBatchLanguage: a part of a batch may have its own language.
func TestBatchLanguage(t *testing.T) {
	h := build(t, serve.Options{}).Handler()
	r := httptest.NewRequest("POST", "/odata/v4/locale/$batch", strings.NewReader(`{"requests":[{"id":"1","method":"GET","url":"lang()"},{"id":"2","method":"GET","url":"lang()","headers":{"accept-language":"fr"}},{"id":"3","method":"GET","url":"lang()?sap-locale=it"}]}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Language", "de")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for _, want := range []string{`"value":"de"`, `"value":"fr"`, `"value":"it"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("lacks %s: %s", want, w.Body)
		}
	}
}
