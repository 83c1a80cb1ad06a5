package serve

import (
	"bytes"
	_ "embed" // for the page
	"encoding/json"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"cds/parser/csn"
)

//go:embed index.html
var indexHTML string

var indexPage = template.Must(template.New("index").Parse(indexHTML))

type pageData struct {
	Title, Kind, Database, Profile string
	Services                       []pageService
	Users, Open, Notes             []string
	Why                            bool // a link to the page that explains rights
}

type pageService struct {
	Name, Doc, Path, Protocol, Access string
	Docs, Page                        bool // openapi.json and the page to try it
	Entities                          []pageEntity
	Ops                               []pageOp
}

type pageEntity struct{ Name, Path, Doc, Access string }

type pageOp struct{ Kind, Signature, Access string }

// index shows what is served: in development, or where server.index says so.
func (r *router) index(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	s := r.server
	d := pageData{
		Title: s.title(), Kind: s.kinds(), Database: s.Database, Profile: strings.Join(s.Config.Profiles, ", "),
		Users: s.mockedUsers(), Open: s.CDS.Policy.Open(), Notes: s.Notes,
	}
	d.Why = r.explains(req)
	if r.production { // the page may be open to the world then
		d.Users, d.Database = nil, ""
	}
	for _, m := range s.Mounted() {
		p := describe(m)
		p.Docs = m.Protocol == "rest" && s.openapi != nil
		p.Page = p.Docs && s.apiDocs()
		d.Services = append(d.Services, p)
	}
	var b bytes.Buffer
	if err := indexPage.Execute(&b, d); err != nil {
		s.Log.Error("index page", "err", err)
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the client may be gone
}

// title is the project's name and version from its package.json, as CAP shows them.
func (s *Server) title() string {
	var p struct{ Name, Version string }
	if b, err := fs.ReadFile(s.opt.files(), "package.json"); err == nil {
		_ = json.Unmarshal(b, &p) // only a title
	}
	if p.Name == "" {
		return "cds"
	}
	return strings.TrimSpace(p.Name + " " + p.Version)
}

func describe(m Mounted) pageService {
	p := pageService{Name: m.Service.Name, Doc: m.Service.Doc, Path: m.Path, Protocol: m.Protocol, Access: access(m.Service.Annotations)}
	for _, e := range entitySets(m.Service) {
		set := strings.ReplaceAll(e.LocalName(), ".", "_")
		p.Entities = append(p.Entities, pageEntity{set, m.Path + "/" + set, e.Doc, access(e.Annotations)})
		for _, o := range e.Actions {
			p.Ops = append(p.Ops, operation(e.LocalName()+".", o))
		}
	}
	for _, o := range m.Service.Ops {
		p.Ops = append(p.Ops, operation("", o))
	}
	return p
}

func operation(prefix string, o *csn.Operation) pageOp {
	kind := "action"
	if o.Function {
		kind = "function"
	}
	var params []string
	for _, x := range o.Params {
		params = append(params, x.Name)
	}
	return pageOp{kind, prefix + o.LocalName() + "(" + strings.Join(params, ", ") + ")", access(o.Annotations)}
}

// access says in a word or two how something is annotated; the policy, not this text, decides.
func access(a csn.Annotations) string {
	var out []string
	if v := a.Get("requires"); v != nil {
		roles := v.Str()
		for i, it := range v.Items {
			if i > 0 {
				roles += " or "
			}
			roles += it.Str()
		}
		out = append(out, "requires "+roles)
	}
	if a.Get("restrict") != nil {
		out = append(out, "restricted")
	}
	if a.Is("readonly") {
		out = append(out, "read-only")
	}
	return strings.Join(out, ", ")
}
