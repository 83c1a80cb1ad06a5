package serve

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/config"
)

// A Mounted tells one thing that is served.
type Mounted struct {
	Service  *csn.Service
	Path     string
	Protocol string
	Entities int // that a client can address directly
}

// Mounted lists what is served, in order of the model.
func (s *Server) Mounted() []Mounted {
	var out []Mounted
	for _, svc := range s.CDS.Services() {
		for _, m := range s.handler.mounts {
			if m.service == svc.Model {
				out = append(out, Mounted{svc.Model, m.path, m.proto, len(entitySets(svc.Model))})
			}
		}
	}
	return out
}

// entitySets are the entities that can be addressed by name.
func entitySets(svc *csn.Service) []*csn.Entity {
	var out []*csn.Entity
	for _, e := range svc.Entities {
		if e.Exposure != csn.AutoExposed && e.Active == nil {
			out = append(out, e)
		}
	}
	return out
}

// Banner writes what is served, who may come in, and how much is open to everybody.
func (s *Server) Banner(w io.Writer, url string) {
	fmt.Fprintf(w, "\n  database    %s\n", s.Database)
	fmt.Fprintf(w, "  auth        %s\n", s.kinds())
	if users := s.mockedUsers(); len(users) > 0 {
		fmt.Fprintf(w, "  users       %s\n", strings.Join(users, "\n              "))
	}
	if p := strings.Join(s.Config.Profiles, ", "); p != "" {
		fmt.Fprintf(w, "  profile     %s\n", p)
	}
	fmt.Fprintln(w)
	for _, m := range s.Mounted() {
		noun := "entities"
		if m.Entities == 1 {
			noun = "entity"
		}
		fmt.Fprintf(w, "  %-28s %-8s %s%s  (%d %s)\n", m.Service.Name, m.Protocol, url, m.Path, m.Entities, noun)
	}
	open := s.CDS.Policy.Open()
	fmt.Fprintf(w, "\n  open to everybody: %d", len(open))
	if len(open) > 0 {
		shown := open
		if len(shown) > 6 {
			shown = shown[:6]
		}
		fmt.Fprintf(w, " (%s", strings.Join(shown, ", "))
		if len(open) > len(shown) {
			fmt.Fprintf(w, ", … %d more", len(open)-len(shown))
		}
		fmt.Fprint(w, ")")
	}
	fmt.Fprintln(w)
	for _, n := range s.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
}

// kinds is the kind of the strategy, with those of a chain's members.
func (s *Server) kinds() string {
	if len(s.members) == 0 {
		return s.Kind
	}
	return s.Kind + ": " + strings.Join(s.members, ", ")
}

// mockedUsers describes the users of a strategy that keeps its users in the configuration: name, roles and attributes, never passwords.
func (s *Server) mockedUsers() []string {
	if s.Kind != "mocked" && s.Kind != "basic" {
		return nil
	}
	users := s.Config.Sub("requires.auth.users")
	var out []string
	for _, name := range users.Keys() {
		if name == "*" {
			if s.Kind == "mocked" && users.Bool("*", false) {
				out = append(out, "* any other name, without roles")
			}
			continue
		}
		u, _ := users[name].(map[string]any)
		line := name
		if roles := roleList(u); len(roles) > 0 {
			line += " [" + strings.Join(roles, ", ") + "]"
		}
		attrs := config.Section(u).Sub("attr")
		for _, a := range attrs.Keys() {
			line += " " + a + "=" + strings.Join(attrs.Strings(a), ",")
		}
		if config.Section(u).Str("password") != "" {
			line += " (with password)"
		}
		out = append(out, line)
	}
	return out
}

func roleList(u map[string]any) []string {
	switch r := u["roles"].(type) {
	case []any:
		var out []string
		for _, v := range r {
			if s := fmt.Sprint(v); s != auth.RoleAny {
				out = append(out, s)
			}
		}
		return out
	case map[string]any:
		var out []string
		for k := range r {
			out = append(out, k)
		}
		slices.Sort(out)
		return out
	case string:
		return []string{r}
	}
	return nil
}
