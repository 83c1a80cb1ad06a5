package serve

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"

	cds "cds/runtime"
)

// decisionHeader tells developers which rule refused a request or hid rows, and where it stands. Answers in production never have it.
const decisionHeader = "X-Authz-Decision"

type decisionKey struct{}

// A decided is a request's writer, which adds the header with the decision if there is something to tell, and its context, by which it is found.
type decided struct {
	http.ResponseWriter
	context.Context
	mu      sync.Mutex // handlers may call services in parallel
	text    string
	refused bool // text is about a refusal, which goes before hidden rows
	sent    bool
}

// Unwrap lets http.ResponseController find the connection.
func (d *decided) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (d *decided) WriteHeader(status int) {
	d.add()
	d.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (d *decided) Write(b []byte) (int, error) {
	d.add()
	return d.ResponseWriter.Write(b)
}

func (d *decided) add() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.sent && d.text != "" {
		d.Header().Set(decisionHeader, d.text)
	}
	d.sent = true
}

// explained prepares a request for telling its decision; in production it changes nothing.
func (r *router) explained(ctx context.Context, w http.ResponseWriter) (context.Context, http.ResponseWriter) {
	if r.production {
		return ctx, w
	}
	d := &decided{ResponseWriter: w, Context: ctx}
	return d, d
}

// Value implements context.Context.
func (d *decided) Value(key any) any {
	if _, ok := key.(decisionKey); ok {
		return d
	}
	return d.Context.Value(key)
}

// tellDecision notes a refusal for the header of its request.
func tellDecision(ctx context.Context, f cds.Refusal) {
	d, _ := ctx.Value(decisionKey{}).(*decided)
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if refused := f.Status == 401 || f.Status == 403 || f.Status == 405; d.text == "" || refused && !d.refused {
		d.text, d.refused = decisionText(f), refused
	}
}

// maxDecision bounds the header.
const maxDecision = 1000

func decisionText(f cds.Refusal) string {
	word := "deny"
	if f.Status == 404 || f.Status == 200 {
		word = "filter"
	}
	var b strings.Builder
	b.WriteString(word + "; event=" + quote(f.Event) + "; target=" + quote(f.Target))
	for i, rule := range f.Rules {
		if b.Len() > maxDecision {
			break
		}
		b.WriteString("; rule=" + quote(rule))
		if f.At[i] != "" {
			b.WriteString("; at=" + quote(f.At[i]))
		}
	}
	return b.String()
}

// quote makes a text fit for a header.
func quote(s string) string { return strconv.QuoteToASCII(clip(s, 200)) }
