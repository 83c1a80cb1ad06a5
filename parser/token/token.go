// Package token holds source positions: files, spans inside them, and the line and column that a span stands at.
package token

import (
	"sort"
	"strings"
	"sync"
	"unicode/utf8"
)

// A FileID names a file of a FileSet. Zero means "no file": the thing was made by the compiler, not written by anybody.
type FileID int32

// A Span is a half-open range of bytes in one file. The zero Span means "nowhere".
type Span struct {
	File       FileID
	Start, End int32
}

// Valid reports whether the span points into a file.
func (s Span) Valid() bool { return s.File != 0 }

// To returns the span from the start of s to the end of t. An invalid side yields the other one.
func (s Span) To(t Span) Span {
	switch {
	case !s.Valid():
		return t
	case !t.Valid() || t.File != s.File:
		return s
	}
	return Span{s.File, min(s.Start, t.Start), max(s.End, t.End)}
}

// A Position is what people read: a file name, and 1-based lines and columns. Columns count characters (code points).
type Position struct {
	File            string
	Line, Col       int
	EndLine, EndCol int
}

// A File is one source text. It is immutable once added.
type File struct {
	Name  string // relative to the project root, with forward slashes
	Text  string
	lines []int32 // offset of each line's first byte
}

// A FileSet maps FileIDs to files. It is safe for concurrent use.
type FileSet struct {
	mu    sync.RWMutex
	files []*File
}

// NewFileSet returns an empty set.
func NewFileSet() *FileSet { return &FileSet{} }

// Add puts a file into the set and returns its id, which is never zero.
func (s *FileSet) Add(name, text string) FileID {
	f := &File{Name: name, Text: text, lines: []int32{0}}
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			f.lines = append(f.lines, int32(i+1))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, f)
	return FileID(len(s.files))
}

// File returns the file with the given id, or nil.
func (s *FileSet) File(id FileID) *File {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if id <= 0 || int(id) > len(s.files) {
		return nil
	}
	return s.files[id-1]
}

// Position turns a span into lines and columns. The zero Position stands for an invalid span.
func (s *FileSet) Position(sp Span) Position {
	f := s.File(sp.File)
	if f == nil {
		return Position{}
	}
	p := Position{File: f.Name}
	p.Line, p.Col = f.lineCol(sp.Start)
	p.EndLine, p.EndCol = f.lineCol(max(sp.Start, sp.End))
	return p
}

// Line returns the text of the 1-based line n without its line end, or "".
func (f *File) Line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	start, end := int(f.lines[n-1]), len(f.Text)
	if n < len(f.lines) {
		end = int(f.lines[n]) - 1
	}
	return strings.TrimSuffix(f.Text[start:end], "\r")
}

func (f *File) lineCol(off int32) (line, col int) {
	off = min(max(off, 0), int32(len(f.Text)))
	line = sort.Search(len(f.lines), func(i int) bool { return f.lines[i] > off })
	return line, utf8.RuneCountInString(f.Text[f.lines[line-1]:off]) + 1
}
