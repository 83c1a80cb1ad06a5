// Package asyncapi describes the events of services as an AsyncAPI 2.6 document: one channel for each event.
package asyncapi

import (
	"strings"

	"cds/codegen"
	"cds/parser/csn"
)

// maxDepth bounds nested types.
const maxDepth = 50

// Generate returns the document for services as indented JSON. With several services it is merged, and named by title.
func Generate(services []*csn.Service, title string) ([]byte, error) {
	doc := codegen.NewObject("asyncapi", "2.6.0")
	info := codegen.NewObject("title", title, "version", "1.0.0")
	if len(services) == 1 {
		a := services[0].Annotations
		for _, n := range []string{"AsyncAPI.Title", "title", "Common.Label"} {
			if t := a.Str(n); t != "" {
				info.Set("title", t)
				break
			}
		}
		for _, n := range []string{"AsyncAPI.SchemaVersion", "Core.SchemaVersion", "version"} {
			if t := a.Str(n); t != "" {
				info.Set("version", t)
				break
			}
		}
		if t := a.Str("AsyncAPI.Description"); t != "" {
			info.Set("description", t)
		}
	}
	doc.Set("info", info).Set("defaultContentType", "application/json")
	channels, messages, schemas := codegen.NewObject(), codegen.NewObject(), codegen.NewObject()
	for _, s := range services {
		for _, ev := range s.Events {
			event(ev, channels, messages, schemas)
		}
	}
	return codegen.JSON(doc.Set("channels", channels).Set("components", codegen.NewObject("messages", messages, "schemas", schemas)))
}

func event(ev *csn.Event, channels, messages, schemas *codegen.Object) {
	topic := ev.Annotations.Str("topic")
	if topic == "" {
		topic = ev.Name
	}
	channels.Set(topic, codegen.NewObject("subscribe", codegen.NewObject("message", codegen.NewObject("$ref", "#/components/messages/"+escape(ev.Name)))))
	m := codegen.NewObject("name", ev.Name)
	for _, n := range []string{"title", "Common.Label", "AsyncAPI.Title"} {
		if t := ev.Annotations.Str(n); t != "" {
			m.Set("title", t)
		}
	}
	if ev.Doc != "" {
		m.Set("description", ev.Doc)
	}
	messages.Set(ev.Name, m.Set("payload", codegen.NewObject("$ref", "#/components/schemas/"+escape(ev.Name))))
	schemas.Set(ev.Name, Schema(ev.Type))
}

// escape makes a name a part of a JSON pointer.
func escape(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

// Schema returns the JSON schema of a value of an element's type.
func Schema(el *csn.Element) *codegen.Object { return schema(el, 0) }

func schema(el *csn.Element, depth int) *codegen.Object {
	o := codegen.NewObject()
	if el == nil || depth > maxDepth {
		return o.Set("type", "object")
	}
	switch t := el.Type.(type) {
	case *csn.Builtin:
		scalar(o, t)
	case *csn.Array:
		o.Set("type", "array").Set("items", schema(t.Items, depth+1))
	case *csn.Struct:
		props := codegen.NewObject()
		for _, p := range t.Elements {
			if p.Assoc() == nil {
				props.Set(p.Name, schema(p, depth+1))
			}
		}
		o.Set("type", "object").Set("properties", props)
	default:
		o.Set("type", "object")
	}
	if el.Doc != "" {
		o.Set("description", el.Doc)
	}
	return o
}

func scalar(o *codegen.Object, b *csn.Builtin) {
	typ, format := "string", ""
	switch b.Kind {
	case csn.UUID:
		format = "uuid"
	case csn.Boolean:
		typ = "boolean"
	case csn.Integer, csn.Int32, csn.Int16, csn.UInt8, csn.Int64:
		typ = "integer"
	case csn.Decimal, csn.Double:
		typ = "number"
	case csn.Date:
		format = "date"
	case csn.Time:
		format = "time"
	case csn.DateTime, csn.Timestamp:
		format = "date-time"
	case csn.Map:
		typ = "object"
	}
	o.Set("type", typ)
	if format != "" {
		o.Set("format", format)
	}
	if b.Length > 0 && typ == "string" {
		o.Set("maxLength", b.Length)
	}
}
