package csn

import (
	"slices"
	"strings"

	"cds/parser/cqn"
)

// A guardName is an annotation that protects something, which a slip of the pen would leave open.
type guardName struct {
	name     string
	most     int      // letters by which a slip differs
	synonyms []string // other names that can only mean this one
	words    []string // names that near that mean something else
}

var guardNames = []guardName{
	{"requires", 2, nil, []string{"acquires", "enquires", "inquires", "retires", "rewires"}},
	{"restrict", 2, nil, []string{"district", "resist", "strict"}},
	{"mask", 1, []string{"masked", "masking"}, []string{"ask", "bask", "cask", "mark", "mas", "mash", "mass", "mast", "musk", "task"}},
	{"encrypted", 2, []string{"encryption", "encrypting"}, []string{"decrypted", "encryptedby", "encryptedat", "encrusted", "unencrypted"}},
	{"hash", 1, []string{"hashed", "hashing", "hashes"}, []string{"ash", "bash", "cash", "dash", "gash", "harsh", "has", "hasp", "hast", "hath", "hush", "lash", "mash", "rash", "sash", "wash"}},
	{"tenant", 1, nil, []string{"tenants"}},
}

// MeantAnnotation returns which annotation that protects data another one is clearly meant to be: @requires, @restrict, @mask, @encrypted, @hash or @tenant. ""
// is none, be it that the name is right. Clearly meant is a name that differs in the case of letters, in one or two letters while it is no word of its own, or
// is a known synonym. A longer name that only begins alike is somebody's own annotation, unless its value has the form of privileges.
func MeantAnnotation(a *cqn.AnnoField) string {
	base, rest := a.Name, ""
	if i := strings.IndexAny(base, ".#"); i >= 0 {
		base, rest = base[:i], strings.TrimLeft(base[i:], ".#")
	}
	low := strings.ToLower(base)
	best, least := "", 3
	for i := range guardNames {
		g := &guardNames[i]
		switch {
		case base == g.name:
			return ""
		case slices.Contains(g.synonyms, low):
			return g.name
		case slices.Contains(g.words, low):
			continue
		}
		if n := Edits(low, g.name); n <= g.most && n < least {
			best, least = g.name, n
		}
	}
	switch {
	case low == "required" && (a.Value.True() || a.Value.False()):
		return "" // of a field
	case best == "" && AlikeAnnotation(a) == "restrict" && (privilegeWord(rest) || privilegeList(a.Value)):
		return "restrict"
	}
	return best
}

// AlikeAnnotation returns which annotation that protects data the name of another one begins as, without being clearly meant as that: worth a warning, no more.
func AlikeAnnotation(a *cqn.AnnoField) string {
	switch low := strings.ToLower(a.Name); {
	case strings.HasPrefix(low, "restrict"):
		return "restrict"
	case strings.HasPrefix(low, "require") && !(strings.HasPrefix(low, "required") && (a.Value.True() || a.Value.False())):
		return "requires"
	case strings.HasPrefix(low, "encrypt"):
		return "encrypted"
	}
	return ""
}

func privilegeWord(name string) bool {
	return name == "grant" || name == "deny" || name == "to" || name == "where"
}

// privilegeList reports whether a value looks like one of @restrict: a structure, or a list of some, that grants or denies.
func privilegeList(v *cqn.AnnoValue) bool {
	switch {
	case v == nil:
		return false
	case v.Kind == cqn.AnnoArray:
		return slices.ContainsFunc(v.Items, privilegeList)
	case v.Kind == cqn.AnnoStruct:
		return slices.ContainsFunc(v.Fields, func(f cqn.AnnoField) bool { return privilegeWord(f.Name) })
	}
	return false
}
