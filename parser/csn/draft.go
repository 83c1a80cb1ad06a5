package csn

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/diag"
)

// Names that draft-enabled models have beside those that were written.
const (
	DraftActive  = "IsActiveEntity"
	DraftHasOrig = "HasActiveEntity"
	DraftHasCopy = "HasDraftEntity"
	DraftAdmin   = "DraftAdministrativeData"
	DraftSibling = "SiblingEntity"
	DraftNotes   = "DraftMessages"
	// DraftUUID is the element of drafts that tells to which draft a row belongs.
	DraftUUID = DraftAdmin + "_DraftUUID"
	// DraftOwner is the association of drafts to the record that tells who edits them.
	DraftOwner = "DraftOwner"
	// DraftTable is the entity with one record for each draft.
	DraftTable = "DRAFT." + DraftAdmin

	draftsSuffix = ".drafts"
	unionSuffix  = ".activeOrDraft"
	draftEnabled = "odata.draft.enabled"
)

// DraftOp says which step of the draft choreography an operation is.
type DraftOp uint8

// The steps.
const (
	NoDraftOp DraftOp = iota
	DraftPrepare
	DraftActivate
	DraftEdit
)

// IsDraftRoot reports whether drafts begin at the entity: it is exposed by a service and has @odata.draft.enabled.
func (e *Entity) IsDraftRoot() bool {
	return e.Service != nil && e.Active == nil && e.Annotations.Is(draftEnabled) && !e.Annotations.Is("odata.singleton") && len(e.Keys) > 0
}

// DraftTree returns the entities that are edited as one: a root and what is composed of it in its service.
func (e *Entity) DraftTree() []*Entity {
	tree := []*Entity{e}
	seen := map[*Entity]bool{e: true}
	for i := 0; i < len(tree); i++ {
		for _, el := range tree[i].Flat {
			a := el.Assoc()
			if a == nil || !a.Composition || a.Target == nil || a.Target.Service != e.Service || len(a.Target.Keys) == 0 || seen[a.Target] || a.Target.SkipPersistence {
				continue
			}
			seen[a.Target] = true
			tree = append(tree, a.Target)
		}
	}
	return tree
}

// WithDrafts returns the model with what drafts need, m itself if no entity has any or it is there already. Of every entity E of a draft's tree it makes
//
//	E                the active rows, with elements that tell of drafts (IsActiveEntity … SiblingEntity), calculated on read
//	E.drafts         a table with the drafts' rows; all elements but keys may be null
//	E.activeOrDraft  both together, for reading; it is neither table nor view but a union that queries are given
//
// and of each service with drafts DraftAdministrativeData, a view of the table DRAFT.DraftAdministrativeData. lock is how long a draft keeps
// others from editing, in the form of a Go duration; "" means 15m.
//
// The given model stays as it is. The result is nil if a definition of the model has one of the names.
func WithDrafts(m *Model, lock string) (*Model, diag.List) {
	d := &drafter{m: m, lock: lock, nodes: map[string]*draftNode{}, services: map[*Service]bool{}}
	if d.lock == "" {
		d.lock = "15m"
	}
	for _, e := range m.Entities {
		if e.Active != nil || e.Drafts != nil {
			return m, nil
		}
		if e.IsDraftRoot() && !e.SkipPersistence {
			d.add(e)
		}
	}
	if len(d.nodes) == 0 {
		return m, nil
	}
	c := cloner{}
	for _, def := range m.Defs {
		d.defs = append(d.defs, c.definition(def))
	}
	for i, def := range d.defs {
		if e, ok := def.(*Entity); ok {
			if n := d.nodes[e.Name]; n != nil {
				d.defs = append(d.defs, d.twin(n, m.Entities[n.orig.ID]), d.union(n))
				d.extend(d.defs[i].(*Entity), n)
			}
		}
	}
	d.adminTable()
	out, diags := Freeze(d.defs, m.Files, m.Namespace)
	if diags.HasErrors() {
		return nil, diags
	}
	d.connect(out)
	return out, nil
}

