package odata

import (
	"container/list"
	"slices"
	"strings"
	"sync"

	cds "cds/runtime"
	"cds/runtime/odata/edmx"
)

// Metadata and service documents are made on first use, once for each language that the application has texts in and, where they follow roles, for each
// set of roles. They depend on nothing else: who may read them is asked each time.
type documentCache struct {
	mu    sync.Mutex
	items map[documentKey]*list.Element
	order list.List // of *keptDocuments, the most recent in front
}

type documentKey struct {
	language string
	rights   *cds.Rights // of the roles; nil where documents are the same for all
}

type keptDocuments struct {
	key  documentKey
	once sync.Once
	doc  *documents
}

// maxDocuments bounds the documents that are kept; least recently used ones go first.
const maxDocuments = 100

// documentsFor returns the documents for a user in a language.
func (d *door) documentsFor(locale string, u *cds.User) *documents {
	key := documentKey{language: d.language(locale)}
	if d.opt.ByRole {
		key.rights = d.svc.RoleRightsOf(u)
	}
	k := d.docs.entry(key)
	k.once.Do(func() { k.doc = d.documents(key) })
	return k.doc
}

func (d *door) documents(key documentKey) *documents {
	opt := d.metadataOptions(key.language)
	if key.rights != nil {
		opt.View = viewOf(d.svc, key.rights)
	}
	doc := d.build(opt)
	doc.view, doc.others = opt.View, map[string]func() ([]byte, error){}
	for path, other := range d.opt.Documents {
		if other.ByRole != nil {
			doc.others[path] = sync.OnceValues(func() ([]byte, error) { return other.ByRole(opt.View) })
		}
	}
	doc.csdl = sync.OnceValue(func() []byte { return edmx.JSON(d.svc.App.Model, d.svc.Model, opt) })
	return doc
}

func (c *documentCache) entry(key documentKey) *keptDocuments {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.items[key]; e != nil {
		c.order.MoveToFront(e)
		return e.Value.(*keptDocuments)
	}
	if c.items == nil {
		c.items = map[documentKey]*list.Element{}
	}
	k := &keptDocuments{key: key}
	c.items[key] = c.order.PushFront(k)
	if c.order.Len() > maxDocuments {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.items, last.Value.(*keptDocuments).key)
	}
	return k
}

// language returns the language that a locale stands for among those with texts, "" for the default. Locales are the clients' choice, so there must
// not be a document for each.
func (d *door) language(locale string) string {
	texts, ok := d.svc.App.Options.Texts.(interface{ Languages() []string })
	if !ok {
		return ""
	}
	have := texts.Languages()
	base, _, _ := strings.Cut(locale, "_")
	for _, l := range [...]string{locale, base} {
		if slices.Contains(have, l) {
			return l
		}
	}
	return ""
}

func (d *door) metadataOptions(language string) edmx.Options {
	return edmx.Options{Author: "https://cap.cloud.sap", Text: func(key string) (string, bool) { return d.text(language, key) }}
}

// wantsJSON reports whether the metadata document is wanted as JSON: by $format, or by accepting nothing else.
func (c *call) wantsJSON() bool {
	if f, ok := c.res.Option("$format"); ok {
		return f == "json" || strings.HasPrefix(f, jsonMedia)
	}
	a := c.r.Header.Get("Accept")
	return !accepts(a, "application/xml") && accepts(a, jsonMedia)
}
