package serve

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"cds/parser/diag"
	"cds/parser/token"
)

// An application that does not start says of each finding in its model where it is, if it knows.
func TestReport(t *testing.T) {
	files := token.NewFileSet()
	f := files.Add("srv/s.cds", "service S {\n  @mask: { go: 'f' } x;\n}\n")
	at := token.Span{File: f, Start: 14, End: 19}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&ModelError{Diags: diag.List{{Code: "one", Severity: diag.Error, Message: "first", Span: at}, {Code: "two", Severity: diag.Error, Message: "second"}}, Files: files}, "srv/s.cds:2:3: error[one]: first"},
		{&ModelError{Diags: diag.List{{Code: "one", Severity: diag.Error, Message: "first", Span: at}, {Code: "two", Severity: diag.Error, Message: "second"}}, Files: files}, "error[two]: second"},
		{&ModelError{Diags: diag.List{{Code: "one", Severity: diag.Error, Message: "first", Span: at}}}, "error[one]: first"},
		{errors.New("plain"), "plain\n"},
	} {
		var out bytes.Buffer
		if report(&out, c.err); !strings.Contains(out.String(), c.want) {
			t.Errorf("%q is not in %s", c.want, out.String())
		}
	}
}
