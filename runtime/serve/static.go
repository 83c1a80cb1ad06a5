package serve

import (
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// static serves the files of user interfaces: the project's folder app (server.static: another one, or false for none), at the root, to anybody.
// Sources, settings and what begins with a dot are no part of a user interface. Folders are not listed.
type static struct{ files fs.FS }

// newStatic returns nil if there is no such folder.
func newStatic(s *Server) *static {
	dir := s.Config.Str("server.static")
	switch dir {
	case "false":
		return nil
	case "", "true":
		dir = "app"
	}
	dir = path.Clean(strings.Trim(dir, "/"))
	files := s.opt.files()
	info, err := fs.Stat(files, dir)
	if err != nil || !info.IsDir() || dir == "." {
		return nil
	}
	sub, err := fs.Sub(files, dir)
	if err != nil {
		return nil
	}
	return &static{sub}
}

// served are the kinds of files that browsers load.
var served = []string{".html", ".htm", ".js", ".mjs", ".css", ".json", ".xml", ".properties", ".txt", ".md", ".map", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".avif",
	".ico", ".woff", ".woff2", ".ttf", ".otf", ".eot", ".wasm", ".pdf", ".mp3", ".mp4", ".webm", ".webmanifest"}

// find returns the file for a path; ok is false if there is none that may be served.
func (s *static) find(escaped string) (name string, ok bool) {
	p, err := url.PathUnescape(escaped)
	if err != nil || strings.Contains(p, "\\") {
		return "", false
	}
	name = strings.Trim(p, "/")
	if name == "" || strings.HasSuffix(p, "/") {
		name = path.Join(name, "index.html")
	}
	if !fs.ValidPath(name) {
		return "", false
	}
	for part := range strings.SplitSeq(name, "/") {
		switch part = strings.ToLower(part); { // some file systems don't tell cases apart
		case strings.HasPrefix(part, "."), part == "node_modules", part == "package.json", part == "package-lock.json", part == "default-env.json", part == "xs-app.json", part == "xs-security.json", strings.HasPrefix(part, "tsconfig"):
			return "", false
		}
	}
	if !slices.Contains(served, strings.ToLower(path.Ext(name))) {
		return "", false
	}
	info, err := fs.Stat(s.files, name)
	return name, err == nil && info.Mode().IsRegular()
}

// serve answers with a file; false if the path names none.
func (s *static) serve(w http.ResponseWriter, req *http.Request) bool {
	if s == nil || req.Method != http.MethodGet && req.Method != http.MethodHead {
		return false
	}
	name, ok := s.find(req.URL.EscapedPath())
	if !ok {
		return false
	}
	f, err := s.files.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	content, ok := f.(io.ReadSeeker)
	info, err := f.Stat()
	if !ok || err != nil {
		return false
	}
	w.Header().Set("Cache-Control", "no-cache") // may be kept, but not used unasked
	http.ServeContent(w, req, name, info.ModTime(), content)
	return true
}
