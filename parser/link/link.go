// Package link turns syntax trees of single files into one set of linked definitions: extensions merged, names resolved,
// aspects copied, views inferred, annotations propagated, entities exposed. The result is what csn.Freeze takes.
//
// The passes run in a fixed order over the same tables; each file of this package holds one and says what it expects and leaves:
//
//	names.go     every definition gets a place in the table, with its lexical scope
//	extend.go    extend and annotate are attached to what they name, in order of the layers
//	shape.go     included elements are copied, so that every entity, aspect and type knows the names of its elements
//	compose.go   compositions of aspects and localized elements get their entities
//	types.go     elements get types, inherited facets and annotations, on demand
//	calc.go      calculated elements that depend on themselves are reported
//	query.go     view bodies are linked: absolute names in FROM, checked references
//	infer.go     views get elements, in dependency order
//	expose.go    associations are redirected inside services, their targets exposed
//	propagate.go views inherit annotations
//	rewrite.go   conditions of associations follow the renames of projections
//	restrict.go  conditions in annotations are parsed, and follow renames
//	output.go    the definitions in their final order
//
// The package is pure: no files, no clock. It never panics on bad input and keeps going after a fault.
package link

import (
	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// A Source is one parsed file.
type Source struct {
	File *ast.File
	Uses []int // indexes of the sources that its `using … from` lead to
}

// Options tune the linker.
type Options struct {
	// ParseExpr parses a condition inside a string annotation; base is the offset of the text in the file. Required.
	ParseExpr func(id token.FileID, text string, base int32) (cqn.Expr, diag.List)
	// Files has the texts of the sources. It is used to show the places inside strings rightly; may be nil.
	Files *token.FileSet
	// Lenient turns faults in restrictions into warnings. The condition then has no tree, which closes the resource.
	Lenient bool
}

// A Result is a linked model, not yet frozen.
type Result struct {
	Defs      []csn.Definition
	Namespace string // of the first source
	Diags     diag.List
}

// maxDepth limits nesting of types, includes and paths. The parser has a limit of its own; this one also holds for chains of definitions.
const maxDepth = 200

// maxDefs and maxElements limit what a model may grow to by copying: types in types and aspects in aspects multiply.
const (
	maxDefs     = 50000
	maxElements = 300000
)

// Link links sources, which are given in loading order: roots first, then what they use. It takes the list over: so that syntax trees can go as
// soon as they are not needed, the files in it lose their declarations, by being replaced (the trees themselves stay as they are).
func Link(sources []Source, opt Options) Result {
	l := &linker{
		opt:      opt,
		sources:  sources,
		byName:   map[string]*def{},
		prefixes: map[string]bool{},
		notes:    map[string]*notes{},
		bare:     &ast.Entity{},
		bareView: &ast.Entity{Query: &ast.Query{}},
		builtins: map[csn.Builtin]*csn.Builtin{},
	}
	defer l.forget()
	res := Result{}
	for _, pass := range []func(){l.collect, l.extend, l.services, l.release, l.shapeAll, l.compose, l.resolveAll, l.calculations, l.inferAll, l.propagateAll, l.rewriteAll, l.restrictAll} {
		pass()
		if l.over { // walking what has grown too large would take for ever
			res.Diags = l.diags
			res.Diags.Sort()
			return res
		}
	}
	res.Defs = l.output()
	l.unusedNotes()
	l.openClashes()
	res.Diags = l.diags
	if len(sources) > 0 && sources[0].File.Namespace != nil {
		res.Namespace = sources[0].File.Namespace.Text
	}
	res.Diags.Sort()
	return res
}

// release lets go of the syntax trees, but for the declarations that definitions still point to.
func (l *linker) release() {
	for i := range l.sources {
		f := l.sources[i].File
		l.sources[i].File = &ast.File{ID: f.ID, Name: f.Name, Namespace: f.Namespace}
	}
	l.uses = nil
	block := &ast.Context{}
	for _, d := range l.defs {
		if d.kind == kService || d.kind == kContext {
			d.node = block
		}
	}
}

type linker struct {
	opt      Options
	sources  []Source
	diags    diag.List
	defs     []*def // in order of appearance, generated ones at the end
	byName   map[string]*def
	prefixes map[string]bool // beginnings of the names of definitions
	count    int             // elements made
	over     bool            // the model is too large
	infos    infoTable
	notes    map[string]*notes // annotations given by `annotate`, by absolute name of the definition
	order    []int             // sources in order of the layers: what is used comes before what uses it

	fileScopes []*scope
	uses       []usedName // names imported by using
	noteOrder  []string
	clashes    []*clash
	reached    map[int][]bool // sources that a source uses, see layered

	composed    bool          // the pass compose is over: declarations of resolved elements are not needed any more
	slab        []csn.Element // elements not used yet
	spareCols   []outCol      // room for the columns of the next view
	builtins    map[csn.Builtin]*csn.Builtin
	bare        *ast.Entity     // stands for the declarations of tables that are not needed any more
	bareView    *ast.Entity     // the same of views
	chain       []*def          // views being inferred
	projections map[*def][]*def // entity to the views in services that project it
}

// A kind tells what a definition is.
type kind uint8

const (
	kContext kind = iota
	kService
	kEntity
	kAspect
	kType
	kOperation
	kEvent
	kAnnotation
)

var kindNames = [...]string{"context", "service", "entity", "aspect", "type", "operation", "event", "annotation"}

func (k kind) String() string { return kindNames[k] }

// A def is a definition on its way to a csn.Definition.
type def struct {
	name    string
	kind    kind
	src     int
	scope   *scope // where names inside the definition are looked up
	node    ast.Decl
	written []*ast.Anno // annotations of the declaration until they are in annos; a pointer to the declaration would keep it
	doc     string
	service *def // enclosing service, nil for none
	span    token.Span

	members []member // own elements and includes in order, with those of extensions
	actions []action
	query   *viewQuery

	annos    csn.Annotations // own annotations, flattened: those of the declaration, then those of annotate and extend
	includes []*def
	elems    csn.Elements // after shape.go, for structured definitions; for views after infer.go
	shaped   state
	inferred state
	noted    bool // annotations of annotate are merged, inheritance is done

	parent     *def         // generated entity: the entity it belongs to (E of E.texts, E.items)
	exposes    *def         // auto-exposed: the entity behind
	aspect     *def         // entity of a composition: the aspect it was made from
	made       []*def       // entities generated for this one: texts, compositions of aspects
	element    *csn.Element // type definitions: the type as an element
	texts      *def         // the entity with translations
	linked     cqn.Query    // body of a view
	propagated bool
	broken     bool // a source of the view is not known
	cyclic     bool // a cycle was reported
}

// A member is an element or an include as it stands in a declaration or an extension.
type member struct {
	el      *ast.Element
	include *ast.Name
	scope   *scope
}

type action struct {
	op    *ast.Operation
	scope *scope
}

type state uint8

const (
	todo state = iota
	doing
	done
)
