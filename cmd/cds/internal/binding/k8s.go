package binding

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"cds/runtime/config"
)

// The resources of the service operator of SAP's Business Technology Platform.
const (
	k8sBindings  = "servicebindings.services.cloud.sap.com"
	k8sInstances = "serviceinstances.services.cloud.sap.com"
)

// kubectl asks for an object. Names that look like options are refused.
func kubectl(ctx context.Context, args ...string) (config.Section, error) {
	out, err := run(ctx, "kubectl", append(args, "--output=json")...)
	if err != nil {
		return nil, err
	}
	return object(out, "kubectl "+args[0]+" "+args[1])
}

func findK8s(ctx context.Context, instance, key string) (*Found, error) {
	if err := names(instance, key); err != nil {
		return nil, err
	}
	view, err := kubectl(ctx, "config", "view", "--minify")
	if err != nil {
		return nil, err
	}
	namespace, cluster := "default", ""
	for _, c := range items(view, "contexts") {
		if ns := c.Str("context.namespace"); ns != "" {
			namespace = ns
		}
	}
	for _, c := range items(view, "clusters") {
		cluster = c.Str("cluster.server")
	}
	if cluster == "" {
		return nil, &Error{"bind-target", "kubectl has no current context", "kubectl config use-context NAME"}
	}
	p := map[string]any{"type": Kubernetes, "cluster": cluster, "namespace": namespace, "instance": instance, "resolved": false}
	f := &Found{Pointer: p}
	binding, err := operatorBinding(ctx, namespace, instance, key)
	if err != nil {
		return nil, err
	}
	if binding != nil {
		p["name"] = binding.Str("metadata.name")
		if p["secret"] = binding.Str("spec.secretName"); p["secret"] == "" {
			p["secret"] = p["name"]
		}
		if i, err := kubectl(ctx, "get", k8sInstances, instance, "--namespace="+namespace); err == nil {
			f.Label, f.Plan = i.Str("spec.serviceOfferingName"), i.Str("spec.servicePlanName")
		}
		return f, nil
	}
	secret := key
	if secret == "" {
		secret = instance
	}
	// Only the names of the secret's entries are looked at, and what says what it is.
	s, err := kubectl(ctx, "get", "secret", secret, "--namespace="+namespace)
	if err != nil {
		return nil, err
	}
	b, err := secretBinding(s, secret)
	if err != nil {
		return nil, err
	}
	p["secret"], f.Label, f.Plan = secret, b.Label, b.Plan
	return f, nil
}

// names refuses what kubectl would take for options or for several resources.
func names(list ...string) error {
	for _, n := range list {
		if strings.HasPrefix(n, "-") || strings.ContainsAny(n, "/, ") || len(n) > 253 {
			return &Error{"bind-name", fmt.Sprintf("%q is no name in Kubernetes", n), ""}
		}
	}
	return nil
}

// operatorBinding returns the service binding of an instance, nil where there is none, or no service operator.
func operatorBinding(ctx context.Context, namespace, instance, key string) (config.Section, error) {
	list, err := kubectl(ctx, "get", k8sBindings, "--namespace="+namespace)
	var failed *Error
	if errors.As(err, &failed) && failed.Code == "bind-command" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var fit []config.Section
	for _, b := range items(list, "items") {
		if b.Str("spec.serviceInstanceName") == instance && (key == "" || b.Str("metadata.name") == key || b.Str("spec.secretName") == key) {
			fit = append(fit, b)
		}
	}
	switch {
	case len(fit) == 0:
		return nil, nil
	case len(fit) > 1:
		return nil, &Error{"bind-not-found", fmt.Sprintf("the service instance %q has %d bindings", instance, len(fit)), "name one: --to " + instance + ":BINDING"}
	}
	return fit[0], nil
}

func fetchK8s(ctx context.Context, p config.Pointer) (*config.Binding, error) {
	secret := p.Data.Str("secret")
	if secret == "" {
		secret = p.Data.Str("name")
	}
	namespace := p.Data.Str("namespace")
	if namespace == "" {
		namespace = "default"
	}
	if err := names(secret, namespace); err != nil || secret == "" {
		return nil, &Error{"bind-name", fmt.Sprintf("requires.%s.binding names no secret", p.Service), "cds bind writes it"}
	}
	args := []string{"get", "secret", secret, "--namespace=" + namespace}
	if cluster := p.Data.Str("cluster"); cluster != "" {
		name, err := contextOf(ctx, cluster)
		if err != nil {
			return nil, err
		}
		args = append(args, "--context="+name)
	}
	s, err := kubectl(ctx, args...)
	if err != nil {
		return nil, err
	}
	b, err := secretBinding(s, secret)
	if err != nil {
		return nil, err
	}
	if b.InstanceName == "" {
		b.InstanceName = p.Data.Str("instance")
	}
	if len(b.Credentials) == 0 {
		return nil, &Error{"bind-not-found", fmt.Sprintf("the secret %q has no credentials", secret), ""}
	}
	return b, nil
}

// contextOf returns kubectl's context for a cluster, so that the current one does not matter.
func contextOf(ctx context.Context, cluster string) (string, error) {
	view, err := kubectl(ctx, "config", "view")
	if err != nil {
		return "", err
	}
	known := ""
	for _, c := range items(view, "clusters") {
		if strings.TrimSuffix(c.Str("cluster.server"), "/") == strings.TrimSuffix(cluster, "/") {
			known = c.Str("name")
		}
	}
	for _, c := range items(view, "contexts") {
		if known != "" && c.Str("context.cluster") == known {
			return c.Str("name"), nil
		}
	}
	return "", &Error{"bind-target", "kubectl has no context for the cluster " + cluster, "kubectl config get-contexts lists those that there are"}
}

// secretBinding reads a secret.
func secretBinding(s config.Section, name string) (*config.Binding, error) {
	files := map[string][]byte{}
	for key, v := range s.Sub("data") {
		text, _ := v.(string)
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, &Error{"bind-answer", fmt.Sprintf("the entry %q of the secret %q is no base64", key, name), ""}
		}
		files[key] = b
	}
	b, err := config.SecretBinding(name, files, "secret "+name)
	return &b, err
}
