package tainttest

import (
	"context"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
)

// entities returns what the service shows.
func entities(model *csn.Model) []*csn.Entity {
	var out []*csn.Entity
	for _, e := range model.Entities {
		if e.Service != nil {
			out = append(out, e)
		}
	}
	return out
}

// requests returns what is asked of an entity: all that reads it, and each column and association in some of the ways in which a request can name it.
func (m *maker) requests(e *csn.Entity) []string {
	at := "/s/" + strings.TrimPrefix(e.Name, "S.")
	out := []string{at, at + "?$expand=*", "/r/" + strings.TrimPrefix(e.Name, "S."), at + "/$count", at + "?$count=true&$search=s", at + "(1)", at + "?$expand=*($expand=*)"}
	for _, el := range e.Flat {
		if a := el.Assoc(); a != nil && a.Target != nil {
			out = append(out, m.toAssoc(at, el)...)
		} else if el.Scalar() != nil {
			out = append(out, m.toColumn(at, "", el)...)
		}
	}
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], " ", "%20")
	}
	return out
}

func (m *maker) toColumn(at, via string, el *csn.Element) []string {
	c := via + el.Name
	filter := c + " gt 4000"
	if isText(el) {
		filter = c + " gt 's5'"
	}
	out := []string{at + "?$select=" + c, at + "?$filter=" + filter, at + "?$orderby=" + c + ",ID"}
	more := []string{"?$filter=" + c + " eq null", "?$apply=groupby((" + c + "))", "?$apply=aggregate(" + c + " with max as m1)", "?$apply=aggregate(" + c + " with countdistinct as m1)",
		"?$compute=" + c + " as k1&$select=k1", "?$apply=filter(" + filter + ")/aggregate($count as n1)", "/$count?$filter=" + filter, "(1)/" + c, "(1)/" + c + "/$value", "?$apply=topcount(1," + c + ")", "?$orderby=" + c + " desc&$top=1"}
	return append(out, at+pick(m.Rand, more...), at+pick(m.Rand, more...))
}

func (m *maker) toAssoc(at string, el *csn.Element) []string {
	a, n := el.Assoc(), el.Name
	out := []string{at + "?$expand=" + n, at + "(1)/" + n, at + "(2)/" + n + "?$expand=*"}
	var cols []*csn.Element
	for _, x := range a.Target.Flat {
		if x.Scalar() != nil {
			cols = append(cols, x)
		}
	}
	if len(cols) == 0 {
		return out
	}
	c := pick(m.Rand, cols...)
	if a.Many {
		op := " gt 4000"
		if isText(c) {
			op = " gt 's5'"
		}
		return append(out, at+"?$filter="+n+"/any(x:x/"+c.Name+op+")", at+"?$filter="+n+"/any()", at+"?$orderby="+n+"/$count,ID", at+"?$expand="+n+"($filter="+c.Name+op+")", at+"?$expand="+n+"($orderby="+c.Name+";$top=1)")
	}
	return append(out, m.toColumn(at, n+"/", c)...)
}

func send(app *cdstest.App, user, url string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", url, nil)
	if user != "" {
		r.SetBasicAuth(user, user)
	}
	rec := httptest.NewRecorder()
	app.Server.Handler().ServeHTTP(rec, r)
	return rec
}

// What differs for each request.
var made = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func answered(rec *httptest.ResponseRecorder) string {
	h := rec.Header().Clone()
	for _, n := range []string{"X-Correlation-Id", "Date", "Content-Length"} {
		h.Del(n)
	}
	return made.ReplaceAllString(fmt.Sprint(rec.Code, " ", h, "\n", rec.Body), "…")
}

// inProcess reads all of an entity, or one column of it, as code of the application does.
func inProcess(ctx context.Context, app *cdstest.App, e *csn.Entity, column string) string {
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}}
	if column != "" {
		q.Columns = []cqn.Column{{X: cqn.NewRef(column)}}
	}
	return run(ctx, app.CDS.Service("S"), q)
}

func run(ctx context.Context, s *cds.Service, q cqn.Query) string {
	res, err := s.Run(ctx, q)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, r := range res.Rows {
		for _, f := range r.Fields() {
			fmt.Fprintf(&b, "%s=%v;", f.Name, f.Value)
		}
		b.WriteString("\n")
	}
	return b.String()
}
