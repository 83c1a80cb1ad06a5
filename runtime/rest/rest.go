// Package rest is the REST door (@protocol: 'rest'): plain JSON at the URLs of OData, without control information, metadata and batches.
//
//	GET    /Books?$filter=stock gt 5      [{…}, {…}]      X-Total-Count with $count=true, Link: rel="next" if there is another page
//	GET    /Books/1, /Books/1/author      {…}
//	GET    /Books/1/title                 {"title": …, "ID": 1}
//	POST   /Books                         a row, or an array of rows: all are created or none
//	PATCH, PUT, DELETE /Books/1           a row; on /Books an array of rows, each with its key
//	POST   /submitOrder, /Books/1/order   actions
//	GET    /sum?a=1&b=2                   functions
//	GET    /openapi.json, /$api-docs      the service's description, and a page to try it
//
// URLs, rights and handlers are those of the OData door, which does the work: what is a rule there is one here.
package rest

import (
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"net/http"
	"sync"

	cds "cds/runtime"
	"cds/runtime/odata"
)

// Options configure a door.
type Options struct {
	// BasePath, Unauthorized, Production, MaxBody and MaxMedia are those of odata.Options.
	odata.Options
	// OpenAPI makes the service's description, once; nil for none.
	OpenAPI func() ([]byte, error)
	// OpenAPIByRole makes it where descriptions follow roles (odata.Options.ByRole), once for each set of roles. Without it there is none then.
	OpenAPIByRole func(v *odata.View) ([]byte, error)
	// Page serves the page to try the service; it needs OpenAPI.
	Page bool
}

// Paths of what is served beside the resources.
const (
	DescriptionPath = "openapi.json"
	PagePath        = "$api-docs"
)

//go:embed page.html
var page string

//go:embed page.js
var script string

//go:embed page.css
var style string

// Mount returns the door of a service.
func Mount(s *cds.Service, opt Options) http.Handler {
	o := opt.Options
	o.Plain = true
	if o.ByRole && opt.OpenAPIByRole == nil {
		opt.OpenAPI = nil
	}
	if opt.OpenAPI != nil {
		o.Documents = map[string]odata.Document{
			DescriptionPath: {ContentType: "application/json; charset=utf-8", Body: sync.OnceValues(opt.OpenAPI), ByRole: opt.OpenAPIByRole},
		}
		if opt.Page {
			o.Documents[PagePath] = odata.Document{ContentType: "text/html; charset=utf-8", SecurityPolicy: policy(), Open: true, Body: wholePage}
		}
	}
	return odata.Mount(s, o)
}

// policy lets the page run its own script and style, and talk to its own server, nothing else.
func policy() string {
	return "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; img-src data:; script-src " +
		hash(script) + "; style-src " + hash(style)
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// wholePage puts script and style into the page. There is nothing of the service in it: it reads the description, with the authorization
// that is typed in or that the browser has. So it may be served to anybody, as it has to be where a browser sends no token by itself.
func wholePage() ([]byte, error) {
	b := append([]byte(page), "<style>"+style+"</style>\n<script>"+script+"</script>\n</body>\n</html>\n"...)
	return b, nil
}
