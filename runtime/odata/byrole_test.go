package odata_test

import (
	"encoding/xml"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	cdl "cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/generic"
	"cds/runtime/odata"
)

// A node is an element of a metadata document.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Nodes   []node     `xml:",any"`
	Text    string     `xml:",chardata"`
}

func (n *node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// An edm is what a metadata document declares.
type edm struct {
	ns    string
	types map[string]map[string]string // properties with their types, "" for none; of entity types, complex types
	keys  map[string][]string
	sets  map[string]string // with their types
	ops   map[string]bool   // by qualified name
	names map[string]bool   // operations and imports, as annotations may name them
	lost  []string          // references that lead nowhere
}

func readEDM(t *testing.T, doc []byte) *edm {
	t.Helper()
	var root node
	if err := xml.Unmarshal(doc, &root); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	m := &edm{types: map[string]map[string]string{}, keys: map[string][]string{}, sets: map[string]string{}, ops: map[string]bool{}, names: map[string]bool{}}
	var schema *node
	for i := range root.Nodes {
		if root.Nodes[i].XMLName.Local == "DataServices" {
			schema = &root.Nodes[i].Nodes[0]
		}
	}
	m.ns = schema.attr("Namespace")
	for i := range schema.Nodes {
		m.declare(&schema.Nodes[i])
	}
	for i := range schema.Nodes {
		m.check(&schema.Nodes[i])
	}
	sort.Strings(m.lost)
	m.lost = slices.Compact(m.lost)
	return m
}

func (m *edm) declare(n *node) {
	name := m.ns + "." + n.attr("Name")
	switch n.XMLName.Local {
	case "EntityType", "ComplexType":
		props := map[string]string{}
		for i := range n.Nodes {
			if p := &n.Nodes[i]; p.XMLName.Local != "Key" {
				props[p.attr("Name")] = p.attr("Type")
			} else {
				for _, r := range p.Nodes {
					m.keys[name] = append(m.keys[name], r.attr("Name"))
				}
			}
		}
		m.types[name] = props
	case "TypeDefinition":
		m.types[name] = map[string]string{}
	case "Action", "Function":
		m.ops[name], m.names[name] = true, true
	case "EntityContainer":
		for i := range n.Nodes {
			switch c := &n.Nodes[i]; c.XMLName.Local {
			case "EntitySet":
				m.sets[c.attr("Name")] = c.attr("EntityType")
			case "Singleton":
				m.sets[c.attr("Name")] = c.attr("Type")
			default:
				m.names[m.ns+".EntityContainer/"+c.attr("Name")] = true
			}
		}
	}
}

func (m *edm) miss(format string, args ...any) { m.lost = append(m.lost, fmt.Sprintf(format, args...)) }

func item(typ string) string {
	return strings.TrimSuffix(strings.TrimPrefix(typ, "Collection("), ")")
}

func (m *edm) typed(where, typ string) {
	if t := item(typ); t != "" && !strings.HasPrefix(t, "Edm.") && m.types[t] == nil {
		m.miss("%s: no type %s", where, typ)
	}
}

func (m *edm) check(n *node) {
	name := m.ns + "." + n.attr("Name")
	switch n.XMLName.Local {
	case "EntityType", "ComplexType":
		for _, k := range m.keys[name] {
			if _, ok := m.types[name][k]; !ok {
				m.miss("%s: no key %s", name, k)
			}
		}
		for i := range n.Nodes {
			p := &n.Nodes[i]
			if p.XMLName.Local == "Key" {
				continue
			}
			where := name + "/" + p.attr("Name")
			m.typed(where, p.attr("Type"))
			to := m.types[item(p.attr("Type"))]
			if partner := p.attr("Partner"); partner != "" {
				if _, ok := to[partner]; !ok {
					m.miss("%s: no partner %s", where, partner)
				}
			}
			for _, c := range p.Nodes {
				if c.XMLName.Local != "ReferentialConstraint" {
					continue
				}
				if _, ok := m.types[name][c.attr("Property")]; !ok {
					m.miss("%s: constraint on %s", where, c.attr("Property"))
				}
				if _, ok := to[c.attr("ReferencedProperty")]; !ok {
					m.miss("%s: constraint to %s", where, c.attr("ReferencedProperty"))
				}
			}
		}
	case "Action", "Function":
		for i := range n.Nodes {
			m.typed(name, n.Nodes[i].attr("Type"))
		}
	case "EntityContainer":
		m.container(n)
	case "Annotations":
		m.annotations(n)
	}
}

func (m *edm) container(n *node) {
	for i := range n.Nodes {
		c := &n.Nodes[i]
		typ := c.attr("EntityType") + c.attr("Type")
		m.typed(c.attr("Name"), typ)
		for _, b := range c.Nodes {
			if _, ok := m.types[typ][b.attr("Path")]; !ok {
				m.miss("set %s: binding of %s", c.attr("Name"), b.attr("Path"))
			}
			if _, ok := m.sets[b.attr("Target")]; !ok {
				m.miss("set %s: binding to %s", c.attr("Name"), b.attr("Target"))
			}
		}
		if op := c.attr("Action") + c.attr("Function"); op != "" && !m.ops[op] {
			m.miss("import of %s", op)
		}
		if set := c.attr("EntitySet"); set != "" && m.sets[set] == "" {
			m.miss("import %s to %s", c.attr("Name"), set)
		}
	}
}

// annotations checks a target and what the values name.
func (m *edm) annotations(n *node) {
	target := n.attr("Target")
	base := ""
	head, rest, _ := strings.Cut(target, "/")
	op, signature, isOp := strings.Cut(head, "(")
	switch {
	case head == m.ns+".EntityContainer":
		if rest != "" {
			if base = m.sets[rest]; base == "" && !m.names[target] {
				m.miss("annotations of %s", target)
			}
		}
	case isOp:
		if !m.ops[op] {
			m.miss("annotations of %s", target)
		}
		base = item(strings.Split(strings.TrimSuffix(signature, ")"), ",")[0])
	case m.types[head] == nil:
		m.miss("annotations of %s", target)
	default:
		base = head
		if _, ok := m.types[head][rest]; rest != "" && !ok {
			m.miss("annotations of %s", target)
		}
	}
	for i := range n.Nodes {
		m.value(target, base, "", &n.Nodes[i])
	}
}

func (m *edm) value(where, base, list string, n *node) {
	for i := range n.Nodes { // a value list says first what it reads
		if c := &n.Nodes[i]; c.attr("Property") == "CollectionPath" {
			if list = m.sets[c.attr("String")]; list == "" {
				m.miss("%s: value list of %s", where, c.attr("String"))
			}
		}
	}
	for _, a := range n.Attrs {
		switch a.Name.Local {
		case "Path", "PropertyPath", "NavigationPropertyPath", "AnnotationPath":
			m.path(where, base, a.Value)
		case "String":
			switch {
			case n.attr("Property") == "ValueListProperty" && list != "":
				m.path(where, list, a.Value)
			case strings.HasPrefix(a.Value, m.ns+".") && !m.names[strings.Split(a.Value, "(")[0]]:
				m.miss("%s: names %s", where, a.Value)
			}
		}
	}
	switch n.XMLName.Local {
	case "Path", "PropertyPath", "NavigationPropertyPath", "AnnotationPath":
		m.path(where, base, n.Text)
	}
	for i := range n.Nodes {
		m.value(where, base, list, &n.Nodes[i])
	}
}

func (m *edm) path(where, base, path string) {
	for _, step := range strings.Split(path, "/") {
		step, _, _ = strings.Cut(step, "@")
		if step == "" || base == "" || step == "in" || step == "_it" {
			return
		}
		typ, ok := m.types[base][step]
		if !ok {
			m.miss("%s: path %s", where, path)
			return
		}
		if base = item(typ); m.types[base] == nil {
			return
		}
	}
}

// byRole mounts a service whose documents follow roles.
func byRole(t *testing.T, m *csn.Model) (*cds.App, map[string]http.Handler) {
	t.Helper()
	app, diags := cds.NewApp(m, cds.AppOptions{Log: slog.New(slog.DiscardHandler)})
	if app == nil {
		t.Fatal(diags)
	}
	generic.Install(app)
	doors := map[string]http.Handler{}
	for _, s := range app.Services() {
		doors[s.Model.Name] = odata.Mount(s, odata.Options{ByRole: true})
	}
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return app, doors
}

func getAs(h http.Handler, u *auth.User, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r.WithContext(cds.NewContext(r.Context(), u, "")))
	return rec
}

