package token

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A File is a file of keys that may change while the server runs. It is not safe for concurrent use.
type File struct {
	files fs.FS
	name  string
	limit int64
	stamp stamp
}

// A stamp tells versions of a file apart.
type stamp struct {
	time time.Time
	size int64
}

// NewFile returns a file, an absolute path of the machine or a path in files (nil: the working directory), of at most limit bytes.
func NewFile(files fs.FS, name string, limit int64) *File {
	if files == nil {
		files = os.DirFS(".")
	}
	return &File{files: files, name: name, limit: limit}
}

// Read returns what is in the file. Its errors name the file and nothing of what is in it.
func (f *File) Read() ([]byte, error) {
	s, _ := statFile(f.files, f.name) // before, so that a change in between is seen next time
	b, err := readFile(f.files, f.name, f.limit)
	if err == nil {
		f.stamp = s
	}
	return b, err
}

// Changed reports whether the file is another one than was read last. A file that is not there has not changed: it may be about to be replaced.
func (f *File) Changed() bool {
	s, err := statFile(f.files, f.name)
	return err == nil && s != f.stamp
}

func statFile(files fs.FS, name string) (stamp, error) {
	var info fs.FileInfo
	var err error
	if filepath.IsAbs(name) {
		info, err = os.Stat(name)
	} else {
		info, err = fs.Stat(files, filepath.ToSlash(filepath.Clean(name)))
	}
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.ModTime(), info.Size()}, nil
}
