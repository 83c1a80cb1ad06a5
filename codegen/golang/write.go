package golang

import (
	"fmt"
	"go/token"
	"slices"
	"strings"
)

func (v *serviceView) printer(doc string) *printer {
	p := newPrinter(v.pkg, v.source(), doc)
	p.use("cds", v.opt.Runtime+"/runtime")
	return p
}

// writeTypes writes the structs of rows, structures, parameters and results, and the enums.
func (v *serviceView) writeTypes() *printer {
	p := v.printer("Package " + v.pkg + " is the typed side of " + v.svc.Name + ".\n" + firstLine(v.svc.Doc))
	uses := false
	for _, e := range v.entities {
		p.comment(e.row + " is a row of " + e.e.Name + ".\n" + e.e.Doc)
		uses = v.writeStruct(p, e.row, e.fields, true) || uses
	}
	for _, s := range v.structs {
		p.comment(s.name + " " + s.doc)
		uses = v.writeStruct(p, s.name, s.fields, false) || uses
	}
	for _, e := range v.enums {
		v.writeEnum(p, e)
	}
	if v.writeAspects(p) || uses {
		p.use("", "time")
	}
	if len(v.entities)+len(v.structs)+len(v.enums) == 0 {
		p.imports = nil
	}
	return p
}

func firstLine(doc string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(doc), "\n")
	return line
}

// writeStruct writes a struct and its codec. It reports whether it names package time.
func (v *serviceView) writeStruct(p *printer, name string, fields []*fieldView, row bool) (usesTime bool) {
	p.line("type %s struct {", name)
	secret := false
	for _, f := range fields {
		if f.typ == "" {
			continue
		}
		p.comment(f.doc)
		tag := f.cds
		if f.tag != "" {
			tag += "," + f.tag
		}
		p.line("%s %s `json:%q`", f.name, f.typ, tag)
		usesTime = usesTime || strings.Contains(f.typ, "time.Time")
		secret = secret || f.sensitive
	}
	if row {
		p.line("cds.Ext `json:\"-\"`")
	}
	p.line("}")
	p.line("func (x *%s) CDSFields(f *cds.Fields) {", name)
	for _, f := range fields {
		if f.typ != "" {
			p.line("%s(f, %q, &x.%s)", f.visit, f.cds, f.name)
		}
	}
	p.line("}")
	p.line("")
	if secret {
		p.comment("LogValue keeps personal data out of logs.")
		p.line("func (x *%s) LogValue() slog.Value { return slog.StringValue(%q) }", name, name+"{…}")
		p.line("")
		p.use("", "log/slog")
	}
	return usesTime
}

func (v *serviceView) writeEnum(p *printer, e *enumView) {
	p.comment(e.name + " is an enum. " + e.doc)
	p.line("type %s %s", e.name, e.base)
	p.line("")
	if len(e.symbols) > 0 {
		p.line("const (")
		for _, s := range e.symbols {
			p.comment(s.doc)
			p.line("%s %s = %s", s.name, e.name, s.value)
		}
		p.line(")")
		p.line("")
	}
	p.comment("Valid reports whether x is one of the enum's values.")
	p.line("func (x %s) Valid() bool {", e.name)
	p.line("switch x {")
	if len(e.symbols) > 0 {
		p.line("case %s:\nreturn true", strings.Join(uniqueValues(e), ", "))
	}
	p.line("}\nreturn false\n}\n")
	p.comment("CDSValue and CDSScan are for codecs.")
	if e.base == "string" {
		p.line("func (x %s) CDSValue() cds.Value { return cds.TextValue(string(x)) }", e.name)
	} else {
		p.line("func (x %s) CDSValue() cds.Value { return cds.IntValue(int64(x)) }", e.name)
	}
	p.line("")
	p.comment("CDSScan takes over a value.")
	p.line("func (x *%s) CDSScan(v cds.Value) error { return cds.Scan((*%s)(x), v) }", e.name, e.base)
	p.line("")
}

// uniqueValues returns the constants of an enum with different values: a switch refuses two equal cases.
func uniqueValues(e *enumView) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range e.symbols {
		if !seen[s.value] {
			out = append(out, s.name)
		}
		seen[s.value] = true
	}
	return out
}

