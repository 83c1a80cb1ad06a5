// Package binding finds services in the cloud and fetches their credentials, by the commands cf and kubectl with whatever login they have. Credentials are
// returned and never written, and no error or message holds any.
package binding

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"cds/runtime/config"
)

// The platforms.
const (
	CloudFoundry = "cf"
	Kubernetes   = "k8s"
)

// timeout bounds one call of a command; maxOutput what it may print.
const (
	timeout   = time.Minute
	maxOutput = 4 << 20
)

// An Error says what could not be found or fetched, and what to do.
type Error struct{ Code, Message, Hint string }

func (e *Error) Error() string {
	s := "error[" + e.Code + "]: " + e.Message
	if e.Hint != "" {
		s += "\n  hint: " + e.Hint
	}
	return s
}

// A Found is a service instance, without its credentials.
type Found struct {
	// Pointer is what Fetch needs to find it again: requires.x.binding.
	Pointer     map[string]any
	Label, Plan string // of the offering, "" for none
}

// Find looks for an instance and a key of it where cf or kubectl are logged in.
func Find(ctx context.Context, on, instance, key string) (*Found, error) {
	switch on {
	case CloudFoundry:
		return findCF(ctx, instance, key)
	case Kubernetes:
		return findK8s(ctx, instance, key)
	}
	return nil, &Error{"bind-platform", fmt.Sprintf("the platform %q is not known", on), "cf or k8s"}
}

// Fetch fetches the credentials of a service that is bound by name. The binding fits the filter of the service (requires.x.vcap), since it is meant for it.
func Fetch(ctx context.Context, p config.Pointer) (*config.Binding, error) {
	var b *config.Binding
	var err error
	switch on := p.Data.Str("type"); on {
	case CloudFoundry:
		b, err = fetchCF(ctx, p)
	case Kubernetes:
		b, err = fetchK8s(ctx, p)
	default:
		return nil, &Error{"bind-platform", fmt.Sprintf("requires.%s.binding.type is %q", p.Service, on), "cf or k8s; cds bind writes it"}
	}
	if err != nil {
		return nil, err
	}
	meant(b, p)
	return b, nil
}

// meant makes a binding fit the service that it is meant for.
func meant(b *config.Binding, p config.Pointer) {
	b.Name, b.BindingName = p.Service, p.Service
	for _, key := range p.Vcap.Keys() {
		v := p.Vcap.Str(key)
		if v == "" || v == "false" {
			continue
		}
		switch key {
		case "name", "binding_name":
			b.Name, b.BindingName = v, v
		case "instance_name":
			b.InstanceName = v
		case "label", "type":
			b.Label = v
		case "plan":
			b.Plan = v
		case "tag", "tags":
			b.Tags = append(b.Tags, p.Vcap.Strings(key)...)
		}
	}
	if b.Label != "" && !slices.Contains(b.Tags, b.Label) {
		b.Tags = append(b.Tags, b.Label) // which other programs look for
	}
}

// Stored returns the binding of a service whose credentials are configured where the pointer would be, for other programs.
func Stored(p config.Pointer, credentials config.Section) config.Binding {
	b := config.Binding{Credentials: credentials, Label: p.Kind}
	meant(&b, p)
	return b
}

// run runs a command and returns what it prints. Its standard error is part of the error, its output never is.
func run(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs limitedBuffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, &Error{"bind-no-command", "the command " + name + " was not found", "install it, or hand the credentials in: cds bind SERVICE --credentials FILE"}
	case ctx.Err() != nil:
		return nil, &Error{"bind-timeout", name + " " + args[0] + " did not answer", "does it work by hand?"}
	case err != nil:
		return nil, &Error{"bind-command", fmt.Sprintf("%s %s failed: %s", name, args[0], firstLines(errs.String())), "does it work by hand? are you logged in?"}
	case out.full:
		return nil, &Error{"bind-command", name + " " + args[0] + " printed too much", ""}
	}
	return out.Bytes(), nil
}

// limitedBuffer takes up to maxOutput bytes and drops the rest.
type limitedBuffer struct {
	bytes.Buffer
	full bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := maxOutput - b.Len(); len(p) > room {
		b.full = true
		b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

func firstLines(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	if s == "" {
		return "it says nothing"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// object reads an answer that has to be a JSON object. Text in front of it, as the commands may print, is skipped.
func object(b []byte, what string) (config.Section, error) {
	if i := bytes.IndexByte(b, '{'); i > 0 {
		b = b[i:]
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var m config.Section
	if err := dec.Decode(&m); err != nil {
		return nil, &Error{"bind-answer", what + " was answered with something else than a JSON object", "does the command work by hand?"}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, &Error{"bind-answer", what + " was answered with more than a JSON object", "does the command work by hand?"}
	}
	return m, nil
}

// items returns the objects of a list.
func items(s config.Section, path string) (out []config.Section) {
	v, _ := s.Get(path)
	list, _ := v.([]any)
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
