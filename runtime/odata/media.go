package odata

import (
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// isStream reports whether an element is read and written as raw bytes.
func isStream(el *csn.Element) bool {
	b := el.Scalar()
	return b != nil && (b.Kind == csn.LargeBinary || b.Kind == csn.Binary && el.Annotations.Get("Core.MediaType") != nil)
}

// A media is what the annotations of a stream say about it. Type and file name are constants, or values of other elements of the row.
type media struct {
	element                  *csn.Element
	typeElement, nameElement *csn.Element
	typ, name                string
	inline                   bool
}

// mediaOf reads the annotations of a stream: @Core.MediaType, @Core.ContentDisposition.Filename and .Type.
func mediaOf(e *csn.Entity, el *csn.Element) media {
	m := media{element: el}
	m.typeElement, m.typ = valueOf(e, el, "Core.MediaType")
	m.nameElement, m.name = valueOf(e, el, "Core.ContentDisposition.Filename")
	m.inline = el.Annotations.Str("Core.ContentDisposition.Type") == "inline"
	return m
}

// valueOf returns the value of an annotation: an element that has it, or a constant.
func valueOf(e *csn.Entity, el *csn.Element, name string) (*csn.Element, string) {
	a := el.Annotations.Get(name)
	if a == nil {
		return nil, ""
	}
	switch a.Kind {
	case cqn.AnnoRef:
		return e.Element(strings.ReplaceAll(a.Text, ".", "_")), ""
	case cqn.AnnoExpr:
		if r, ok := a.Expr.(*cqn.Ref); ok && len(r.Path) == 1 {
			return e.Element(r.Path[0].Name), ""
		}
	}
	return nil, a.Str()
}

// stream writes stored bytes. They are a user's, so no browser may run them: attachment unless the model says otherwise, sandbox, no sniffing.
func (c *call) stream(v cqn.Value, m media, row *cqn.Row, part *partRead) error {
	if m.typeElement != nil {
		m.typ = row.Value(m.typeElement.Name).Str()
	}
	if m.nameElement != nil {
		m.name = row.Value(m.nameElement.Name).Str()
	}
	h := c.w.Header()
	h.Set("Content-Type", safeType(m.typ))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", m.disposition())
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	return c.sendMedia(v, part)
}

// disposition returns the Content-Disposition of a stream. A file name has no folders, and nothing that would end the header (RFC 6266).
func (m *media) disposition() string {
	kind := "attachment"
	if m.inline {
		kind = "inline"
	}
	name := m.name[strings.LastIndexAny(m.name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	if name == "" || name == "." || name == ".." || len(name) > 255 {
		return kind
	}
	if out := mime.FormatMediaType(kind, map[string]string{"filename": name}); out != "" {
		return out
	}
	return kind
}

// mediaBody reads a stream into the element of a row, with its media type where the row has a place for it. end is to be called when they are stored.
func (c *call) mediaBody(row *cqn.Row, m media) (end func(), err error) {
	t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if a := m.element.Annotations.Get("Core.AcceptableMediaTypes"); a != nil && (err != nil || !slices.ContainsFunc(a.Items, func(v *cqn.AnnoValue) bool { return acceptable(v.Str(), t) })) {
		return nil, cds.Reject(http.StatusUnsupportedMediaType, "415", "Unsupported Media Type")
	}
	v, end, berr := c.incoming(m.element)
	if berr != nil {
		return nil, berr
	}
	row.Set(m.element.Name, v)
	if m.typeElement != nil && err == nil {
		row.Set(m.typeElement.Name, cqn.String(t))
	}
	return end, nil
}

// acceptable reports whether a media type falls under a range such as image/png, image/* or */*.
func acceptable(kinds, mediaType string) bool {
	kinds = strings.ToLower(strings.TrimSpace(kinds))
	if major, ok := strings.CutSuffix(kinds, "/*"); ok {
		return major == "*" || strings.HasPrefix(mediaType, major+"/")
	}
	return kinds == mediaType
}

// safeType returns a stored media type if it is well-formed: it goes into a header.
func safeType(s string) string {
	t, params, err := mime.ParseMediaType(s)
	if err != nil || !strings.Contains(t, "/") {
		return "application/octet-stream"
	}
	if strings.HasPrefix(t, "text/") && params["charset"] == "" {
		params["charset"] = "utf-8"
	}
	if out := mime.FormatMediaType(t, params); out != "" {
		return out
	}
	return "application/octet-stream"
}
