// Package i18n reads the texts of an application from files: messages.properties and i18n.properties with their translations
// (messages_de.properties), in folders named _i18n, i18n or assets/i18n.
package i18n

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// A Bundle has the texts of an application by language. It is safe for any number of readers.
type Bundle struct {
	texts map[string]map[string]string // by language, "" for files without one, and key
	def   string
}

// folders are where texts are looked for, below the roots of a project.
var folders = []string{"_i18n", "i18n", "assets/i18n"}

// roots are looked through from the weakest on: later ones win where both have a key.
var roots = []string{"app", "db", "srv", "."}

// maxFile bounds a file of texts.
const maxFile = 4 << 20

// Load reads all files of texts below files. def is the default language, whose texts are those of the files without one. A bundle without texts is
// no error; a file that can't be read or understood is.
func Load(files fs.FS, def string) (*Bundle, error) {
	b := &Bundle{texts: map[string]map[string]string{}, def: def}
	for _, root := range roots {
		for _, name := range []string{"i18n", "messages"} {
			for _, folder := range folders {
				if err := b.loadFolder(files, path.Join(root, folder), name); err != nil {
					return nil, err
				}
			}
		}
	}
	return b, nil
}

func (b *Bundle) loadFolder(files fs.FS, dir, name string) error {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil // there is none, or it is no folder
	}
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), ".properties")
		if !ok || e.IsDir() {
			continue
		}
		lang, ok := strings.CutPrefix(base, name)
		if !ok || lang != "" && lang[0] != '_' {
			continue
		}
		file := path.Join(dir, e.Name())
		if info, err := e.Info(); err != nil || info.Size() > maxFile {
			return fmt.Errorf("%s: larger than %d bytes", file, maxFile)
		}
		data, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		texts, err := Parse(string(data))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		lang = normal(strings.TrimPrefix(lang, "_"))
		if b.texts[lang] == nil {
			b.texts[lang] = map[string]string{}
		}
		maps.Copy(b.texts[lang], texts)
	}
	return nil
}

// normal gives names of languages one form: de_AT.
func normal(lang string) string { return strings.ReplaceAll(lang, "-", "_") }

// Text returns the text for a key: that of the locale, of its language (de for de_AT), of the files without a language, or of the default language.
func (b *Bundle) Text(locale, key string) (string, bool) {
	if locale == "" {
		locale = b.def
	}
	locale = normal(locale)
	language, _, _ := strings.Cut(locale, "_")
	for _, l := range [...]string{locale, language, "", normal(b.def)} {
		if t, ok := b.texts[l][key]; ok {
			return t, true
		}
	}
	return "", false
}

// Languages returns the languages that there are texts in, sorted; "" stands for files without one.
func (b *Bundle) Languages() []string { return slices.Sorted(maps.Keys(b.texts)) }

// Parse reads a file of Java properties: lines of key = value (or key: value), comments with # or !, lines continued by a backslash, and escapes
// such as \u00e4. Files are UTF-8.
func Parse(text string) (map[string]string, error) {
	out := map[string]string{}
	lines := strings.Split(strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		at := i + 1
		for continued(line) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + strings.TrimLeft(lines[i], " \t\f")
		}
		key, value := split(line)
		k, err := unescape(key)
		if err == nil {
			value, err = unescape(value)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", at, err)
		}
		out[k] = value
	}
	return out, nil
}

// continued tells lines that end with an odd number of backslashes.
func continued(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// split finds the first =, : or blank that no backslash stands before.
func split(line string) (key, value string) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '=', ':':
			return strings.TrimRight(line[:i], " \t\f"), strings.TrimLeft(line[i+1:], " \t\f")
		case ' ', '\t', '\f':
			rest := strings.TrimLeft(line[i:], " \t\f")
			if rest != "" && (rest[0] == '=' || rest[0] == ':') {
				rest = strings.TrimLeft(rest[1:], " \t\f")
			}
			return line[:i], rest
		}
	}
	return line, ""
}

var errEscape = errors.New(`\u needs four hexadecimal digits`)

func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r, n, err := unicode(s[i+1:])
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
			i += n
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// unicode reads what follows \u; two halves of one character are read together.
func unicode(s string) (r rune, n int, err error) {
	if len(s) < 4 {
		return 0, 0, errEscape
	}
	v, err := strconv.ParseUint(s[:4], 16, 32)
	if err != nil {
		return 0, 0, errEscape
	}
	r = rune(v)
	if utf16.IsSurrogate(r) && len(s) >= 10 && s[4:6] == `\u` {
		if low, err := strconv.ParseUint(s[6:10], 16, 32); err == nil {
			return utf16.DecodeRune(r, rune(low)), 10, nil
		}
	}
	return r, 4, nil
}