// TestByRole_resolves makes documents for random sets of roles: every reference in them leads somewhere, unless it leads nowhere in the whole document either.
func TestByRole_resolves(t *testing.T) {
	models := map[string]func() (*csn.Model, error){}
	for name, text := range map[string]string{"orders": orders, "annotated": annotated} {
		models[name] = func() (*csn.Model, error) {
			res := cdl.CompileString(name+".cds", text)
			return res.Model, res.Diags.Err()
		}
	}
	shared := filepath.Join("..", "..", "..", "shared", "conformance", "models")
	if _, err := os.Stat(shared); err == nil {
		for _, dir := range []string{"authlab", "bookshop"} {
			models[dir] = func() (*csn.Model, error) { return projectModel(filepath.Join(shared, dir)) }
		}
	}
	for name, model := range models {
		t.Run(name, func(t *testing.T) {
			m, err := model()
			if m == nil {
				t.Fatal(err)
			}
			app, doors := byRole(t, m)
			left, some := 0, 0
			for _, s := range app.Services() {
				whole := getAs(odata.Mount(s, odata.Options{}), auth.New(auth.User{ID: "x"}, app.Policy.Roles(nil)...), "/$metadata")
				if whole.Code != 200 {
					continue // for nobody
				}
				full := readEDM(t, whole.Body.Bytes())
				roles := app.Policy.Roles(s.Model)
				rnd := rand.New(rand.NewPCG(7, 7))
				for range 12 {
					var mine []string
					for _, r := range roles {
						if rnd.IntN(2) == 0 {
							mine = append(mine, r)
						}
					}
					u := auth.New(auth.User{ID: "u", Tenant: "t1"}, mine...)
					rec := getAs(doors[s.Model.Name], u, "/$metadata")
					if rec.Code != 200 {
						continue
					}
					some++
					part := readEDM(t, rec.Body.Bytes())
					for _, lost := range part.lost {
						if !slices.Contains(full.lost, lost) {
							t.Errorf("%s for %v: %s\n", s.Model.Name, mine, lost)
						}
					}
					for typ := range part.types {
						if full.types[typ] == nil {
							t.Errorf("%s for %v: type %s is new", s.Model.Name, mine, typ)
						}
					}
					if len(part.sets) < len(full.sets) || len(part.ops) < len(full.ops) {
						left++
					}
					if root := getAs(doors[s.Model.Name], u, "/"); strings.Count(root.Body.String(), `"url"`) > len(part.sets) {
						t.Errorf("%s for %v: the service document has more sets than the metadata: %s", s.Model.Name, mine, root.Body)
					}
				}
			}
			t.Logf("%d documents, %d without something", some, left)
			if some == 0 || left == 0 && name != "bookshop" {
				t.Error("nothing was left out: the test has lost its sense")
			}
		})
	}
}

