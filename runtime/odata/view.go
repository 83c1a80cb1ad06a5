package odata

import (
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/edmx"
)

// A View says what of a service a description shows.
type View = edmx.View

// view returns what of the service is described to the user: all of it, unless descriptions follow roles.
func (c *call) view() *edmx.View {
	if !c.opt.ByRole {
		return nil
	}
	return c.documentsFor(c.locale, c.user()).view
}

// viewOf leaves out what the rights of a role set never allow. Whatever is left out can be asked for all the same, and is refused: a description protects nothing.
func viewOf(s *cds.Service, r *cds.Rights) *edmx.View {
	v := &edmx.View{
		Hidden: map[*csn.Entity]bool{}, NoSet: map[*csn.Entity]bool{}, HiddenOps: map[*csn.Operation]bool{}, HiddenElement: map[*csn.Element]bool{}, Fixed: map[*csn.Element]bool{},
		NoRead: map[*csn.Entity]bool{}, NoInsert: map[*csn.Entity]bool{}, NoUpdate: map[*csn.Entity]bool{}, NoDelete: map[*csn.Entity]bool{},
	}
	for i := range r.Entities {
		describeEntity(v, &r.Entities[i])
	}
	hide(v, r.Ops)
	// What visible operations take and return is described, if only as a type. So are the records of drafts, where there are drafts.
	needed := map[*csn.Entity]bool{}
	for _, op := range s.Model.Ops {
		require(needed, v, s.Model, op)
	}
	for _, e := range s.Model.Entities {
		if e.Active != nil { // its operations are those of the active rows
			continue
		}
		for _, op := range e.Actions {
			require(needed, v, s.Model, op)
		}
		if e.Drafts != nil && !v.Hidden[e] {
			if a := e.Element(csn.DraftAdmin).Assoc(); a != nil {
				delete(v.Hidden, a.Target)
			}
		}
	}
	for e := range needed {
		if v.Hidden[e] {
			delete(v.Hidden, e)
			v.NoSet[e] = true
		}
	}
	for _, e := range s.Model.Entities { // no way leads to a type without a set
		for _, el := range e.Flat {
			if a := el.Assoc(); a != nil && v.NoSet[a.Target] {
				v.HiddenElement[el] = true
			}
		}
	}
	return v
}

// describeEntity notes what is left out of an entity.
func describeEntity(v *edmx.View, r *cds.EntityRights) {
	e := r.Entity
	hide(v, r.Ops)
	if !r.Any() {
		v.Hidden[e] = true
		for _, op := range e.Actions {
			v.HiddenOps[op] = true
		}
	}
	for _, x := range []struct {
		may cds.Extent
		in  map[*csn.Entity]bool
	}{{r.Read, v.NoRead}, {r.Create, v.NoInsert}, {r.Update, v.NoUpdate}, {r.Delete, v.NoDelete}} {
		if x.may == cds.MayNone {
			x.in[e] = true
		}
	}
	for i, el := range e.Flat {
		x := r.Elements[i]
		if el.Internal {
			continue
		}
		seen := r.Read != cds.MayNone && (x.Read != cds.MayNone || x.Masked)
		set := r.Create != cds.MayNone && x.Create != cds.MayNone || r.Update != cds.MayNone && x.Update != cds.MayNone
		called := x.Read != cds.MayNone || x.Masked // by an operation that returns the row
		switch {
		case !seen && !set && (!called || r.Read != cds.MayNone):
			v.HiddenElement[el] = true
		case x.Create == cds.MayNone && x.Update == cds.MayNone:
			v.Fixed[el] = true
		}
	}
}

func hide(v *edmx.View, ops []cds.OperationRights) {
	for _, o := range ops {
		if o.Call == cds.MayNone {
			v.HiddenOps[o.Op] = true
		}
	}
}

// require notes the entities whose types an operation that is shown names.
func require(needed map[*csn.Entity]bool, v *edmx.View, s *csn.Service, op *csn.Operation) {
	if !v.Operation(op) {
		return
	}
	for _, p := range append(op.Params[:len(op.Params):len(op.Params)], op.Returns) {
		if e := edmx.EntityOf(s, p); e != nil && e.Service == s {
			needed[e] = true
		}
	}
}
