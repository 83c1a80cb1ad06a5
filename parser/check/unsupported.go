package check

import (
	"cds/parser/csn"
	"cds/parser/token"
)

// unsupported are annotations that mean something elsewhere in CAP and nothing here.
var unsupported = []struct{ name, what, hint string }{
	{"sql.append", "Native clauses in DDL are not supported", "Add them to the script that `cds compile --to sql` writes."},
	{"sql.prepend", "Native clauses in DDL are not supported", "Add them to the script that `cds compile --to sql` writes."},
	{"cds.persistence.table", "A view can't become a table", "Define the entity with its elements."},
	{"cds.persistence.journal", "Migration tables exist in SAP HANA only", "Leave the annotation out."},
	{"cds.persistence.calcview", "Calculation views exist in SAP HANA only", "Leave the annotation out."},
	{"cds.persistence.udf", "Table functions exist in SAP HANA only", "Leave the annotation out."},
}

// unsupportedAnnotations warns of annotations that have no effect, once for each place where one is written.
func (c *checker) unsupportedAnnotations() {
	seen := map[token.Span]bool{}
	for _, e := range c.model.Entities {
		c.unsupportedOf(&e.Def, func() string { return home("entity", e.Name) }, seen)
		for _, el := range e.Elements {
			c.unsupportedOf(&el.Def, func() string { return home("entity", e.Name) + "/" + home("element", el.Name) }, seen)
		}
	}
}

func (c *checker) unsupportedOf(d *csn.Def, at func() string, seen map[token.Span]bool) {
	for i := range d.Annotations {
		a := &d.Annotations[i]
		for _, u := range unsupported {
			if a.Name != u.name || a.Value.False() || !a.Span.Valid() || seen[a.Span] {
				continue
			}
			seen[a.Span] = true
			x := c.diags.Warnf(codeUnsupported, a.Span, "%s: @%s has no effect", u.what, a.Name)
			x.Home, x.Hint = at(), u.hint
		}
	}
}
