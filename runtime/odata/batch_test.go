package odata

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	cds "cds/runtime"
	"cds/runtime/odata/internal/testmodel"
)

// crlf makes line ends as they are on the wire.
func crlf(s string) string { return strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n") }

const multi = "Content-Type: multipart/mixed; boundary=b"

// outline shows the parts of an answer in few words: status, content id and location of each, change sets in brackets.
func outline(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code != 200 {
		return fmt.Sprintf("%d %s", w.Code, w.Body)
	}
	ct := w.Header().Get("Content-Type")
	if strings.HasPrefix(ct, "multipart/") {
		return outlineParts(t, ct, w.Body)
	}
	var b struct {
		Responses []struct {
			ID             string
			AtomicityGroup string
			Status         int
			Headers        map[string]string
			Body           json.RawMessage
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	var out []string
	for _, r := range b.Responses {
		s := fmt.Sprintf("%s%s:%d", r.AtomicityGroup, r.ID, r.Status)
		if l := r.Headers["location"]; l != "" {
			s += " " + l
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func outlineParts(t *testing.T, ct string, body io.Reader) string {
	t.Helper()
	_, params, err := mime.ParseMediaType(ct)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	r := multipart.NewReader(body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return strings.Join(out, ", ")
		}
		if err != nil {
			t.Fatal(err)
		}
		if ct := p.Header.Get("Content-Type"); strings.HasPrefix(ct, "multipart/") {
			out = append(out, "["+outlineParts(t, ct, p)+"]")
			continue
		}
		raw, _ := io.ReadAll(p)
		head, _, _ := strings.Cut(string(raw), "\r\n\r\n")
		line, headers, _ := strings.Cut(head, "\r\n")
		s := strings.TrimPrefix(p.Header.Get("Content-Id")+":", ":") + strings.Fields(line)[1]
		if _, l, ok := strings.Cut(headers, "location: "); ok {
			l, _, _ = strings.Cut(l, "\r\n")
			s += " " + l
		}
		out = append(out, s)
	}
}

// part is a part of a multipart batch.
func part(id, request, body string) string {
	s := "Content-Type: application/http\nContent-Transfer-Encoding: binary\n"
	if id != "" {
		s += "Content-ID: " + id + "\n"
	}
	s += "\n" + request + " HTTP/1.1\n"
	if body != "" {
		s += "Content-Type: application/json\n"
	}
	return s + "\n" + body + "\n"
}

func parts(boundary string, list ...string) string {
	return "--" + boundary + "\n" + strings.Join(list, "--"+boundary+"\n") + "--" + boundary + "--\n"
}

func changeSet(list ...string) string {
	return "Content-Type: multipart/mixed; boundary=c\n\n" + parts("c", list...)
}

func TestBatchMultipart(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		headers    []string
		want       string // outline
		then       string // request whose body is wanted afterwards
		body2      string
	}{
		{"reads", parts("b", part("", "GET Books?$select=ID", ""), part("x", "GET Books(1)/title", "")), nil, "200, x:200", "", ""},
		{"blanks in the URL", parts("b", part("", "GET Books?$filter=title eq 'Emma'&$select=ID", "")), nil, "200", "", ""},
		{"absolute URLs", parts("b", part("", "GET http://other:80/shop/Books(1)", ""), part("", "GET /shop/Books(1)", ""), part("", "GET /Books(1)", "")), nil, "200, 200, 200", "", ""},
		{"another service", parts("b", part("", "GET /admin/Books(1)", "")), nil, "404", "", ""},
		{"out of the service", parts("b", part("", "GET ../admin/Books(1)", "")), nil, "404", "", ""},
		{"stops at the first failure", parts("b", part("", "GET Books(99)", ""), part("", "GET Books(1)", "")), nil, "404", "", ""},
		{"goes on", parts("b", part("", "GET Books(99)", ""), part("", "GET Books(1)", "")), []string{"Prefer: odata.continue-on-error"}, "404, 200", "", ""},
		{"goes on, 4.01", parts("b", part("", "GET Books(99)", ""), part("", "GET Books(1)", "")), []string{"Prefer: return=minimal, continue-on-error=true"}, "404, 200", "", ""},
		{"change set", parts("b", changeSet(part("1", "POST Codes", `{"a":1,"b":"x"}`), part("2", "PATCH Books(1)", `{"stock":7}`)), part("", "GET Books(1)/stock", "")), nil,
			"[1:201 Codes(a=1,b='x'), 2:200], 200", "GET /shop/Books(1)/stock/$value", "7"},
		{"failed change set", parts("b", changeSet(part("1", "POST Codes", `{"a":1,"b":"x"}`), part("2", "PATCH Books(99)", `{"stock":7}`), part("3", "POST Codes", `{"a":2,"b":"x"}`))), nil,
			"2:404", "GET /shop/Codes/$count", "0"},
		{"reference in a URL", parts("b", changeSet(part("1", "POST Books", `{"ID":50,"title":"T"}`), part("2", "POST $1/items", `{"pos":1,"note":"n"}`), part("3", "PATCH $1", `{"stock":3}`))), nil,
			"[1:201 Books(50), 2:201 Items(book_ID=50,pos=1), 3:200]", "GET /shop/Books(50)?$select=stock&$expand=items($select=note)", `{"@odata.context":"$metadata#Books/$entity","stock":3,"items":[{"note":"n","book_ID":50,"pos":1}],"ID":50}`},
		{"reference in a body", parts("b", changeSet(part("a", "POST Authors", `{"ID":"`+emil[:35]+`c","name":"A"}`), part("2", "PATCH Books(1)", `{"author@odata.bind":"$a"}`))), nil,
			"[a:201 Authors(" + emil[:35] + "c), 2:200]", "GET /shop/Books(1)/author/name/$value", "A"},
		{"nested batch", parts("b", part("", "POST $batch", "{}")), nil, "400", "", ""},
		{"media", parts("b", "Content-Type: application/http\n\nPUT Books(1)/image HTTP/1.1\nContent-Type: image/png\nContent-Length: 6\n\nP\n\nNG\n"), nil, "400 ", "", ""},
		{"read in a change set", parts("b", changeSet(part("1", "GET Books", ""))), nil, "400 ", "", ""},
		{"change set in a change set", parts("b", "Content-Type: multipart/mixed; boundary=c\n\n"+parts("c", "Content-Type: multipart/mixed; boundary=d\n\n"+parts("d", part("", "POST Books", "{}")))), nil, "400 ", "", ""},
		{"same id twice", parts("b", part("1", "GET Books", ""), part("1", "GET Books", "")), nil, "400 ", "", ""},
		{"no end", "--b\n" + part("", "GET Books", ""), nil, "400 ", "", ""},
		{"no parts", "--b--\n", nil, "", "", ""},
		{"no boundary", "GET Books HTTP/1.1\n", nil, "400 ", "", ""},
		{"empty change set", parts("b", changeSet("Content-Type: text/plain\n\n\n")), nil, "400 ", "", ""},
		{"method", parts("b", part("", "TRACE Books", "")), nil, "400 ", "", ""},
		{"no version", parts("b", "Content-Type: application/http\n\nGET Books\n\n"), nil, "400 ", "", ""},
		{"encoded part", parts("b", "Content-Type: application/http\nContent-Transfer-Encoding: base64\n\nR0VU\n"), nil, "400 ", "", ""},
		{"other part", parts("b", "Content-Type: text/plain\n\nGET Books HTTP/1.1\n\n"), nil, "400 ", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := shelf(t)
			got := outline(t, s.do("POST /shop/$batch", crlf(tc.body), append([]string{multi}, tc.headers...)...))
			if got != tc.want && !(strings.HasSuffix(tc.want, " ") && strings.HasPrefix(got, tc.want)) {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
			if tc.then != "" {
				if w := s.do(tc.then, ""); w.Body.String() != tc.body2 {
					t.Errorf("%s: %s\nwant %s", tc.then, w.Body, tc.body2)
				}
			}
		})
	}
}

func TestBatchJSON(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		headers    []string
		want       string
		then       string
		body2      string
	}{
		{"reads", `{"requests":[{"id":"1","method":"get","url":"Books?$select=ID"},{"id":"2","method":"GET","url":"/shop/Books(1)"},{"id":"3","method":"GET","url":"/Books(1)/title/$value"}]}`, nil, "1:200, 2:200, 3:200", "", ""},
		{"goes on", `{"requests":[{"id":"1","method":"GET","url":"Books(99)"},{"id":"2","method":"GET","url":"Books(1)"}]}`, nil, "1:404, 2:200", "", ""},
		{"stops", `{"requests":[{"id":"1","method":"GET","url":"Books(99)"},{"id":"2","method":"GET","url":"Books(1)"}]}`, []string{"Prefer: odata.continue-on-error=false"}, "1:404", "", ""},
		{"depends", `{"requests":[{"id":"1","method":"GET","url":"Books(99)"},{"id":"2","dependsOn":["1"],"method":"GET","url":"Books(1)"},{"id":"3","dependsOn":["2"],"method":"GET","url":"Books(1)"},{"id":"4","method":"GET","url":"Books(1)"}]}`, nil, "1:404, 2:424, 3:424, 4:200", "", ""},
		{"group", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"Codes","body":{"a":1,"b":"x"}},{"id":"2","atomicityGroup":"g","method":"POST","url":"Codes","body":{"a":2,"b":"x"}}]}`, nil, "g1:201 Codes(a=1,b='x'), g2:201 Codes(a=2,b='x')", "GET /shop/Codes/$count", "2"},
		{"failed group", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"Codes","body":{"a":1,"b":"x"}},{"id":"2","atomicityGroup":"g","method":"POST","url":"Codes","body":{"a":"q"}},{"id":"3","atomicityGroup":"g","method":"POST","url":"Codes","body":{"a":3,"b":"x"}},{"id":"4","dependsOn":["g"],"method":"GET","url":"Books"}]}`, nil, "g1:424, g2:400, g3:424, 4:424", "GET /shop/Codes/$count", "0"},
		{"outside a group", `{"requests":[{"id":"1","method":"POST","url":"Codes","body":{"a":1,"b":"x"}},{"id":"2","method":"POST","url":"Codes","body":{"a":"q"}}]}`, nil, "1:201 Codes(a=1,b='x'), 2:400", "GET /shop/Codes/$count", "1"},
		{"references", `{"requests":[{"id":"b","method":"GET","url":"Books(1)"},{"id":"p","dependsOn":["b"],"method":"POST","url":"$b/items","body":{"pos":5}},{"id":"d","dependsOn":["p"],"method":"DELETE","url":"$p"}]}`, nil, "b:200, p:201 Items(book_ID=1,pos=5), d:204", "GET /shop/Books(1)/items/$count", "2"},
		{"reference to a reference", `{"requests":[{"id":"b","method":"GET","url":"Books(1)"},{"id":"i","method":"GET","url":"$b/items(pos=1)"},{"id":"n","method":"GET","url":"$i/note/$value"},{"id":"x","method":"GET","url":"$nothing"}]}`, nil, "b:200, i:200, n:200, x:404", "", ""},
		{"reference to a failure", `{"requests":[{"id":"b","method":"GET","url":"Books(99)"},{"id":"p","method":"POST","url":"$b/items","body":{"pos":5}}]}`, nil, "b:404, p:424", "", ""},
		{"headers", `{"requests":[{"id":"1","method":"POST","url":"Codes","headers":{"prefer":"return=minimal","content-type":"application/json"},"body":{"a":1,"b":"x"}},{"id":"2","method":"POST","url":"Codes","headers":{"content-type":"text/plain"},"body":"x"}]}`, nil, "1:204 Codes(a=1,b='x'), 2:415", "", ""},
		{"base64", `{"requests":[{"id":"1","method":"PUT","url":"Books(1)/image","headers":{"content-type":"image/png"},"body":"AP8_"}]}`, nil, "1:204", "GET /shop/Books(1)/image", "\x00\xff?"},
		{"if", `{"requests":[{"id":"1","if":"x","method":"GET","url":"Books"}]}`, nil, "400 ", "", ""},
		{"if failed, else", `{"requests":[{"id":"1","method":"PATCH","url":"Books(99)","body":{"stock":1}},{"id":"2","dependsOn":["1"],"if":"$1/$succeeded","method":"GET","url":"Books(1)"},{"id":"3","dependsOn":["1"],"if":"not $1/$succeeded","method":"PATCH","url":"Books(1)","body":{"stock":9}},{"id":"4","dependsOn":["2","3"],"if":"$2/$succeeded or $3/$succeeded","method":"GET","url":"Books(1)"}]}`, nil, "1:404, 2:424, 3:200, 4:200", "GET /shop/Books(1)/stock/$value", "9"},
		{"if by values", `{"requests":[{"id":"b","method":"GET","url":"Books(1)"},{"id":"2","dependsOn":["b"],"if":"$b/title eq 'Emma' and $b/ID ge 1","method":"GET","url":"Books(1)"},{"id":"3","dependsOn":["b"],"if":"$b/title eq 'Other' or $b/nothing ne null","method":"GET","url":"Books(1)"},{"id":"4","dependsOn":["b"],"if":"$b/nothing eq null and $b ne null","method":"GET","url":"Books(1)"}]}`, nil, "b:200, 2:200, 3:424, 4:200", "", ""},
		{"if in a group", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"Codes","body":{"a":1,"b":"x"}},{"id":"2","atomicityGroup":"g","dependsOn":["1"],"if":"$1/a eq 1","method":"POST","url":"Codes","body":{"a":2,"b":"x"}},{"id":"3","dependsOn":["g"],"if":"$g/$succeeded","method":"GET","url":"Books(1)"}]}`, nil, "g1:201 Codes(a=1,b='x'), g2:201 Codes(a=2,b='x'), 3:200", "GET /shop/Codes/$count", "2"},
		{"if undoes its group", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"Codes","body":{"a":1,"b":"x"}},{"id":"2","atomicityGroup":"g","dependsOn":["1"],"if":"$1/a eq 7","method":"POST","url":"Codes","body":{"a":2,"b":"x"}},{"id":"3","dependsOn":["g"],"if":"not $g/$succeeded","method":"GET","url":"Books(1)"}]}`, nil, "g1:424, g2:424, 3:200", "GET /shop/Codes/$count", "0"},
		{"if without dependsOn", `{"requests":[{"id":"1","method":"GET","url":"Books"},{"id":"2","if":"$1/$succeeded","method":"GET","url":"Books"}]}`, nil, "400 ", "", ""},
		{"if with what is not supported", `{"requests":[{"id":"1","method":"GET","url":"Books"},{"id":"2","dependsOn":["1"],"if":"$1/x in (1,2)","method":"GET","url":"Books"}]}`, nil, "1:200, 2:501", "", ""},
		{"id like a system resource", `{"requests":[{"id":"metadata","method":"GET","url":"Books(1)"},{"id":"2","method":"GET","url":"$metadata"}]}`, nil, "metadata:200, 2:200", "", ""},
		{"nested", `{"requests":[{"id":"1","method":"POST","url":"$batch","body":{"requests":[]}}]}`, nil, "1:400", "", ""},
		{"empty", `{"requests":[]}`, nil, "", "", ""},
		{"own annotations", `{"@x":1,"requests":[{"@y":2,"id":"1","method":"GET","url":"Books"}]}`, nil, "1:200", "", ""},
		{"no id", `{"requests":[{"method":"GET","url":"Books"}]}`, nil, "400 ", "", ""},
		{"id twice", `{"requests":[{"id":"1","method":"GET","url":"Books"},{"id":"1","method":"GET","url":"Books"}]}`, nil, "400 ", "", ""},
		{"id no text", `{"requests":[{"id":1,"method":"GET","url":"Books"}]}`, nil, "400 ", "", ""},
		{"no url", `{"requests":[{"id":"1","method":"GET"}]}`, nil, "400 ", "", ""},
		{"method", `{"requests":[{"id":"1","method":"BREW","url":"Books"}]}`, nil, "400 ", "", ""},
		{"unknown member", `{"requests":[{"id":"1","method":"GET","url":"Books","frob":1}]}`, nil, "400 ", "", ""},
		{"groups not adjacent", `{"requests":[{"id":"1","atomicityGroup":"g","method":"GET","url":"Books"},{"id":"2","method":"GET","url":"Books"},{"id":"3","atomicityGroup":"g","method":"GET","url":"Books"}]}`, nil, "400 ", "", ""},
		{"depends on a later one", `{"requests":[{"id":"1","dependsOn":["2"],"method":"GET","url":"Books"},{"id":"2","method":"GET","url":"Books"}]}`, nil, "400 ", "", ""},
		{"group and id alike", `{"requests":[{"id":"g","atomicityGroup":"g","method":"GET","url":"Books"}]}`, nil, "400 ", "", ""},
		{"header injection", `{"requests":[{"id":"1","method":"GET","url":"Books","headers":{"x":"a\r\nb: c"}}]}`, nil, "400 ", "", ""},
		{"no object", `[]`, nil, "400 ", "", ""},
		{"no requests", `{}`, nil, "400 ", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := shelf(t)
			got := outline(t, s.do("POST /shop/$batch", tc.body, tc.headers...))
			if got != tc.want && !(strings.HasSuffix(tc.want, " ") && strings.HasPrefix(got, tc.want)) {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
			if tc.then != "" {
				if w := s.do(tc.then, ""); w.Body.String() != tc.body2 {
					t.Errorf("%s: %s\nwant %s", tc.then, w.Body, tc.body2)
				}
			}
		})
	}
}

