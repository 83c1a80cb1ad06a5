package deploy

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"cds/parser/csn"
	"cds/parser/token"
)

// dirs are the folders with initial data below a project's root. Those beside the sources of the model are added.
var dirs = [...]string{"db/data", "db/csv", "data", "csv", "srv/data", "srv/csv"}

// testDirs are the folders with data for tests. Nobody wants them in production.
var testDirs = [...]string{"test/data", "test/csv"}

// maxFile bounds a data file.
const maxFile = 512 << 20

// A dataFile is a CSV or JSON file and the entity that its name tells.
type dataFile struct {
	path   string
	entity *csn.Entity
}

// find returns the data files of a project whose names tell an entity, sorted by path, and the paths of those whose names don't. Of several files of
// the same name the one in the first folder counts.
func find(files fs.FS, m *csn.Model, test bool) (found []dataFile, strange []string) {
	if files == nil {
		return nil, nil
	}
	seen := map[string]bool{}
	for _, dir := range folders(m, test) {
		entries, err := fs.ReadDir(files, dir)
		if err != nil {
			continue // a folder that is not there, or not readable, has no data
		}
		for _, e := range entries {
			name := e.Name()
			base, ok := strings.CutSuffix(name, ".csv")
			isJSON := false
			if !ok {
				base, isJSON = strings.CutSuffix(name, ".json")
			}
			if !ok && !isJSON || e.IsDir() || strings.HasPrefix(name, ".") || seen[name] {
				continue
			}
			seen[name] = true
			p := path.Join(dir, name)
			if ent := entityOf(m, base); ent != nil {
				found = append(found, dataFile{p, ent})
			} else if !isJSON { // there are many other reasons for a JSON file
				strange = append(strange, p)
			}
		}
	}
	slices.SortFunc(found, func(a, b dataFile) int { return strings.Compare(a.path, b.path) })
	return found, strange
}

func folders(m *csn.Model, test bool) []string {
	out := slices.Clone(dirs[:])
	if test {
		out = append(out, testDirs[:]...)
	}
	for i := 1; m.Files != nil; i++ {
		f := m.Files.File(token.FileID(i))
		if f == nil {
			break
		}
		for _, sub := range [...]string{"data", "csv"} {
			if d := path.Join(path.Dir(path.Clean(f.Name)), sub); fs.ValidPath(d) && !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	return out
}

// entityOf finds the entity for a file's name: my.bookshop-Books, my.bookshop.Books, Books.texts and Books_texts alike.
func entityOf(m *csn.Model, base string) *csn.Entity {
	name := strings.ReplaceAll(base, "-", ".")
	if e := m.Entity(name); e != nil {
		return e
	}
	if main, ok := strings.CutSuffix(name, "_texts"); ok {
		if e := m.Entity(main); e != nil && e.Texts != nil {
			return e.Texts
		}
	}
	return nil
}
