package drafttest

import (
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
)

const shapes = `
@fiori.draft.enabled entity d.Docs { key code : String(10); key year : Integer; @odata.etag version : Timestamp @cds.on.insert: $now @cds.on.update: $now;
  title : localized String; at { lat : Integer; lon : Integer; }; tags : array of String; photo : LargeBinary @Core.MediaType: 'image/png'; twice : Integer = pages * 2; pages : Integer;
  cover : Composition of one d.Covers; note : Composition of one d.Notes on note.doc = $self; folders : Composition of many d.Folders on folders.doc = $self;
  lines : Composition of many { key no : Integer; parts : Composition of many { key p : Integer; t : String; } } }
entity d.Covers { key ID : UUID; color : String; }
entity d.Notes { key ID : UUID; doc : Association to d.Docs; text : String; }
entity d.Folders { key ID : Integer; name : String; doc : Association to d.Docs; parent : Association to d.Folders; children : Composition of many d.Folders on children.parent = $self; }
@path: '/s' @requires: 'authenticated-user' service S { @odata.draft.enabled entity Docs as projection on d.Docs; }
`

var shapeFiles = fstest.MapFS{
	"db/data/d-Docs.csv":       {Data: []byte("code,year,title,at_lat,pages\nA,2024,Title,1,5\n")},
	"db/data/d-Docs.texts.csv": {Data: []byte("ID_texts,locale,code,year,title\n" + ch1 + ",de,A,2024,Titel\n")},
	"db/data/d-Folders.csv":    {Data: []byte("ID,name,doc_code,doc_year,parent_ID\n1,top,A,2024,\n2,mid,,,1\n3,deep,,,2\n")},
}

// TestShapes edits rows with all that rows can have: two keys, an entity tag, translated texts, structures, streams, parts of one, and parts of parts.
func TestShapes(t *testing.T) {
	change := func(c *cdstest.Config) {
		c.FS = shapeFiles
		c.Register = func(*cds.App) error { return nil }
		c.Model = func() (*csn.Model, error) {
			res := parser.CompileString("shapes.cds", shapes)
			if res.Model == nil || res.Diags.HasErrors() {
				return nil, res.Diags
			}
			return res.Model, nil
		}
	}
	both(t, change, func(w *world) {
		alice := w.as("alice")
		doc := "Docs(code='A',year=2024"
		alice.get("Docs?$expand=folders($expand=children($expand=children))").Status(200).Contains("deep")
		etag := alice.get(doc + active).Status(200).Header("ETag")
		as{alice.c.With("If-Match", `W/"old"`)}.post(doc+active+"/draftEdit", `{}`).Status(412)
		as{alice.c.With("If-Match", etag)}.post(doc+active+"/draftEdit", `{}`).Status(201)
		alice.get(doc+draft+"?$expand=texts,folders($expand=children($expand=children)),cover,note,lines").Status(200).Contains(`"at_lat":1`, `"Titel"`, "deep", `"twice":10`, `"cover":null`)
		as{alice.c.With("Accept-Language", "de")}.get("Docs?" + all).Status(200).Contains(`"IsActiveEntity":false`)

		alice.patch(doc+draft, `{"at_lon":7,"tags":["x"],"pages":6,"cover":{"color":"red"},"note":{"text":"n"},"lines":[{"no":1,"parts":[{"p":1,"t":"a"}]}]}`).Status(200)
		alice.get(doc+draft+"?$expand=cover,note,lines($expand=parts)").Status(200).Contains(`"red"`, `"text":"n"`, `"t":"a"`)
		alice.post(doc+draft+"/texts", `{"locale":"fr","title":"Titre"}`).Status(201)
		alice.c.With("Content-Type", "image/png").PUT("/s/"+doc+draft+"/photo", "\x89PNG data").Status(204)
		alice.patch(doc+draft+"/folders(ID=1"+draft, `{"children":[{"ID":2,"name":"middle"},{"ID":4,"name":"new"}]}`).Status(200)
		alice.post(doc+draft+"/draftActivate", `{}`).Status(200).Contains(`"pages":6`)
		alice.get(doc+active+"?$expand=cover,note,lines($expand=parts),folders($expand=children($expand=children)),texts").Status(200).Contains(`"red"`, `"text":"n"`, `"t":"a"`,
			`"at_lat":1`, `"at_lon":7`, `"tags":["x"]`, `"twice":12`, "Titre", "Titel", "middle", `"new"`, "deep")
		alice.get(doc + active + "/photo").Status(200).Contains("PNG data")
		w.empty()

		alice.post(doc+active+"/draftEdit", `{}`).Status(201)
		alice.get(doc + draft + "/photo").Status(200).Contains("PNG data")
		alice.patch(doc+draft, `{"cover":null,"note":null,"lines":[]}`).Status(200)
		alice.delete(doc + draft + "/folders(ID=1" + draft).Status(204)
		alice.post(doc+draft+"/draftActivate", `{}`).Status(200)
		alice.get(doc+active+"?$expand=cover,note,lines,folders").Status(200).Contains(`"cover":null`, `"note":null`, `"lines":[]`, `"folders":[]`)
		alice.get(doc + active + "/photo").Status(200).Contains("PNG data")
		w.empty()

		alice.post("Docs", `{"code":"B","year":1,"cover":{"color":"blue"},"folders":[{"ID":9,"name":"f","children":[{"ID":10,"name":"g"}]}]}`).Status(201)
		alice.post("Docs(code='B',year=1"+draft+"/draftActivate", `{}`).Status(201)
		alice.get("Docs(code='B',year=1"+active+"?$expand=cover,folders($expand=children)").Status(200).Contains("blue", `"g"`)
		w.empty()
	})
}
