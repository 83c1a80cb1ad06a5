package deploy

import (
	"strings"
	"unicode/utf8"
)

// A cell is one field of a CSV file. A cell without quotes and text is null; "" in quotes is the empty text.
type cell struct {
	text      string
	quoted    bool
	line, col int // 1-based, columns in characters
}

func (c cell) null() bool { return c.text == "" && !c.quoted }

// A csvReader splits CSV text into rows of cells. Cells are separated by comma, semicolon or tab, whichever the header uses; they may be quoted by ",
// with "" for a quote inside; quoted cells may span lines. Lines end with \n, \r\n or \r. Blank lines are passed over.
type csvReader struct {
	text      string
	i         int
	line, col int
	sep       byte
}

// newCSV starts reading. A byte order mark is skipped.
func newCSV(text string) *csvReader {
	text = strings.TrimPrefix(text, "\ufeff")
	return &csvReader{text: text, line: 1, col: 1, sep: separator(text)}
}

// separator guesses the separator from the first line that is not blank: the one that is there most often outside of quotes.
func separator(text string) byte {
	var n [128]int
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '\n' || c == '\r':
			if n[','] > 0 || n[';'] > 0 || n['\t'] > 0 {
				i = len(text)
			}
		case c < 128:
			n[c]++
		}
	}
	switch {
	case n[';'] > n[','] && n[';'] >= n['\t']:
		return ';'
	case n['\t'] > n[',']:
		return '\t'
	}
	return ','
}

// A csvError is a place where the text is not CSV.
type csvError struct {
	line, col int
	msg       string
}

func (e *csvError) Error() string { return e.msg }

// row returns the next row that is not blank, nil at the end.
func (r *csvReader) row() ([]cell, *csvError) {
	for r.i < len(r.text) {
		row, err := r.cells()
		if err != nil {
			return nil, err
		}
		if len(row) > 1 || !row[0].null() && strings.TrimSpace(row[0].text) != "" || row[0].quoted {
			return row, nil
		}
	}
	return nil, nil
}

// cells reads the cells of one line.
func (r *csvReader) cells() ([]cell, *csvError) {
	var row []cell
	for {
		c := cell{line: r.line, col: r.col}
		if r.i < len(r.text) && r.text[r.i] == '"' {
			c.quoted = true
			var err *csvError
			if c.text, err = r.quoted(); err != nil {
				return nil, err
			}
		} else {
			start := r.i
			for r.i < len(r.text) && r.text[r.i] != r.sep && r.text[r.i] != '\n' && r.text[r.i] != '\r' {
				r.i++
			}
			c.text = r.text[start:r.i]
			r.col += utf8.RuneCountInString(c.text)
		}
		row = append(row, c)
		switch {
		case r.i >= len(r.text):
			return row, nil
		case r.text[r.i] == r.sep:
			r.i++
			r.col++
		default:
			r.newline()
			return row, nil
		}
	}
}

// newline passes the end of a line.
func (r *csvReader) newline() {
	if strings.HasPrefix(r.text[r.i:], "\r\n") {
		r.i++
	}
	r.i++
	r.line++
	r.col = 1
}

// quoted reads a cell in quotes up to the separator or line end after it.
func (r *csvReader) quoted() (string, *csvError) {
	line, col := r.line, r.col
	r.i++
	r.col++
	var b strings.Builder
	for r.i < len(r.text) {
		switch c := r.text[r.i]; {
		case c == '"' && strings.HasPrefix(r.text[r.i:], `""`):
			b.WriteByte('"')
			r.i += 2
			r.col += 2
		case c == '"':
			r.i++
			r.col++
			if r.i < len(r.text) && r.text[r.i] != r.sep && r.text[r.i] != '\n' && r.text[r.i] != '\r' {
				return "", &csvError{r.line, r.col, `text after the closing quote; a quote inside a quoted cell is written ""`}
			}
			return b.String(), nil
		case c == '\n' || c == '\r':
			start := r.i
			r.newline()
			b.WriteString(r.text[start:r.i])
		default:
			_, n := utf8.DecodeRuneInString(r.text[r.i:])
			b.WriteString(r.text[r.i : r.i+n])
			r.i += n
			r.col++
		}
	}
	return "", &csvError{line, col, "the quote is not closed"}
}
