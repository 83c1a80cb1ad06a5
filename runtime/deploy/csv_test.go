package deploy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rows reads all rows, cells joined by |, null as ∅.
func rows(text string) ([]string, *csvError) {
	r := newCSV(text)
	var out []string
	for {
		row, err := r.row()
		if err != nil || row == nil {
			return out, err
		}
		cells := make([]string, len(row))
		for i, c := range row {
			if cells[i] = c.text; c.null() {
				cells[i] = "∅"
			}
		}
		out = append(out, strings.Join(cells, "|"))
	}
}

func TestCSV(t *testing.T) {
	for _, c := range []struct{ name, text, want, err string }{
		{"empty", "", "", ""},
		{"comma", "a,b\n1,2\n", "a|b 1|2", ""},
		{"semicolon", "a;b\n1,5;2\n", "a|b 1,5|2", ""},
		{"tab", "a\tb\n1,5\t2;3", "a|b 1,5|2;3", ""},
		{"one column", "a\n1\n2", "a 1 2", ""},
		{"separators in quotes don't count", "\"a;b;c\",d\n1,2", "a;b;c|d 1|2", ""},
		{"null and empty text", "a,b\n,\"\"\n", "a|b ∅|", ""},
		{"quotes", "a;b\n\"x \"\"y\"\"; z\";2", "a|b x \"y\"; z|2", ""},
		{"line end in quotes", "a,b\n\"1\r\n2\",3", "a|b 1\r\n2|3", ""},
		{"all line ends, blank lines", "a,b\r\n\r\n1,2\r\n\n  \n3,4\r5,6", "a|b 1|2 3|4 5|6", ""},
		{"rows of separators are rows", "a,b\n,\n1,2", "a|b ∅|∅ 1|2", ""},
		{"byte order mark", "\ufeffa,b\n1,2", "a|b 1|2", ""},
		{"quote inside", "a,b\nx\"y,2", "a|b x\"y|2", ""},
		{"open quote", "a,b\n1,\"x\ny", "a|b", "2:3 the quote is not closed"},
		{"text after quote", "a,b\nüü,\"x\"y", "a|b", `2:7 text after the closing quote; a quote inside a quoted cell is written ""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := rows(c.text)
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
			text := ""
			if err != nil {
				text = Fault{Line: err.line, Col: err.col, File: "f", Message: err.msg}.String()
				text = strings.Replace(strings.TrimPrefix(text, "f:"), ": error[]:", "", 1)
			}
			if text != c.err {
				t.Errorf("got error %q, want %q", text, c.err)
			}
		})
	}
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"", "a,b\n1,2", "a;b\r\"x\"\"\";\n", "\ufeff\"", "\xff,\"\xfe\"\n\r\n", "a\tb\n\t\t\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := newCSV(text)
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
		size := 0
		for n := 0; ; n++ {
			row, err := r.row()
			if err != nil {
				if err.line < 1 || err.line > lines || err.col < 1 {
					t.Errorf("error outside of the text: %d:%d", err.line, err.col)
				}
				return
			}
			if row == nil {
				break
			}
			for _, c := range row {
				size += len(c.text)
				if c.line < 1 || c.line > lines || c.col < 1 {
					t.Errorf("cell outside of the text: %d:%d", c.line, c.col)
				}
			}
			if n > len(text) {
				t.Fatal("more rows than characters")
			}
		}
		if size > len(text) {
			t.Error("more text out than in")
		}
		// What was read, written with quotes, reads the same again.
		all, _ := rows(text)
		again, err := rows(quoteAll(text))
		if err != nil || len(all) > 0 && !cmp.Equal(strings.ReplaceAll(strings.Join(all, "\x00"), "∅", ""), strings.Join(again, "\x00")) {
			t.Errorf("%q read again: %q, %v", all, again, err)
		}
	})
}

// quoteAll writes the rows of a text with commas and all cells in quotes.
func quoteAll(text string) string {
	r := newCSV(text)
	var b strings.Builder
	for {
		row, err := r.row()
		if err != nil || row == nil {
			return b.String()
		}
		for i, c := range row {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + strings.ReplaceAll(strings.ReplaceAll(c.text, "∅", ""), `"`, `""`) + `"`)
		}
		b.WriteByte('\n')
	}
}