// writeRefs writes the references to entities, their columns and operations.
func (v *serviceView) writeRefs() *printer {
	p := v.printer("")
	for _, e := range v.entities {
		if !e.rowOnly {
			v.writeEntityRef(p, e)
		}
	}
	for _, o := range v.ops {
		p.comment(o.name + " is the operation " + o.op.Name + ".\n" + o.doc)
		p.line("var %s = cds.NewOperation[%s](Name, %q, %s)", o.name, o.params, o.op.LocalName(), o.returns)
		p.line("")
	}
	for _, ev := range v.events {
		p.comment(ev.name + " is the event " + ev.ev.Name + ".\n" + ev.ev.Doc)
		p.line("var %s = cds.NewEvent[%s](Name, %q)", ev.name, ev.payload, strings.TrimPrefix(ev.ev.Name, v.svc.Name+"."))
		p.line("")
	}
	if strings.Contains(p.body.String(), "time.Time") {
		p.use("", "time")
	}
	if p.body.Len() == 0 {
		p.imports = nil
	}
	return p
}

func (v *serviceView) writeEntityRef(p *printer, e *entityView) {
	refType := lowerFirst(e.ref) + "Ref"
	p.comment(e.ref + " is the entity " + e.e.Name + ".\n" + e.e.Doc)
	p.line("var %s = %s{", e.ref, refType)
	p.line("member: member[%s]{cds.NewEntity[%s](%q)},", e.row, e.row, e.e.Name)
	if e.isToOneTarget {
		p.line("%s: %s[%s]{}.at(\"\"),", e.cols, e.cols, e.row)
	} else {
		for _, f := range e.fields {
			if f.col != "" {
				p.line("%s: %q,", f.name, f.cds)
			}
		}
	}
	for _, f := range e.fields {
		switch {
		case f.toOne != nil:
			p.line("%s: %s[%s]{%q, %s[%s]{}.at(%q)},", f.name, f.toOne.pathType, e.row, f.cds, f.toOne.cols, e.row, f.cds+".")
		case f.toMany != nil:
			p.line("%s: %q,", f.name, f.cds)
		}
	}
	for _, f := range e.media {
		p.line("%s: cds.NewMedia[%s](Name, %q, %q),", f.name, e.row, e.e.Name, f.cds)
	}
	for _, o := range e.ops {
		p.line("%s: cds.NewBoundOperation[%s, %s](Name, %q, %q, %s),", o.name, e.row, o.params, e.e.Name, o.op.Name, o.returns)
	}
	p.line("}")
	p.line("type %s struct {", refType)
	p.line("member[%s]", e.row)
	if e.isToOneTarget {
		p.line("%s[%s]", e.cols, e.row)
	}
	for _, f := range e.fields {
		switch {
		case f.col != "" && !e.isToOneTarget:
			p.line("%s cds.Col[%s, %s]", f.name, e.row, f.col)
		case f.toOne != nil:
			p.line("%s %s[%s]", f.name, f.toOne.pathType, e.row)
		case f.toMany != nil:
			p.line("%s cds.ToMany[%s, %s]", f.name, e.row, f.toMany.row)
		}
	}
	for _, f := range e.media {
		p.line("%s cds.Media[%s]", f.name, e.row)
	}
	for _, o := range e.ops {
		p.comment(o.doc)
		p.line("%s cds.BoundOperation[%s, %s, %s]", o.name, e.row, o.params, o.result)
	}
	p.line("}")
	v.writeKey(p, e, refType)
	if e.isToOneTarget {
		v.writeCols(p, e)
	}
}

// writeKey writes the condition that selects one row.
func (v *serviceView) writeKey(p *printer, e *entityView, refType string) {
	var params, preds []string
	way := ""
	if e.isToOneTarget {
		way = e.cols + "."
	}
	for _, k := range e.e.Keys {
		for _, f := range e.fields {
			if f.cds == k.Name && f.col != "" {
				arg := argName(f.name)
				for slices.ContainsFunc(params, func(p string) bool { return strings.HasPrefix(p, arg+" ") }) {
					arg += "_"
				}
				params = append(params, arg+" "+f.col)
				preds = append(preds, fmt.Sprintf("r.%s%s.Eq(%s)", way, f.name, arg))
			}
		}
	}
	if len(params) == 0 || len(params) != len(e.e.Keys) {
		p.line("")
		return
	}
	p.comment("Key selects one row.")
	p.line("func (r %s) Key(%s) cds.Pred[%s] { return cds.And(%s) }\n", refType, strings.Join(params, ", "), e.row, strings.Join(preds, ", "))
}

