package diag

import (
	"fmt"
	"sort"
	"strings"
)

// Settings give codes another severity than their own. The severity 0 ("none") drops a diagnostic.
type Settings map[Code]Severity

// Apply changes the severities of the diagnostics of a list as settings say, and drops those that are set to none. It does not look at
// whether that is allowed: see Catalogue.Check.
func (l *List) Apply(s Settings) {
	if len(s) == 0 {
		return
	}
	out := (*l)[:0]
	for _, d := range *l {
		if sev, ok := s[d.Code]; ok {
			if sev == 0 {
				continue
			}
			d.Severity = sev
		}
		out = append(out, d)
	}
	*l = out
}

// ParseSeverity returns the severity of a name: error, warning, info; or none, which is 0.
func ParseSeverity(name string) (Severity, error) {
	switch strings.ToLower(name) {
	case "error":
		return Error, nil
	case "warning", "warn":
		return Warning, nil
	case "info":
		return Info, nil
	case "none", "off":
		return 0, nil
	}
	return 0, fmt.Errorf("unknown severity %q; known are error, warning, info, none", name)
}

// Check returns an error for settings that name a code which is not in the catalogue, or that make an error milder which must stay one: a
// model with it has no meaning, or it guards a restriction. Warnings and infos may become anything.
func (c Catalogue) Check(s Settings) error {
	codes := make([]string, 0, len(s))
	for code := range s {
		codes = append(codes, string(code))
	}
	sort.Strings(codes)
	for _, code := range codes {
		e, ok := c[Code(code)]
		if !ok {
			return fmt.Errorf("there is no message %q; `cds explain` lists them", code)
		}
		if e.Severity == Error && !e.Configurable && s[Code(code)] != Error {
			return fmt.Errorf("%s is always an error: %s", code, e.Title)
		}
	}
	return nil
}