// A draftNode is one entity of a draft's tree.
type draftNode struct {
	orig *Entity // in the given model
	root bool
}

type drafter struct {
	m        *Model
	lock     string
	nodes    map[string]*draftNode
	services map[*Service]bool
	defs     []Definition
}

func (d *drafter) add(root *Entity) {
	for _, e := range root.DraftTree() {
		n := d.nodes[e.Name]
		if n == nil {
			n = &draftNode{orig: e}
			d.nodes[e.Name] = n
		}
		n.root = n.root || e == root
	}
	d.services[root.Service] = true
}

func hidden(as ...cqn.AnnoField) Annotations {
	return append(Annotations{flagAnno("UI.Hidden")}, as...)
}

func flagAnno(name string) cqn.AnnoField {
	return cqn.AnnoField{Name: name, Value: &cqn.AnnoValue{Kind: cqn.AnnoBool, Bool: true}}
}

func textAnno(name, text string) cqn.AnnoField {
	return cqn.AnnoField{Name: name, Value: &cqn.AnnoValue{Kind: cqn.AnnoString, Text: text}}
}

func scalarElement(name string, kind Scalar, typ string) *Element {
	return &Element{Def: Def{Name: name}, Type: &Builtin{Name: typ, Kind: kind}, TypeName: typ}
}

func booleanElement(name string) *Element { return scalarElement(name, Boolean, "cds.Boolean") }

func literal(b bool) cqn.Expr { return &cqn.Lit{Value: cqn.Bool(b)} }

func equals(l, r cqn.Expr) cqn.Expr { return &cqn.Binary{Op: cqn.Eq, L: l, R: r} }

// twin makes the entity with the drafts of a node.
func (d *drafter) twin(n *draftNode, e *Entity) *Entity {
	t := &Entity{Def: Def{Name: e.Name + draftsSuffix, Span: e.Span}, Exposure: e.Exposure}
	for _, name := range []string{"cds.query.limit", "cds.query.limit.max", "cds.query.limit.default"} {
		if v := e.Annotations.Get(name); v != nil {
			t.Annotations = append(t.Annotations, cqn.AnnoField{Name: name, Value: v})
		}
	}
	for _, el := range (cloner{}).elements(e.Elements, 0) {
		d.redirect(el, n, draftsSuffix)
		d.loosen(el, e)
		t.Elements = append(t.Elements, el)
	}
	for _, name := range []string{DraftActive, DraftHasOrig, DraftHasCopy} {
		t.Elements = append(t.Elements, booleanElement(name))
	}
	admin := &Element{Def: Def{Name: DraftAdmin}, NotNull: true, Type: &Assoc{TargetName: e.Service.Name + "." + DraftAdmin, Keys: []ForeignKey{{Ref: []string{"DraftUUID"}}}}}
	t.Elements = append(t.Elements, admin, d.sibling(e, e.Name, nil), messages(e.Service), owner())
	t.Actions = d.actions(n)
	return t
}

// loosen changes an element for drafts: it may be null, and what a view computes is kept as it was when the draft was made.
func (d *drafter) loosen(c *Element, e *Entity) {
	if !c.Key {
		c.NotNull = false
	}
	if e.Source != nil {
		c.SetValue(nil)
		c.Stored = false
	}
	c.Annotations = withoutAnnos(c.Annotations, "odata.etag", "Core.Immutable", "assert.unique")
	switch t := c.Type.(type) {
	case *Struct:
		for _, p := range t.Elements {
			d.loosen(p, e)
		}
	case *Assoc:
		t.NotNull = false
	}
}

func withoutAnnos(as Annotations, names ...string) Annotations {
	var out Annotations
	for _, a := range as {
		if !contains(names, a.Name) {
			out = append(out, a)
		}
	}
	return out
}

