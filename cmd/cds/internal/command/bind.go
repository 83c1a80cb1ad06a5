package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"cds/cmd/cds/internal/binding"
	"cds/runtime/config"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

// bindFlags are the flags of bind.
type bindFlags struct {
	dir, to, on, profile, kind, credentials string
	exec                                    bool
}

func (e *env) bind() *cobra.Command {
	var f bindFlags
	cmd := &cobra.Command{
		Use:   "bind [service] --to instance[:key]",
		Short: "Bind a project to services in the cloud, for local runs with them",
		Long: `Bind a required service of the project, such as auth, to a service instance in Cloud Foundry or Kubernetes. What is remembered in .cdsrc-private.json is where
the instance is, not its credentials: cds watch and cds serve fetch them when they start, by the commands cf and kubectl and their login, and keep them in
memory. Without a service, the instance tells which: XSUAA and Identity Authentication are bound to auth, PostgreSQL to db.

Where the commands can't be used, --credentials hands the credentials in: a file with a JSON object, or - for standard input. They are written to
.cdsrc-private.json, which only its owner can read. Beside --to they are laid over those that are fetched.

With --exec, the command behind -- runs with the credentials of all bound services in VCAP_SERVICES.`,
		Example: `  cds bind --to shop-uaa
  cds bind auth --to shop-uaa:dev-key --for hybrid
  cds bind auth --to shop-ias --on k8s
  cds bind auth --kind xsuaa --credentials key.json
  cds bind --exec -- npm start --prefix app`,
		RunE: func(cmd *cobra.Command, args []string) error {
			at := cmd.ArgsLenAtDash()
			if f.exec {
				return e.bindExec(cmd.Context(), &f, args, at)
			}
			if at >= 0 || len(args) > 1 {
				return usageError{errors.New("one service is bound at a time; a command to run needs --exec")}
			}
			return e.runBind(cmd.Context(), &f, strings.Join(args, ""))
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.to, "to", "2", "", "service instance, and maybe a key of it: instance[:key]; the usual key is instance-key. Several are separated by commas")
	fl.StringVarP(&f.on, "on", "o", binding.CloudFoundry, "platform: cf or k8s")
	fl.StringVarP(&f.profile, "for", "4", config.Hybrid, "profile that the binding is for")
	fl.StringVarP(&f.kind, "kind", "k", "", "kind of the service, such as xsuaa; by default the instance tells")
	fl.StringVarP(&f.credentials, "credentials", "c", "", "credentials: a file with a JSON object, - for standard input, or the object itself, which other users of the machine may see")
	fl.BoolVarP(&f.exec, "exec", "e", false, "run a command with the credentials of bound services")
	fl.StringVar(&f.dir, "dir", ".", "project folder")
	return cmd
}

// runBind remembers where a service is.
func (e *env) runBind(ctx context.Context, f *bindFlags, service string) error {
	if f.to == "" && f.credentials == "" {
		return usageError{errors.New("bind to what? --to instance, or --credentials file")}
	}
	if strings.ContainsAny(f.profile, ",[]") || f.profile == "" || f.profile == config.Production {
		return usageError{fmt.Errorf("--for %q: one profile is expected, and not production, where the platform binds services", f.profile)}
	}
	var cred config.Section
	if f.credentials != "" {
		var err error
		if cred, err = e.readCredentials(f.credentials); err != nil {
			return err
		}
	}
	targets := strings.Split(f.to, ",")
	if len(targets) > 1 && (service != "" || f.kind != "" || cred != nil) {
		return usageError{errors.New("several instances are bound to the services that they tell themselves: leave the service, --kind and --credentials out")}
	}
	for _, to := range targets {
		what, err := e.bindOne(ctx, f, service, to, cred)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.err, "%s, in profile %s of %s\n", what, f.profile, privateFile)
	}
	fmt.Fprintf(e.err, "\n  next: cds watch --profile %s\n", f.profile)
	return nil
}

// bindOne remembers where one service is, or its credentials, and says what it did.
func (e *env) bindOne(ctx context.Context, f *bindFlags, service, to string, cred config.Section) (string, error) {
	entry := map[string]any{"binding": map[string]any{"type": "credentials", "resolved": true}}
	what, label := "the given credentials", ""
	if to != "" {
		instance, key, _ := strings.Cut(to, ":")
		found, err := binding.Find(ctx, f.on, instance, key)
		if err != nil {
			return "", err
		}
		if cred != nil {
			found.Pointer["credentials"] = cred
		}
		entry["binding"], label, what = found.Pointer, found.Label, describePointer(found.Pointer)
	} else {
		entry["credentials"] = cred
	}
	service, kind, err := whatFor(service, f.kind, label)
	if err != nil {
		return "", err
	}
	vcap := map[string]any{"name": service}
	if label == "user-provided" {
		vcap["label"] = false // the kind's own filter would not fit
	}
	entry["vcap"] = vcap
	if kind != "" {
		entry["kind"] = kind
		what += " with kind " + kind
	}
	return service + " is bound to " + what, setPrivate(f.dir, []string{"requires", "[" + f.profile + "]", service}, entry)
}