// TestByRole_annotations looks at what is left of annotations that name what is left out.
func TestByRole_annotations(t *testing.T) {
	res := cdl.CompileString("annotated.cds", annotated)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	_, doors := byRole(t, res.Model)
	doc := func(roles ...string) string {
		return getAs(doors["S"], auth.New(auth.User{ID: "u"}, roles...), "/$metadata").Body.String()
	}
	none, a, all := doc(), doc("A"), doc("A", "B", "C")
	for _, name := range []string{"margin", `"secret"`, "Secrets", `"S.approve"`, "EntityContainer/pay", "Authors", "author.name", "UI.HeaderInfo", "Common.ValueList\""} {
		if strings.Contains(none, name) {
			i := strings.Index(none, name)
			t.Errorf("%s is told to those who have no role: …%s…", name, none[max(0, i-200):min(len(none), i+100)])
		}
	}
	for _, name := range []string{`Path="title"`, "UI.LineItem", "draftEdit", "DraftAdministrativeData", `Common.FieldControlType/ReadOnly`, `Property="Deletable" Bool="false"`} {
		if !strings.Contains(none, name) {
			t.Errorf("%s is not told to those who have no role:\n%s", name, none)
		}
	}
	if !strings.Contains(a, "margin") || !strings.Contains(a, "S.approve") || !strings.Contains(a, "UI.HeaderInfo") || strings.Contains(a, "EntityContainer/pay") {
		t.Error("A is told too much or too little")
	}
	if !strings.Contains(all, "EntityContainer/pay") || !strings.Contains(all, "Common.ValueList") || strings.Contains(all, `Property="Insertable" Bool="false"`) {
		t.Error("who has all roles is told too little")
	}
	// What the model says of a restriction stays beside what the roles say of it.
	if !strings.Contains(none, `<PropertyValue Property="Description" String="x"/>`) || strings.Contains(none, `Property="Insertable" Bool="true"`) || !strings.Contains(all, `Property="Insertable" Bool="true"`) {
		t.Errorf("restrictions of the model and of roles are confused:\n%s", none)
	}
}