// redirect lets the compositions of a node, and in drafts the associations that they are based on, lead to other entities of the same kind.
func (d *drafter) redirect(el *Element, n *draftNode, suffix string) {
	a := el.Assoc()
	if a == nil || a.Target == nil || d.nodes[a.Target.Name] == nil || a.Target.Service != n.orig.Service {
		return
	}
	if !a.Composition && (suffix == unionSuffix || !isBacklink(n.orig, el)) {
		return
	}
	a.TargetName, a.Target = a.Target.Name+suffix, nil
}

// isBacklink reports whether a composition of the target is based on the association el of e.
func isBacklink(e *Entity, el *Element) bool {
	for _, x := range el.Assoc().Target.Flat {
		if a := x.Assoc(); a != nil && a.Composition && a.Backlink != nil && a.Target == e && a.Backlink.Name == el.Name {
			return true
		}
	}
	return false
}

// union makes the entity that stands for active rows and drafts together.
func (d *drafter) union(n *draftNode) *Entity {
	e := n.orig
	u := &Entity{Def: Def{Name: e.Name + unionSuffix, Span: e.Span, Annotations: Annotations{flagAnno("cds.persistence.exists")}}, Exposure: e.Exposure}
	for _, el := range (cloner{}).elements(e.Elements, 0) {
		d.redirect(el, n, unionSuffix)
		el.SetValue(nil)
		el.Stored = false
		u.Elements = append(u.Elements, el)
	}
	key := booleanElement(DraftActive)
	key.Key = true
	id := scalarElement(DraftUUID, UUID, "cds.UUID")
	id.Internal = true
	u.Elements = append(u.Elements, key, booleanElement(DraftHasOrig), booleanElement(DraftHasCopy), id, adminOf(e.Service),
		d.sibling(e, e.Name+draftsSuffix, equals(cqn.NewRef(DraftActive), literal(true))), messages(e.Service))
	return u
}

// extend adds to an active entity what tells of its drafts.
func (d *drafter) extend(e *Entity, n *draftNode) {
	add := func(el *Element, x cqn.Expr) *Element {
		el.SetValue(x)
		el.OnRead = true
		e.Elements = append(e.Elements, el)
		return el
	}
	active := add(booleanElement(DraftActive), literal(true))
	active.NotNull, active.Annotations = true, hidden()
	active.SetDefault(literal(true))
	orig := add(booleanElement(DraftHasOrig), literal(false))
	orig.NotNull, orig.Annotations = true, hidden()
	orig.SetDefault(literal(false))
	has := add(booleanElement(DraftHasCopy), &cqn.Exists{Path: cqn.NewRef(DraftSibling)})
	has.NotNull, has.Annotations = true, hidden()
	has.SetDefault(literal(false))
	add(scalarElement(DraftUUID, UUID, "cds.UUID"), cqn.NewRef(DraftSibling, DraftUUID)).Internal = true
	s := n.orig.Service
	e.Elements = append(e.Elements, adminOf(s), d.sibling(n.orig, n.orig.Name+draftsSuffix, nil), messages(s))
	e.Actions = append(e.Actions, d.ownActions(n)...)
}

// adminOf is the association to the record of the draft.
func adminOf(s *Service) *Element {
	return &Element{Def: Def{Name: DraftAdmin, Annotations: hidden()}, Type: &Assoc{TargetName: s.Name + "." + DraftAdmin,
		On: equals(cqn.NewRef(DraftAdmin, "DraftUUID"), cqn.NewRef(DraftUUID))}}
}

// owner is the association to the record of the draft for the condition that drafts are visible by.
func owner() *Element {
	return &Element{Def: Def{Name: DraftOwner, Annotations: Annotations{flagAnno("cds.api.ignore")}}, Internal: true, Type: &Assoc{TargetName: DraftTable,
		On: equals(cqn.NewRef(DraftOwner, "DraftUUID"), cqn.NewRef(DraftUUID))}}
}

// sibling is the association to the row with the same key: from active to draft and back.
func (d *drafter) sibling(e *Entity, target string, only cqn.Expr) *Element {
	var on cqn.Expr
	for _, k := range e.Keys {
		on = conjunction(append(conjuncts(on, nil), equals(cqn.NewRef(DraftSibling, k.Name), cqn.NewRef(k.Name))))
	}
	if only != nil {
		on = &cqn.Binary{Op: cqn.And, L: on, R: only}
	}
	return &Element{Def: Def{Name: DraftSibling}, Type: &Assoc{TargetName: target, On: on}}
}