// kindsOfLabels are the required services and kinds by the label of an offering.
var kindsOfLabels = map[string][2]string{"xsuaa": {"auth", "xsuaa"}, "identity": {"auth", "ias"}, "postgresql-db": {"db", "postgres"}, "postgresql": {"db", "postgres"}}

// whatFor completes service and kind by what is known of the instance.
func whatFor(service, kind, label string) (string, string, error) {
	by, known := kindsOfLabels[label]
	if service == "" {
		for _, k := range kindsOfLabels {
			if !known && kind == k[1] {
				by, known = k, true
			}
		}
		if !known {
			return "", "", usageError{fmt.Errorf("what service is it for? cds bind SERVICE …, such as auth (the instance is of the kind %q)", label)}
		}
		service = by[0]
	}
	if strings.ContainsAny(service, "[]") || service == "kinds" {
		return "", "", usageError{fmt.Errorf("%q is no name of a required service", service)}
	}
	if kind == "" && known && (by[0] == service || by[1] == service) {
		kind = by[1]
	}
	return service, kind, nil
}

// readCredentials reads an object from a file, standard input, or the flag itself. Errors quote nothing of it.
func (e *env) readCredentials(from string) (config.Section, error) {
	var text []byte
	var err error
	switch {
	case strings.HasPrefix(strings.TrimSpace(from), "{"):
		text = []byte(from)
	case from == "-":
		text, err = io.ReadAll(io.LimitReader(e.in, 1<<20))
	default:
		text, err = os.ReadFile(from)
	}
	if err != nil {
		return nil, &serve.StartError{Code: "bind-credentials", Message: "the credentials can't be read", Hint: "--credentials names a file, or is - for standard input"}
	}
	var m config.Section
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil || dec.More() || len(m) == 0 {
		return nil, &serve.StartError{Code: "bind-credentials", Message: "the credentials are no JSON object", Hint: "such as the output of cf service-key, from its first { on"}
	}
	if inner := m.Sub("credentials"); inner != nil && len(m) == 1 {
		m = inner // as cf prints them
	}
	return m, nil
}

// bindExec runs a command with the credentials of bound services in its environment.
func (e *env) bindExec(ctx context.Context, f *bindFlags, args []string, at int) error {
	if at != 0 || len(args) == 0 || f.to != "" || f.credentials != "" {
		return usageError{errors.New("a command is expected behind --: cds bind --exec -- npm start")}
	}
	profiles := serve.SplitProfiles(f.profile)
	cfg, err := serve.LoadConfig(serve.Options{Dir: f.dir, Profiles: profiles})
	if err != nil {
		return err
	}
	if cfg.Is(config.Production) {
		return usageError{errors.New("in production the platform binds services")}
	}
	list, err := newResolver(e).bindings(ctx, cfg)
	if err != nil {
		return err
	}
	list = append(list, storedBindings(cfg)...)
	environ, err := withServices(os.Environ(), list)
	if err != nil {
		return err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = environ
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.in, e.out, e.err
	if err := cmd.Start(); err != nil {
		return &serve.StartError{Code: "bind-exec", Message: "the command " + args[0] + " can't be run", Hint: "is it installed?"}
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err = <-done:
	case <-ctx.Done():
		_ = terminate(cmd)
		err = <-done
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode(max(exit.ExitCode(), 1))
	}
	return err
}

// storedBindings are those whose credentials are in the private file.
func storedBindings(cfg *config.Config) (out []config.Binding) {
	requires := cfg.Sub("requires")
	for _, name := range requires.Keys() {
		m, _ := requires[name].(map[string]any) // a name may have dots
		s := config.Section(m)
		if cred := s.Sub("credentials"); s.Bool("binding.resolved", false) && cred != nil {
			out = append(out, binding.Stored(config.Pointer{Service: name, Kind: s.Str("kind"), Data: s.Sub("binding"), Vcap: s.Sub("vcap")}, cred))
		}
	}
	return out
}

// exitCode is the exit code of a command that was run, which has said why.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }
