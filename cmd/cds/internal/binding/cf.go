package binding

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"cds/runtime/config"
)

// cfTarget is where the command cf is logged in.
type cfTarget struct{ api, org, space string }

func currentTarget(ctx context.Context) (*cfTarget, error) {
	out, err := run(ctx, "cf", "target")
	if err != nil {
		return nil, err
	}
	t := &cfTarget{}
	for _, line := range strings.Split(string(out), "\n") {
		name, v, _ := strings.Cut(line, ":")
		v = strings.TrimSpace(v)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "api endpoint":
			t.api = v
		case "org":
			t.org = v
		case "space":
			t.space = v
		}
	}
	if t.api == "" || t.org == "" || t.space == "" {
		return nil, &Error{"bind-target", "cf targets no space", "cf login, or cf target -o ORG -s SPACE"}
	}
	return t, nil
}

// curl asks the API for an object.
func curl(ctx context.Context, path string, query ...string) (config.Section, error) {
	if len(query) > 0 {
		v := url.Values{}
		for i := 0; i+1 < len(query); i += 2 {
			v.Set(query[i], query[i+1])
		}
		path += "?" + v.Encode()
	}
	out, err := run(ctx, "cf", "curl", path)
	if err != nil {
		return nil, err
	}
	what, _, _ := strings.Cut(path, "?")
	m, err := object(out, "cf curl "+what)
	if err != nil {
		return nil, err
	}
	if errs := items(m, "errors"); len(errs) > 0 {
		return nil, &Error{"bind-answer", fmt.Sprintf("cf curl %s: %s", what, firstLines(errs[0].Str("detail"))), "does your user see the service?"}
	}
	return m, nil
}

// one returns the single resource of an answer.
func one(ctx context.Context, what, name, hint, path string, query ...string) (config.Section, error) {
	m, err := curl(ctx, path, query...)
	if err != nil {
		return nil, err
	}
	list := items(m, "resources")
	if len(list) != 1 || list[0].Str("guid") == "" {
		return nil, &Error{"bind-not-found", fmt.Sprintf("there is no %s %q", what, name), hint}
	}
	return list[0], nil
}

// plain reports whether a name of a list may be asked for: the API takes a comma as a list of several.
func plain(names ...string) error {
	for _, n := range names {
		if n == "" || strings.Contains(n, ",") || len(n) > 255 {
			return &Error{"bind-name", fmt.Sprintf("%q is no name of a service, key, org or space", n), ""}
		}
	}
	return nil
}

// cfInstance is a service instance in a space.
type cfInstance struct {
	guid        string
	provided    bool // by a user: it has no keys and no plan
	label, plan string
	tags        []string
}

func instanceOf(ctx context.Context, t *cfTarget, name string) (*cfInstance, error) {
	if err := plain(name, t.org, t.space); err != nil {
		return nil, err
	}
	org, err := one(ctx, "org", t.org, "cf orgs lists those that you see", "/v3/organizations", "names", t.org)
	if err != nil {
		return nil, err
	}
	space, err := one(ctx, "space", t.space, "cf spaces lists those that you see", "/v3/spaces", "names", t.space, "organization_guids", org.Str("guid"))
	if err != nil {
		return nil, err
	}
	res, err := one(ctx, "service instance", name, "cf services lists those of the space "+t.space, "/v3/service_instances", "names", name, "space_guids", space.Str("guid"))
	if err != nil {
		return nil, err
	}
	i := &cfInstance{guid: res.Str("guid"), tags: res.Strings("tags")}
	if res.Str("type") == "user-provided" {
		i.provided, i.label = true, "user-provided"
		return i, nil
	}
	plan, err := curl(ctx, "/v3/service_plans/"+url.PathEscape(res.Str("relationships.service_plan.data.guid")), "include", "service_offering")
	if err != nil {
		return nil, err
	}
	i.plan = plan.Str("name")
	for _, o := range items(plan, "included.service_offerings") {
		i.label = o.Str("name")
		i.tags = append(i.tags, o.Strings("tags")...)
	}
	return i, nil
}

func (i *cfInstance) key(ctx context.Context, instance, key string) (guid string, err error) {
	if err := plain(key); err != nil {
		return "", err
	}
	res, err := one(ctx, "service key", key, fmt.Sprintf("cf create-service-key %s %s", instance, key), "/v3/service_credential_bindings", "type", "key", "names", key, "service_instance_guids", i.guid)
	return res.Str("guid"), err
}

