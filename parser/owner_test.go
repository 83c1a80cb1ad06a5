package parser

import (
	"testing"

	"cds/parser/csn"
)

// TestElementsHaveOneOwner checks that entities share no elements and no associations with one another, whatever types and aspects they have in
// common: flattening and joins write into them.
func TestElementsHaveOneOwner(t *testing.T) {
	res := CompileString("a.cds", `
		type Address { street : String; geo { lat : Double; lon : Double; }; country : Association to Countries; }
		type Ref : Association to Countries;
		aspect Located { at : Address; also : array of Address; }
		entity Countries { key code : String(2); }
		entity A : Located { key ID : UUID; r : Ref; whole : Countries; many_ : many Countries; parts : Composition of many { key n : Integer; at : Address; } }
		entity B : Located { key ID : UUID; r : A:r; s : A:at; t : A:at.geo; a : Association to A; }
		entity V as select from B { *, s.geo as g, a.at as over };
		entity W as projection on V { *, at as second };
		service S {
			entity SA as projection on A; entity SB as projection on B;
			entity P(p : Address) as select from SB { ID };
			action act(one : SB, more : array of V) returns SA;
			event E : Address; event F : projection on SB { ID, at };
		}`)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	var arrays []*csn.Array
	elements, assocs := map[*csn.Element]*csn.Entity{}, map[*csn.Assoc]*csn.Entity{}
	for _, e := range res.Model.Entities {
		var walk func(els csn.Elements)
		walk = func(els csn.Elements) {
			for _, el := range els {
				if el.Owner != e {
					t.Errorf("the owner of %s.%s is another entity", e.Name, el.Name)
				}
				if o := elements[el]; o != nil && o != e {
					t.Errorf("%s and %s share the element %s", o.Name, e.Name, el.Name)
				}
				elements[el] = e
				switch x := el.Type.(type) {
				case *csn.Struct:
					walk(x.Elements)
				case *csn.Array:
					arrays = append(arrays, x)
				case *csn.Assoc:
					if o := assocs[x]; o != nil && o != e {
						t.Errorf("%s and %s share the association %s", o.Name, e.Name, el.Name)
					}
					assocs[x] = e
				}
			}
		}
		walk(e.Elements)
		walk(e.Flat)
	}
	for _, x := range arrays {
		if s, ok := x.Items.Type.(*csn.Struct); ok {
			for _, el := range s.Elements {
				if elements[el] != nil || el.Owner != nil || el.ID != 0 {
					t.Errorf("an item of an array has the element %s of an entity", el.Name)
				}
			}
		}
	}
	for _, d := range res.Model.Defs {
		if a, ok := d.(*csn.Aspect); ok {
			for _, el := range a.Elements {
				if elements[el] != nil || el.Owner != nil {
					t.Errorf("%s.%s of the aspect belongs to an entity", a.Name, el.Name)
				}
			}
		}
		if x, ok := d.(*csn.TypeDef); ok {
			if s, ok := x.Type.Type.(*csn.Struct); ok {
				for _, el := range s.Elements {
					if elements[el] != nil || el.Owner != nil || el.ID != 0 {
						t.Errorf("%s.%s of the type belongs to an entity", x.Name, el.Name)
					}
				}
			}
		}
	}
}
