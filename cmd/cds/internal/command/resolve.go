package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"cds/cmd/cds/internal/binding"
	"cds/runtime/config"
	"cds/runtime/serve"
)

// A resolver fetches the credentials of services that the configuration binds by name, and keeps them in memory for as long as the command runs.
type resolver struct {
	e     *env
	known map[string]*config.Binding
}

func newResolver(e *env) *resolver { return &resolver{e: e, known: map[string]*config.Binding{}} }

// environ returns the environment that a project is served with: the process's, and in VCAP_SERVICES the credentials of bound services. In production
// only the platform gives them.
func (r *resolver) environ(ctx context.Context, dir string, profiles []string) ([]string, error) {
	env := os.Environ()
	cfg, err := serve.LoadConfig(serve.Options{Dir: dir, Profiles: profiles})
	if err != nil {
		return nil, err
	}
	if len(cfg.Unbound) == 0 || cfg.Is(config.Production) {
		return env, nil
	}
	list, err := r.bindings(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return withServices(env, list)
}

// environ is the environment that a project is served with; see resolver.
func (e *env) environ(ctx context.Context, p *project) ([]string, error) {
	if p.resolver == nil {
		p.resolver = newResolver(e)
	}
	return p.resolver.environ(ctx, p.dir, p.profiles)
}

// bindings returns what VCAP_SERVICES holds already, and the services that are bound by name.
func (r *resolver) bindings(ctx context.Context, cfg *config.Config) ([]config.Binding, error) {
	var list []config.Binding
	for _, p := range cfg.Unbound {
		b, err := r.fetch(ctx, p)
		if err != nil {
			return nil, err
		}
		list = append(list, *b)
	}
	for _, b := range cfg.Bindings {
		if b.Source == "VCAP_SERVICES" {
			list = append(list, b)
		}
	}
	return list, nil
}

func (r *resolver) fetch(ctx context.Context, p config.Pointer) (*config.Binding, error) {
	key, err := json.Marshal([]any{p.Service, p.Kind, p.Data, p.Vcap})
	if err != nil {
		return nil, err
	}
	if b := r.known[string(key)]; b != nil {
		return b, nil
	}
	fmt.Fprintf(r.e.err, "  binding %s: %s\n", p.Service, describePointer(p.Data))
	b, err := binding.Fetch(ctx, p)
	if err != nil {
		return nil, err
	}
	r.known[string(key)] = b
	return b, nil
}

// describePointer names a service instance.
func describePointer(d config.Section) string {
	s := d.Str("instance")
	if k := d.Str("key"); k != "" {
		s += ":" + k
	}
	switch d.Str("type") {
	case binding.CloudFoundry:
		return fmt.Sprintf("%s (Cloud Foundry, org %s, space %s)", s, d.Str("org"), d.Str("space"))
	case binding.Kubernetes:
		return fmt.Sprintf("%s (Kubernetes, namespace %s)", s, d.Str("namespace"))
	}
	return s
}

// withServices sets VCAP_SERVICES.
func withServices(env []string, list []config.Binding) ([]string, error) {
	text, err := config.VCAP(list)
	if err != nil {
		return nil, errors.New("the bindings can't be written")
	}
	env = slices.DeleteFunc(env, func(v string) bool {
		return strings.HasPrefix(v, "VCAP_SERVICES=") || strings.HasPrefix(v, "VCAP_SERVICES_FILE_PATH=")
	})
	return append(env, "VCAP_SERVICES="+string(text)), nil
}
