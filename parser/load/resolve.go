package load

import (
	_ "embed" // for the reuse model
	"io/fs"
	"path"
	"strings"

	"cds/parser/ast"
	"cds/parser/token"
)

//go:embed reuse/common.cds
var common string

// Common is the name of the embedded reuse model.
const Common = "@sap/cds/common"

// embedded returns the text of an embedded file, "" if there is none of that name.
func embedded(name string) string {
	if name == Common+".cds" {
		return common
	}
	return ""
}

// endings are tried in this order behind what a using names.
var endings = []string{"", ".cds", ".csn", ".json", "/index.cds", "/index.csn", "/index.json"}

// resolve finds the file that a using leads to; "" if there is none, which is reported at its place.
func (l *loader) resolve(file string, u *ast.Using) string {
	from := strings.ReplaceAll(u.From, "\\", "/")
	var bases []string
	local := strings.HasPrefix(from, "./") || strings.HasPrefix(from, "../") || from == "." || from == ".."
	switch {
	case local && embedded(file) == "":
		bases = []string{path.Join(path.Dir(file), from)}
	case strings.HasPrefix(from, "/") || len(from) > 1 && from[1] == ':':
		l.res.Diags.Errorf(codeOutside, u.FromSpan, "The path “%s” is absolute", u.From).Hint = "Write a path relative to this file, or the name of a package."
		return ""
	case strings.HasPrefix(from, "@sap/cds/") && embedded(from+".cds") != "":
		return from + ".cds"
	case from == "":
		l.res.Diags.Errorf(codeUnknownLocal, u.FromSpan, "The name of a file or package is missing after ‘from’")
		return ""
	default:
		bases = packages(file, from)
	}
	for _, b := range bases {
		if !fs.ValidPath(b) {
			l.res.Diags.Errorf(codeOutside, u.FromSpan, "The path “%s” leads out of the project", u.From).Hint = "Models can use files below the project's folder only."
			return ""
		}
		for _, e := range endings {
			if name := b + e; l.isFile(name) {
				return l.usable(name, u)
			}
		}
	}
	if local {
		l.res.Diags.Errorf(codeUnknownLocal, u.FromSpan, "Can't find local module ‘%s’", u.From).Hint =
			"Looked for " + bases[0] + ".cds and " + path.Join(bases[0], "index.cds") + "."
	} else {
		l.res.Diags.Errorf(codeUnknownPackage, u.FromSpan, "Can't find package ‘%s’", u.From).Hint =
			"Packages are looked up in node_modules; files of the project start with ./ or ../."
	}
	return ""
}

// model adds the model of a configured service: a package, or a file or folder relative to the project.
func (l *loader) model(name string) {
	from := path.Clean(strings.ReplaceAll(name, "\\", "/"))
	if strings.HasPrefix(from, "/") || !fs.ValidPath(from) {
		l.res.Diags.Errorf(codeOutside, token.Span{}, "The configured model “%s” is not in the project", name).Hint = "Models can be files below the project's folder and packages in node_modules."
		return
	}
	for _, b := range []string{from, path.Join("node_modules", from)} {
		for _, e := range endings {
			if l.isFile(b + e) {
				switch path.Ext(b + e) {
				case ".cds", ".csn", ".json":
					l.want(b+e, token.Span{})
					return
				}
			}
		}
		if len(sources(l.fsys, b)) > 0 {
			l.folder(b)
			return
		}
	}
	l.res.Diags.Warnf(codeUnknownModel, token.Span{}, "The configured model “%s” has not been found", name).Hint =
		"See requires.*.model in the configuration: names are relative to the project, or those of packages in node_modules."
}

// usable refuses what is found but can't be read as a source.
func (l *loader) usable(name string, u *ast.Using) string {
	switch path.Ext(name) {
	case ".cds", ".csn", ".json":
		return name
	}
	l.res.Diags.Errorf(codeUnsupported, u.FromSpan, "‘%s’ is not a model", u.From).Hint = "Only .cds, .csn and .json files can be used."
	return ""
}

// packages lists where a package may be: node_modules beside the file and in the folders above, up to the root.
func packages(file, from string) []string {
	var out []string
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		out = append(out, path.Join(dir, "node_modules", from))
		if dir == "." || dir == "/" {
			return out
		}
	}
}