// TestBatchFormats: the answer has the form of the request unless the client wants the other one.
func TestBatchFormats(t *testing.T) {
	s := shelf(t)
	asMulti := crlf(parts("b", part("", "GET Books(1)/title", ""), changeSet(part("7", "POST Codes", `{"a":1,"b":"long text"}`))))
	w := s.do("POST /shop/$batch", asMulti, multi)
	want := []string{"multipart/mixed;boundary=batch_", "content-type: application/http\r\ncontent-transfer-encoding: binary\r\n\r\nHTTP/1.1 200 OK\r\nodata-version: 4.0\r\n",
		"content-type: application/json;odata.metadata=minimal\r\n", `"value":"Emma"}`, "content-id: 7\r\n", `"@Core.ContentID":"7"`, "HTTP/1.1 400 Bad Request"}
	for _, x := range want {
		if got := w.Header().Get("Content-Type") + w.Body.String(); !strings.Contains(got, x) {
			t.Errorf("multipart lacks %q:\n%s", x, got)
		}
	}
	for accept, want := range map[string]string{"application/json": "application/json", "multipart/mixed": "multipart/mixed", "*/*": "multipart/mixed", "multipart/mixed;q=0, application/json": "application/json", "text/html": ""} {
		w := s.do("POST /shop/$batch", asMulti, multi, "Accept: "+accept)
		if want == "application/json" && accept == want && outline(t, w) != "1:200, 7:400" {
			t.Errorf("as JSON: %s", w.Body)
		}
		if want == "" && w.Code != 406 || !strings.HasPrefix(w.Header().Get("Content-Type"), want) {
			t.Errorf("Accept %s: %d %s", accept, w.Code, w.Header().Get("Content-Type"))
		}
	}
	w = s.do("POST /shop/$batch", `{"requests":[{"id":"1","method":"GET","url":"Books(1)/title"}]}`)
	if got := w.Body.String(); got != `{"responses":[{"id":"1","status":200,"headers":{"odata-version":"4.0","content-type":"application/json"},"body":{"@odata.context":"../$metadata#Books(1)/title","value":"Emma"}}]}` {
		t.Errorf("JSON: %s", got)
	}
	if w := s.do("POST /shop/$batch", `{"requests":[{"id":"1","method":"GET","url":"Books"}]}`, "Accept: multipart/mixed"); outline(t, w) != "1:200" || !strings.HasPrefix(w.Header().Get("Content-Type"), "multipart/") {
		t.Errorf("JSON to multipart: %d %s", w.Code, w.Body)
	}
	if w := s.do("POST /shop/$batch", `{"requests":[{"id":"1\r\nset-cookie: a=b","method":"GET","url":"Books"}]}`, "Accept: multipart/mixed"); strings.Contains(w.Body.String(), "\nset-cookie") || outline(t, w) == "" {
		t.Errorf("an id with line ends: %d %s", w.Code, w.Body)
	}
	for _, ct := range []string{"text/plain", "multipart/mixed", "multipart/form-data; boundary=b", ""} {
		if w := s.do("POST /shop/$batch", "x", "Content-Type: "+ct); w.Code != 415 && w.Code != 400 {
			t.Errorf("Content-Type %q: %d", ct, w.Code)
		}
	}
	if w := s.do("GET /shop/$batch", ""); w.Code != 405 {
		t.Errorf("GET: %d", w.Code)
	}
}