// messages is the list of what is wrong with a draft. It is there for clients that ask for it; faults are told when a draft is activated.
func messages(s *Service) *Element {
	str := func(name string) *Element { return scalarElement(name, String, "cds.String") }
	item := &Struct{Elements: Elements{str("code"), str("message"), str("target"),
		{Def: Def{Name: "additionalTargets"}, Type: &Array{Items: &Element{Type: &Builtin{Name: "cds.String", Kind: String}, TypeName: "cds.String"}}},
		booleanElement("transition"), scalarElement("numericSeverity", UInt8, "cds.UInt8"), str("longtextUrl")}}
	return &Element{Def: Def{Name: DraftNotes, Annotations: Annotations{flagAnno("Core.Computed")}}, OnRead: true, Apart: true,
		facets: &Facets{Value: &cqn.Lit{Value: cqn.String("[]")}},
		Type:   &Array{Items: &Element{Type: item, TypeName: s.Name + ".DRAFT_DraftAdministrativeData_DraftMessage"}}}
}

// actions returns the operations of a node's drafts: those of the active rows, too.
func (d *drafter) actions(n *draftNode) []*Operation {
	var c cloner
	var out []*Operation
	for _, o := range n.orig.Actions {
		out = append(out, c.operation(o))
	}
	return append(out, d.ownActions(n)...)
}

func (d *drafter) ownActions(n *draftNode) []*Operation {
	op := func(name string, step DraftOp, params ...*Element) *Operation {
		return &Operation{Def: Def{Name: name}, Draft: step, Params: params,
			Returns: &Element{TypeName: n.orig.Name, Type: &Struct{}}}
	}
	out := []*Operation{op("draftPrepare", DraftPrepare, scalarElement("SideEffectsQualifier", String, "cds.String"))}
	if n.root {
		out = append(out, op("draftActivate", DraftActivate), op("draftEdit", DraftEdit, booleanElement("PreserveChanges")))
	}
	return out
}

// adminTable makes the table with the drafts' records and its view in each service.
func (d *drafter) adminTable() {
	d.defs = append(d.defs, &Entity{Def: Def{Name: DraftTable}, Elements: adminElements(nil)})
	for _, s := range d.m.Services {
		if !d.services[s] {
			continue
		}
		e := &Entity{Def: Def{Name: s.Name + "." + DraftAdmin, Annotations: Annotations{textAnno("Common.Label", "{i18n>Draft_DraftAdministrativeData}")}},
			Exposure: AutoExposed, Projection: true, Elements: adminElements(d)}
		e.Source = &cqn.Select{From: &cqn.From{Path: cqn.NewRef(DraftTable)}, Columns: adminColumns()}
		e.Elements = append(e.Elements, &Element{Def: Def{Name: DraftOwner, Annotations: Annotations{flagAnno("cds.api.ignore")}}, Internal: true,
			Type: &Assoc{TargetName: DraftTable, On: equals(cqn.NewRef(DraftOwner, "DraftUUID"), cqn.NewRef("DraftUUID"))}})
		d.defs = append(d.defs, e)
	}
}

func adminColumns() []cqn.Column {
	var out []cqn.Column
	for _, el := range adminElements(nil) {
		out = append(out, cqn.Column{X: cqn.NewRef(el.Name)})
	}
	return out
}