// projectModel compiles the model of a project in the file system.
func projectModel(dir string) (*csn.Model, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	res := cdl.CompileProject(os.DirFS(abs), cdl.Options{})
	return res.Model, res.Diags.Err()
}

// annotated has annotations that name what some users may not use.
const annotated = `
entity db.Orders { key ID : Integer; title : String(20); margin : Integer; secret : Association to db.Secrets; author : Association to db.Authors; items : Composition of many db.Items on items.order = $self; }
entity db.Items { key ID : Integer; order : Association to db.Orders; product : String(20); }
entity db.Secrets { key ID : Integer; code : String(20); order : Association to db.Orders; }
entity db.Authors { key ID : Integer; name : String(20); pay : Integer; orders : Association to many db.Orders on orders.author = $self; }
type Pay { amount : Integer; code : String; }
@requires: 'any' service S {
  @restrict: [{ grant: 'READ' }, { grant: 'approve', to: 'A' }, { grant: 'WRITE', to: ['B', 'C'] }]
  @odata.draft.enabled entity Orders as projection on db.Orders actions { action approve(note : String) returns Orders; action archive() returns Secrets; };
  @requires: 'A' entity Secrets as projection on db.Secrets;
  @restrict: [{ grant: 'CREATE', to: 'B' }, { grant: 'READ', to: 'C', where: 'ID = $user.id' }] entity Authors as projection on db.Authors;
  @requires: 'C' action pay(p : Pay) returns Pay;
  @requires: 'B' function secrets() returns many Secrets;
}
annotate S.Orders with { margin @requires: 'A'; title @restrict: [{ grant: 'READ' }, { grant: 'UPDATE', to: 'B' }]; };
annotate S.Authors with { pay @requires: 'C'; };
annotate S.Orders with @(
  UI.LineItem: [{ Value: title }, { Value: margin }, { Value: secret.code }, { $Type: 'UI.DataFieldForAction', Action: 'S.approve', Label: 'Approve' }, { $Type: 'UI.DataFieldForAction', Action: 'S.EntityContainer/pay', Label: 'Pay' }],
  UI.HeaderInfo: { TypeName: 'Order', Title: { Value: margin } },
  UI.SelectionFields: [title, margin, author_ID],
  UI.FieldGroup #Main: { Data: [{ Value: author.pay }, { Value: author.name }] },
  UI.Facets: [{ $Type: 'UI.ReferenceFacet', Target: '@UI.FieldGroup#Main' }, { $Type: 'UI.ReferenceFacet', Target: 'items/@UI.LineItem' }, { $Type: 'UI.ReferenceFacet', Target: 'secret/@UI.LineItem' }],
  Capabilities.InsertRestrictions: { Insertable: true, Description: 'x' },
  Capabilities.UpdateRestrictions.Updatable: true
);
annotate S.Orders with {
  author @Common.Text: author.name @Common.ValueList: { CollectionPath: 'Authors', Parameters: [
    { $Type: 'Common.ValueListParameterInOut', LocalDataProperty: author_ID, ValueListProperty: 'ID' }, { $Type: 'Common.ValueListParameterDisplayOnly', ValueListProperty: 'pay' }] };
  title @Common.Text: margin;
};
`
