package check

import "cds/parser/csn"

// keys warns of entities in services whose rows cannot be addressed.
func (c *checker) keys() {
	for _, s := range c.model.Services {
		for _, e := range s.Entities {
			if len(e.Keys) > 0 || e.Annotations.Is("odata.singleton") || e.Exposure != csn.Exposed || len(e.Params) > 0 {
				continue
			}
			d := c.warn(&resource{home: home("entity", e.Name), span: e.Span}, e.Span, codeNoKey, "%s has no key: its rows cannot be addressed one by one", e.LocalName())
			d.Hint = "Mark an element as key, or select the keys of the source."
		}
	}
}
