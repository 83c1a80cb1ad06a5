package odata

import (
	"slices"
	"strings"
	"sync"

	"cds/runtime/odata/edmx"
)

// Metadata and service documents are made on first use, once for each language that the application has texts in. They depend on nothing else:
// who may read them is asked each time.
type documentCache struct {
	mu         sync.Mutex
	byLanguage map[string]*documents
}

// documentsFor returns the documents in a language.
func (d *door) documentsFor(locale string) *documents {
	language := d.language(locale)
	d.docs.mu.Lock()
	defer d.docs.mu.Unlock()
	if doc := d.docs.byLanguage[language]; doc != nil {
		return doc
	}
	if d.docs.byLanguage == nil {
		d.docs.byLanguage = map[string]*documents{}
	}
	doc := d.build(language)
	doc.csdl = sync.OnceValue(func() []byte { return edmx.JSON(d.svc.App.Model, d.svc.Model, d.metadataOptions(language)) })
	d.docs.byLanguage[language] = doc
	return doc
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
