package serve

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// corsHeaders are the request headers that the protocols need, corsExposed the answer's that clients need to see.
const (
	corsMethods = "GET,HEAD,PUT,PATCH,POST,DELETE"
	corsExposed = "Accept-Ranges,Content-Disposition,Content-Range,ETag,Location,Link,OData-Version,OData-EntityId,Preference-Applied,Retry-After,sap-messages,X-Correlation-Id,X-Total-Count"
)

var corsHeaders = []string{"accept", "accept-language", "authorization", "content-type", "if-match", "if-none-match", "odata-maxversion", "odata-version", "prefer",
	"sap-contextid-accept", "x-correlation-id", "x-csrf-token", "x-requested-with", "x-sap-request-language"}

// cors tells browsers whether a page of another origin may see the answer. It returns true for a preflight request, which is answered then.
// Origins that may not are told nothing; what a request may do is decided elsewhere.
func (r *router) cors(w http.ResponseWriter, req *http.Request, origin string) (done bool) {
	c := &r.server.limits.CORS
	h := w.Header()
	h.Set("Vary", "Origin")
	if !c.Any && !slices.Contains(c.Origins, strings.ToLower(origin)) || len(origin) > 300 {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	asked := req.Header.Get("Access-Control-Request-Method")
	if req.Method != http.MethodOptions || asked == "" {
		h.Set("Access-Control-Expose-Headers", corsExposed)
		return false
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	if list := r.allowedHeaders(req.Header.Get("Access-Control-Request-Headers")); list != "" {
		h.Set("Access-Control-Allow-Headers", list)
	}
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(c.MaxAge.Seconds())))
	w.WriteHeader(http.StatusOK) // as CAP's server answers
	return true
}

// allowedHeaders returns those of the wanted headers that may be sent: in development all, else what the protocols need and what is configured.
func (r *router) allowedHeaders(wanted string) string {
	c := &r.server.limits.CORS
	var out []string
	for name := range strings.SplitSeq(wanted, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		named := slices.Contains(corsHeaders, name) || slices.ContainsFunc(c.Headers, func(s string) bool { return strings.EqualFold(s, name) })
		if headerName(name) && len(out) < 50 && (named || !r.production && c.Any) {
			out = append(out, name)
		}
	}
	return strings.Join(out, ",")
}

// headerName reports whether s is a name of a header (RFC 9110 5.6.2).
func headerName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 100
}