func argName(goName string) string {
	arg := lowerFirst(goName)
	if strings.ToUpper(goName) == goName {
		arg = strings.ToLower(goName)
	}
	if token.IsKeyword(arg) || arg == "r" || arg == "cds" || arg == "time" || predeclared(arg) {
		arg += "_"
	}
	return arg
}

// writeCols writes the columns of an entity that paths lead to, generic in the entity from which they do.
func (v *serviceView) writeCols(p *printer, e *entityView) {
	p.line("type %s[E any] struct {", e.cols)
	for _, f := range e.fields {
		if f.col != "" {
			p.line("%s cds.Col[E, %s]", f.name, f.col)
		}
	}
	p.line("}\n")
	p.line("func (%s[E]) at(path cds.Col[E, string]) %s[E] {", e.cols, e.cols)
	p.line("return %s[E]{", e.cols)
	for _, f := range e.fields {
		if f.col != "" {
			p.line("%s: cds.Col[E, %s](path + %q),", f.name, f.col, f.cds)
		}
	}
	p.line("}\n}\n")
	p.line("type %s[E any] struct {\ncds.ToOne[E, %s]\n%s[E]\n}\n", e.pathType, e.row, e.cols)
}

// writeAuthz writes the readable policy of the service.
func (v *serviceView) writeAuthz() *printer {
	p := v.printer("")
	p.comment("Policy shows who may do what in " + v.svc.Name + ". It is for reading and reviews and decides nothing: the app compiles its policy from the model,\ncompares it with this table when it starts, and refuses to start if they differ.")
	t := v.policyTable()
	p.line("var Policy = cds.PolicyTable{\nDigest: %q,", t.Digest)
	if len(t.Rows) > 0 {
		p.line("Rows: []cds.PolicyRow{")
		for _, r := range t.Rows {
			line := fmt.Sprintf("{On: %q", r.On)
			for _, f := range []struct{ name, text string }{{"Grant", r.Grant}, {"To", r.To}, {"Where", r.Where}, {"Closed", r.Closed}, {"Follows", r.Follows}} {
				if f.text != "" {
					line += fmt.Sprintf(", %s: %q", f.name, f.text)
				}
			}
			p.line("%s},", line)
		}
		p.line("},")
	}
	p.line("}\n")
	if roles := v.roles(); len(roles) > 0 {
		p.comment("The roles that the policy of " + v.svc.Name + " names.")
		p.line("const (")
		for _, r := range roles {
			p.line("%s = %q", v.names.take("Role"+goName(r), "role "+r, v.svc.Span), r)
		}
		p.line(")")
	}
	return p
}

// writeTest writes the package that starts the app in tests.
func (v *serviceView) writeTest() *printer {
	pkg := v.pkg + "test"
	p := newPrinter(pkg, v.source(), "Package "+pkg+" starts an app with "+v.svc.Name+" for tests: in memory, without a port.")
	module := v.opt.Module + "/" + v.opt.Dir
	p.use("", "testing")
	p.use("", module+"/"+v.pkg)
	p.use("", module+"/model")
	p.use("", v.opt.Runtime+"/runtime/cdstest")
	p.comment("New starts the project's app. cfg.Model is set to the embedded model.")
	p.line("func New(t testing.TB, cfg cdstest.Config) *cdstest.App {\nt.Helper()\ncfg.Model = model.Model\nreturn cdstest.New(t, cfg)\n}\n")
	p.comment("Matrix compares who may do what with testdata/" + v.pkg + ".matrix.txt: every entity and operation of the service, every event, every role.\nCDS_UPDATE=1 writes the file.")
	p.line("func Matrix(t testing.TB, app *cdstest.App) {\nt.Helper()\ncdstest.Matrix(t, app, %s.Name, %q)\n}", v.pkg, "testdata/"+v.pkg+".matrix.txt")
	return p
}