// adminElements returns the elements of the record of a draft; with d as services show them.
func adminElements(d *drafter) Elements {
	str := func(name string) *Element {
		el := scalarElement(name, String, "cds.String")
		el.Type.(*Builtin).Length = 256
		return el
	}
	id := scalarElement("DraftUUID", UUID, "cds.UUID")
	id.Key = true
	out := Elements{id, scalarElement("CreationDateTime", Timestamp, "cds.Timestamp"), str("CreatedByUser"), str("CreatedByUserDescription"),
		booleanElement("DraftIsCreatedByMe"), scalarElement("LastChangeDateTime", Timestamp, "cds.Timestamp"), str("LastChangedByUser"),
		str("LastChangedByUserDescription"), str("InProcessByUser"), str("InProcessByUserDescription"), booleanElement("DraftIsProcessedByMe"),
		{Def: Def{Name: DraftNotes}, Type: &Array{Items: &Element{Type: &Builtin{Name: "cds.LargeString", Kind: LargeString}, TypeName: "cds.LargeString"}}}}
	if d == nil {
		return out
	}
	me := func(x cqn.Expr) cqn.Expr {
		return &cqn.Case{Whens: []cqn.When{{Cond: equals(x, &cqn.Param{From: cqn.FromUserID}), Then: literal(true)}}, Else: literal(false)}
	}
	holder := cqn.NewRef(DraftOwner, "InProcessByUser")
	fresh := &cqn.Binary{Op: cqn.Gt, L: cqn.NewRef("LastChangeDateTime"), R: &cqn.Param{From: cqn.FromNow, Name: "-" + d.lock}}
	for _, el := range out {
		switch el.Name {
		case "DraftIsCreatedByMe":
			el.SetValue(me(cqn.NewRef("CreatedByUser")))
			el.OnRead = true
		case "DraftIsProcessedByMe":
			el.SetValue(me(holder))
			el.OnRead = true
		case "InProcessByUser": // nobody, once the lock has ended, so that others may take the draft over
			locked := &cqn.Binary{Op: cqn.Or, L: equals(holder, &cqn.Param{From: cqn.FromUserID}), R: fresh}
			el.SetValue(&cqn.Case{Whens: []cqn.When{{Cond: &cqn.Unary{Op: cqn.IsNull, X: holder}, Then: &cqn.Lit{}}, {Cond: locked, Then: holder}},
				Else: &cqn.Lit{Value: cqn.String("")}})
			el.OnRead = true
		}
		if strings.HasSuffix(el.Name, "Description") || el.Name == DraftNotes {
			el.Annotations, el.Apart = Annotations{flagAnno("cds.api.ignore")}, true
			continue
		}
		if el.Key || strings.HasSuffix(el.Name, "ByMe") {
			el.Annotations = hidden()
		}
		el.Annotations = append(el.Annotations, textAnno("Common.Label", "{i18n>Draft_"+el.Name+"}"))
	}
	return out
}

// connect sets the pointers between active entities, drafts and unions of the finished model.
func (d *drafter) connect(m *Model) {
	for name, n := range d.nodes {
		e, t, u := m.Entity(name), m.Entity(name+draftsSuffix), m.Entity(name+unionSuffix)
		e.Drafts, t.Active, u.Active = t, e, e
		e.Both, u.Union = u, []*Entity{e, t}
		e.DraftRoot, t.DraftRoot, u.DraftRoot = n.root, n.root, n.root
		for _, el := range e.Flat { // what is encrypted in a draft is of the same column, so that both can be read together
			for _, twin := range [...]*Element{t.Element(el.Name), u.Element(el.Name)} {
				if twin != nil {
					twin.setSeal(el.Seal())
				}
			}
		}
		for _, el := range t.Flat {
			if el.ForeignKey != nil && el.ForeignKey.Name == DraftAdmin {
				el.Internal = true
			}
		}
		for _, el := range u.Flat { // active rows have active parts, drafts have parts that are drafts
			a := el.Assoc()
			if a == nil || !a.Composition || a.Target == nil || len(a.Target.Union) == 0 && !strings.HasSuffix(a.TargetName, unionSuffix) || a.Join == nil {
				continue
			}
			s, to := u.Element(DraftActive), a.Target.Element(DraftActive)
			a.Pairs = append(a.Pairs, JoinPair{s, to})
			a.Join = &cqn.Binary{Op: cqn.And, L: a.Join, R: equal(joinRef(joinSource, s.Name), joinRef(joinTarget, to.Name))}
		}
	}
}
