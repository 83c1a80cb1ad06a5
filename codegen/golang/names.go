package golang

import (
	"go/token"
	"slices"
	"strings"
	"unicode"

	"cds/parser/csn"
	"cds/parser/diag"
	ptoken "cds/parser/token"
)

var noSpan ptoken.Span

// packageName returns the Go package of a service: the last part of its name in small letters, without the word service.
// "" means that nothing is left of it.
func packageName(s *csn.Service) string {
	if n := s.Annotations.Str("go.package"); n != "" {
		if token.IsIdentifier(n) && strings.ToLower(n) == n && isASCII(n) && !takenPackage(n) {
			return n
		}
		return ""
	}
	name := s.Name[strings.LastIndexByte(s.Name, '.')+1:]
	if cut := strings.TrimSuffix(name, "Service"); cut != "" {
		name = cut
	}
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' && b.Len() > 0 {
			b.WriteRune(r)
		}
	}
	out := b.String()
	if out != "" && takenPackage(out) {
		out += "svc"
	}
	return out
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0
}

// takenPackage names packages that generated code imports, or folders that mean something to Go.
func takenPackage(n string) bool {
	switch n {
	case "cds", "cdstest", "context", "model", "time", "testing", "internal", "vendor", "testdata", "main":
		return true
	}
	return token.IsKeyword(n) || predeclared(n)
}

// predeclared names would hide Go's own in generated code that imports the package.
func predeclared(n string) bool {
	switch n {
	case "error", "string", "bool", "int", "int16", "int32", "int64", "uint8", "float32", "float64", "any", "len", "nil", "true", "false", "new", "make", "append", "panic":
		return true
	}
	return false
}

// goName makes an exported Go name of a CDS name: parts at anything but letters and digits, each with a capital.
// Go initialisms stay as they are in the model.
func goName(name string) string {
	var b strings.Builder
	up := true
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			up = true
			continue
		}
		if up {
			r = unicode.ToUpper(r)
		}
		up = false
		b.WriteRune(r)
	}
	out := b.String()
	if out == "" || !token.IsExported(out) || !token.IsIdentifier(out) {
		out = "X" + out
	}
	return out
}

// entityNames returns the Go names of an entity's reference and of its rows: Books and Book.
func entityNames(e *csn.Entity) (refName, rowName string) {
	local := e.LocalName()
	if e.Service == nil {
		local = local[strings.LastIndexByte(local, '.')+1:]
	}
	parts := strings.Split(local, ".")
	for i := range parts {
		parts[i] = goName(parts[i])
	}
	refName = strings.Join(parts, "")
	for i := range parts {
		parts[i] = singular(parts[i])
	}
	rowName = strings.Join(parts, "")
	if n := e.Annotations.Str("go.name"); n != "" {
		refName = goName(n)
		rowName = singular(refName)
	}
	if n := e.Annotations.Str("go.singular"); n != "" {
		rowName = goName(n)
	}
	if rowName == refName {
		refName = plural(rowName)
	}
	return refName, rowName
}

// irregular plurals, matched at the last word of a name, in small letters.
var irregular = [][2]string{
	{"people", "person"}, {"children", "child"}, {"women", "woman"}, {"men", "man"}, {"mice", "mouse"}, {"feet", "foot"},
	{"indices", "index"}, {"vertices", "vertex"}, {"matrices", "matrix"}, {"analyses", "analysis"}, {"statuses", "status"},
	{"buses", "bus"}, {"bonuses", "bonus"}, {"caches", "cache"}, {"shoes", "shoe"}, {"movies", "movie"}, {"cookies", "cookie"},
	{"series", "series"}, {"species", "species"}, {"news", "news"}, {"data", "data"}, {"ties", "tie"}, {"wives", "wife"}, {"lives", "life"},
	{"shelves", "shelf"}, {"halves", "half"}, {"leaves", "leaf"}, {"knives", "knife"},
}

// singular returns the name of one row. The rules are simple on purpose; @go.singular overrides them.
func singular(name string) string {
	head, word := lastWord(name)
	low := strings.ToLower(word)
	for _, p := range irregular {
		if low == p[0] {
			return head + sameCase(word, p[1])
		}
	}
	end := func(suffix string) bool { return strings.HasSuffix(low, suffix) && len(low) > len(suffix)+1 }
	cut := func(n int) string { return head + word[:len(word)-n] }
	switch {
	case end("ies"):
		return cut(3) + "y"
	case end("sses"), end("shes"), end("ches"), end("xes"), end("zzes"), end("oes"):
		return cut(2)
	case strings.HasSuffix(low, "ss"), strings.HasSuffix(low, "us"), strings.HasSuffix(low, "is"):
		return name
	case end("s"):
		return cut(1)
	}
	return name
}

// plural returns the name of the reference where the entity is named in the singular.
func plural(name string) string {
	low := strings.ToLower(name)
	switch {
	case strings.HasSuffix(low, "y") && len(name) > 1 && !strings.ContainsRune("aeiou", rune(low[len(low)-2])):
		return name[:len(name)-1] + "ies"
	case strings.HasSuffix(low, "s"), strings.HasSuffix(low, "x"), strings.HasSuffix(low, "ch"), strings.HasSuffix(low, "sh"):
		return name + "es"
	}
	return name + "s"
}

// lastWord splits a name before its last capital that begins a word: OrderItems is Order and Items.
func lastWord(name string) (head, word string) {
	rs := []rune(name)
	for i := len(rs) - 1; i > 0; i-- {
		if unicode.IsUpper(rs[i]) && unicode.IsLower(rs[i-1]) {
			return string(rs[:i]), string(rs[i:])
		}
	}
	return "", name
}

func sameCase(like, word string) string {
	if like != "" && unicode.IsUpper([]rune(like)[0]) {
		return strings.ToUpper(word[:1]) + word[1:]
	}
	return word
}

// A scope hands out Go names and finds clashes.
type scope struct {
	diags *diag.List
	what  string // where the names live, for messages
	used  map[string]string
}

func newScope(diags *diag.List, what string, reserved ...string) *scope {
	s := &scope{diags, what, map[string]string{}}
	for _, r := range reserved {
		s.used[r] = ""
	}
	return s
}

// take returns the Go name for something of the model. Names that generated code needs for itself get an underscore; two things of
// the model that want the same name are an error.
func (s *scope) take(want, home string, span ptoken.Span) string {
	other, ok := s.used[want]
	if ok && other == "" {
		want += "_"
		other, ok = s.used[want]
	}
	if ok && other != home {
		d := s.diags.Add(diag.Error, codeClash, span, "%s and %s both become %s in %s", other, home, want, s.what)
		d.Hint, d.Home = "name one of them: @go.name: '"+want+"2'", home
		return want
	}
	s.used[want] = home
	return want
}

func sortedCopy(list []string) []string {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b string) int {
		return strings.Compare(a[strings.IndexByte(a, '"'):], b[strings.IndexByte(b, '"'):])
	})
	return list
}

// isStd tells imports of the standard library: their first part has no dot, and they are none of the framework's.
func isStd(spec string) bool {
	switch spec[strings.IndexByte(spec, '"'):] {
	case `"context"`, `"embed"`, `"errors"`, `"log/slog"`, `"testing"`, `"time"`:
		return true
	}
	return false
}

// has reports whether a name is taken.
func (s *scope) has(name string) bool {
	_, ok := s.used[name]
	return ok
}