// TestBatchLimits: parts are counted before any of them runs, and are part of one body.
func TestBatchLimits(t *testing.T) {
	s := served(t)
	var list, reqs []string
	for i := range 101 {
		list = append(list, part("", fmt.Sprintf("POST Codes?%d", i), `{"a":1,"b":"x"}`))
		reqs = append(reqs, fmt.Sprintf(`{"id":"%d","method":"POST","url":"Codes","body":{"a":1,"b":"x"}}`, i))
	}
	for name, do := range map[string]func() *httptest.ResponseRecorder{
		"multipart": func() *httptest.ResponseRecorder { return s.do("POST /shop/$batch", crlf(parts("b", list...)), multi) },
		"change set": func() *httptest.ResponseRecorder {
			return s.do("POST /shop/$batch", crlf(parts("b", changeSet(list...))), multi)
		},
		"json": func() *httptest.ResponseRecorder {
			return s.do("POST /shop/$batch", `{"requests":[`+strings.Join(reqs, ",")+`]}`)
		},
		"size": func() *httptest.ResponseRecorder { return s.do("POST /shop/$batch", strings.Repeat(" ", 2<<20)) },
	} {
		if w := do(); w.Code != 413 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := s.do("GET /shop/Codes/$count", ""); w.Body.String() != "0" {
		t.Errorf("something ran: %s", w.Body)
	}
}

// TestBatchHeaders: a header's value cannot end its line, nor the head of the part.
func TestBatchHeaders(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	s.answer = func(*cds.RawRequest) (*cds.Result, error) {
		return &cds.Result{ETag: "\"x\"\r\nevil: 1\r\n\r\n<script>"}, nil
	}
	w := s.do("POST /$batch", crlf(parts("b", part("", "PATCH Books(1)", "{}"))), multi)
	if body := w.Body.String(); strings.Contains(body, "\nevil") || !strings.Contains(body, "evil") {
		t.Errorf("%s", body)
	}
}

// TestBatchDeadline: what the time of the request does not suffice for is not begun, and said to be so.
func TestBatchDeadline(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	ctx, cancel := context.WithCancel(context.Background())
	s.answer = func(*cds.RawRequest) (*cds.Result, error) {
		cancel() // stands for the end of its time
		return &cds.Result{}, nil
	}
	body := `{"requests":[{"id":"1","method":"GET","url":"Books"},{"id":"2","method":"GET","url":"Books"},{"id":"3","atomicityGroup":"g","method":"POST","url":"Books","body":{}}]}`
	r := httptest.NewRequest("POST", "/$batch", strings.NewReader(body)).WithContext(ctx)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if got := outline(t, w); got != "1:200, 2:504, g3:504" || len(s.seen) != 1 {
		t.Errorf("%s, %d requests were run", got, len(s.seen))
	}
}

// TestBatchIsAuthorized: the gate of the service holds for the envelope, and each part is refused by itself; its own credentials do not count.
func TestBatchIsAuthorized(t *testing.T) {
	body := `{"requests":[{"id":"1","method":"GET","url":"Codes","headers":{"Authorization":"Basic YWxpY2U6"}},{"id":"2","method":"GET","url":"Books?$select=ID"},{"id":"3","method":"GET","url":"Books?$filter=author/name eq 'x'"}]}`
	for _, tc := range []struct {
		roles []string
		want  string
	}{
		{nil, "401 "}, {[]string{"other"}, "403 "}, {[]string{"staff"}, "1:403, 2:200, 3:403"}, {[]string{"staff", "admin"}, "1:200, 2:200, 3:200"},
	} {
		s := servedModel(t, testmodel.Restricted(t))
		if s.user = nil; tc.roles != nil {
			s.user = userWith(tc.roles...)
		}
		got := outline(t, s.do("POST /shop/$batch", body))
		if got != tc.want && !(strings.HasSuffix(tc.want, " ") && strings.HasPrefix(got, tc.want)) {
			t.Errorf("%v: %s, want %s", tc.roles, got, tc.want)
		}
	}
}

// FuzzBatch: whatever the bytes are, the answer is one that a client can read.
func FuzzBatch(f *testing.F) {
	for _, s := range []string{parts("b", part("1", "GET Books", "")), parts("b", changeSet(part("1", "POST Books", `{"ID":1}`))), "--b\r\n\r\n", `{"requests":[{"id":"1","method":"GET","url":"$1"}]}`, `{"requests":[{"id":"a","atomicityGroup":"g","method":"POST","url":"Books","body":{}}]}`} {
		f.Add(crlf(s), strings.HasPrefix(s, "--"))
	}
	s := newStage(f, testmodel.Shop(f), "Shop", Options{BasePath: "/shop"})
	f.Fuzz(func(t *testing.T, body string, mixed bool) {
		ct := "Content-Type: application/json"
		if mixed {
			ct = multi
		}
		s.t = t
		w := s.do("POST /shop/$batch", body, ct)
		switch {
		case w.Code == 200 && !mixed && !json.Valid(w.Body.Bytes()):
			t.Errorf("no JSON: %s", w.Body)
		case w.Code == 200 && utf8.ValidString(body):
			outline(t, w)
		case w.Code != 200 && (w.Code < 400 || w.Code >= 500):
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
