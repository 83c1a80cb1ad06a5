package authzmatrix

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Read reads a matrix that was written as JSON or CSV; which of them is seen from the text.
func Read(data []byte) (*Matrix, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // as spreadsheets write it
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		m := &Matrix{}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(m); err != nil {
			return nil, fmt.Errorf("the file is no matrix in JSON: %w", err)
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return nil, errors.New("the file is no matrix in JSON: something follows it")
		}
		if m.Format != Format {
			return nil, fmt.Errorf("the file has format %d, this is format %d: make it anew, and compare the two by eye", m.Format, Format)
		}
		return m, nil
	}
	return readCSV(data)
}

func readCSV(data []byte) (*Matrix, error) {
	r := csv.NewReader(bytes.NewReader(data))
	lines, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("the file is no matrix in CSV: %w", err)
	}
	if len(lines) == 0 || !slices.Equal(lines[0], header()) {
		return nil, fmt.Errorf("the file is no matrix: JSON, or CSV with the columns %s, is expected", strings.Join(header(), ","))
	}
	m := &Matrix{Format: Format}
	for _, c := range lines[1:] {
		m.Rows = append(m.Rows, Row{Service: c[0], Kind: c[1], Target: c[2], Element: c[3], Operation: c[4], Roles: list(c[5]), Answer: c[6], Where: c[7], NewValues: c[8],
			Reason: c[9], Rules: list(c[10]), At: list(c[11])})
	}
	return m, nil
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, listMark)
}

// compared is what of a row is signed off: not where it says so, and not in which words nobody may.
func (r *Row) compared() string {
	roles := slices.Clone(r.Roles)
	slices.Sort(roles)
	shown := ""
	if r.Answer == Masked || r.Answer == If {
		shown = r.Reason
	}
	return strings.Join([]string{r.Service, r.Kind, r.Target, r.Element, r.Operation, roleText(roles), r.Answer, r.Where, r.NewValues, shown}, "\x00")
}

// A Deviation is a row that only one of two matrices has.
type Deviation struct {
	New bool // it is in the compiled policy, not in the file
	Row Row
}

// String is the row with + or -.
func (d Deviation) String() string {
	sign := "- "
	if d.New {
		sign = "+ "
	}
	name := d.Row.Target
	if d.Row.Element != "" {
		name += "." + d.Row.Element
	}
	s := fmt.Sprintf("%s%s %s: %s %s", sign, d.Row.Operation, name, d.Row.who(), d.Row.says())
	if len(d.Row.At) > 0 && d.New {
		s += "  (" + places(d.Row.At) + ")"
	}
	return oneLine(s)
}

// Deviations compares the matrix with one that was signed off: rows that are there and not in it, and rows of it that are there no more. Places and
// fingerprints may differ.
func (m *Matrix) Deviations(signed *Matrix) []Deviation {
	count := map[string]int{}
	for i := range signed.Rows {
		count[signed.Rows[i].compared()]++
	}
	var out []Deviation
	for i := range m.Rows {
		key := m.Rows[i].compared()
		if count[key] > 0 {
			count[key]--
			continue
		}
		out = append(out, Deviation{New: true, Row: m.Rows[i]})
	}
	for i := range signed.Rows {
		key := signed.Rows[i].compared()
		if count[key] > 0 {
			count[key]--
			out = append(out, Deviation{Row: signed.Rows[i]})
		}
	}
	slices.SortStableFunc(out, func(a, b Deviation) int {
		if c := strings.Compare(a.Row.Target, b.Row.Target); c != 0 {
			return c
		}
		if c := strings.Compare(a.Row.Element, b.Row.Element); c != 0 {
			return c
		}
		return strings.Compare(a.Row.Operation, b.Row.Operation)
	})
	return out
}