func findCF(ctx context.Context, instance, key string) (*Found, error) {
	t, err := currentTarget(ctx)
	if err != nil {
		return nil, err
	}
	i, err := instanceOf(ctx, t, instance)
	if noAPI(err) {
		return findByCommands(ctx, t, instance, key)
	}
	if err != nil {
		return nil, err
	}
	p := map[string]any{"type": CloudFoundry, "apiEndpoint": t.api, "org": t.org, "space": t.space, "instance": instance, "resolved": false}
	if !i.provided {
		if key == "" {
			key = instance + "-key"
		}
		if _, err := i.key(ctx, instance, key); err != nil {
			return nil, err
		}
		p["key"] = key
	}
	return &Found{Pointer: p, Label: i.label, Plan: i.plan}, nil
}

func fetchCF(ctx context.Context, p config.Pointer) (*config.Binding, error) {
	now, err := currentTarget(ctx)
	if err != nil {
		return nil, err
	}
	instance := p.Data.Str("instance")
	if api := p.Data.Str("apiEndpoint"); api != "" && strings.TrimSuffix(api, "/") != strings.TrimSuffix(now.api, "/") {
		return nil, &Error{"bind-target", fmt.Sprintf("requires.%s is bound to %q at %s, but cf targets %s", p.Service, instance, api, now.api), "cf login -a " + api}
	}
	t := &cfTarget{now.api, p.Data.Str("org"), p.Data.Str("space")}
	i, err := instanceOf(ctx, t, instance)
	if noAPI(err) && *t == *now {
		return fetchByCommands(ctx, instance, p.Data.Str("key"))
	}
	if err != nil {
		return nil, err
	}
	var answer config.Section
	if i.provided {
		answer, err = curl(ctx, "/v3/service_instances/"+url.PathEscape(i.guid)+"/credentials")
	} else {
		var guid string
		if guid, err = i.key(ctx, instance, p.Data.Str("key")); err != nil {
			return nil, err
		}
		answer, err = curl(ctx, "/v3/service_credential_bindings/"+url.PathEscape(guid)+"/details")
		answer = answer.Sub("credentials")
	}
	if err != nil {
		return nil, err
	}
	if len(answer) == 0 {
		return nil, &Error{"bind-not-found", fmt.Sprintf("the service %q has no credentials", instance), ""}
	}
	return &config.Binding{InstanceName: instance, Label: i.label, Plan: i.plan, Tags: i.tags, Credentials: answer}, nil
}

// noAPI reports whether the API could not be asked at all, as where cf curl is switched off.
func noAPI(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "bind-command"
}

// option refuses names that cf would take for options.
func option(names ...string) error {
	for _, n := range names {
		if n == "" || strings.HasPrefix(n, "-") {
			return &Error{"bind-name", fmt.Sprintf("%q is no name of a service or key", n), ""}
		}
	}
	return nil
}

// findByCommands finds an instance in the targeted space by what cf service prints for people.
func findByCommands(ctx context.Context, t *cfTarget, instance, key string) (*Found, error) {
	if key == "" {
		key = instance + "-key"
	}
	if err := option(instance, key); err != nil {
		return nil, err
	}
	out, err := run(ctx, "cf", "service", instance)
	if err != nil {
		return nil, err
	}
	f := &Found{Pointer: map[string]any{"type": CloudFoundry, "apiEndpoint": t.api, "org": t.org, "space": t.space, "instance": instance, "key": key, "resolved": false}}
	for _, line := range strings.Split(string(out), "\n") {
		name, v, _ := strings.Cut(line, ":")
		v = strings.TrimSpace(v)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "offering", "service":
			f.Label = v
		case "plan":
			f.Plan = v
		}
	}
	if _, err := run(ctx, "cf", "service-key", instance, key); err != nil {
		return nil, &Error{"bind-not-found", fmt.Sprintf("there is no service key %q", key), fmt.Sprintf("cf create-service-key %s %s", instance, key)}
	}
	return f, nil
}

// fetchByCommands fetches a key of an instance in the targeted space.
func fetchByCommands(ctx context.Context, instance, key string) (*config.Binding, error) {
	if err := option(instance, key); err != nil {
		return nil, err
	}
	out, err := run(ctx, "cf", "service-key", instance, key)
	if err != nil {
		return nil, err
	}
	answer, err := object(out, "cf service-key "+instance)
	if err != nil {
		return nil, err
	}
	if inner := answer.Sub("credentials"); inner != nil {
		answer = inner
	}
	return &config.Binding{InstanceName: instance, Credentials: answer}, nil
}
