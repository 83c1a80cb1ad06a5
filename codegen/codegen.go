// Package codegen turns a model into files for people and tools. Its targets are pure: a model in, files and diagnostics out; writing
// them is the command line's business.
package codegen

import (
	"bytes"
	"io/fs"
)

// A File is one generated file.
type File struct {
	Path    string // with slashes, relative to the project's folder
	Content []byte
}

// Diff returns the paths of files that dir lacks or has with other content, in order of files. A file that can't be read counts as missing.
func Diff(dir fs.FS, files []File) []string {
	var out []string
	for _, f := range files {
		old, err := fs.ReadFile(dir, f.Path)
		if err != nil || !bytes.Equal(old, f.Content) {
			out = append(out, f.Path)
		}
	}
	return out
}
