package command

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"cds/codegen/authzmatrix"
	cdl "cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/config"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

// matrixProfile is the profile whose policy is shown if none is named: that of the real system.
const matrixProfile = config.Production

func (e *env) authzMatrix() *cobra.Command {
	var f matrixFlags
	format := "table"
	cmd := &cobra.Command{
		Use:   "matrix [folder or files]",
		Short: "List who may do what, on which rows, and where it says so",
		Long: `Lists for every service, entity, operation and restricted element who may do what: the roles (all roles of a line are needed), the condition on
rows and users, and the annotations that say so. "any" is everybody, "authenticated-user" whoever has logged in. What nobody may do is listed
with the reason. The policy is that of the profile production unless --profile says otherwise.

With --check the exit code is 1, and the rows that differ are printed, if the policy is not the one of the file: a matrix that was written as JSON
or CSV and signed off. Places and fingerprints may differ.`,
		Example: "  cds authz matrix .\n  cds authz matrix . --format csv > authz.csv\n  cds authz matrix . --check authz.csv",
		RunE: func(_ *cobra.Command, args []string) error {
			defer oneShot()()
			if !slices.Contains(authzmatrix.Formats(), format) {
				return usageError{fmt.Errorf("--format is one of %s, not %q", strings.Join(authzmatrix.Formats(), ", "), format)}
			}
			var signed *authzmatrix.Matrix
			if f.check != "" {
				if f.service != "" || f.role != "" {
					return usageError{fmt.Errorf("--check compares the whole policy: leave --service and --role out")}
				}
				data, err := os.ReadFile(f.check)
				if err != nil {
					return err
				}
				if signed, err = authzmatrix.Read(data); err != nil {
					return &serve.StartError{Code: "authz-check-file", Message: f.check + ": " + err.Error(), Hint: "cds authz matrix --format json writes one"}
				}
			}
			m, err := e.matrix(args, &f)
			if err != nil {
				return err
			}
			if signed != nil {
				return e.checkMatrix(m, signed, f.check)
			}
			return m.Write(e.out, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "table, csv, json, html or md")
	cmd.Flags().StringVar(&f.service, "service", "", "this service only")
	cmd.Flags().StringVar(&f.role, "role", "", "only what somebody with this role, and no other, may do")
	cmd.Flags().StringVar(&f.check, "check", "", "compare with this file, and fail if the policy is another")
	cmd.Flags().StringVar(&f.profile, "profile", matrixProfile, "configuration profiles, separated by commas")
	return cmd
}

type matrixFlags struct{ service, role, check, profile string }

// matrix compiles the model of a project, or of some files, and makes its matrix.
func (e *env) matrix(args []string, f *matrixFlags) (*authzmatrix.Matrix, error) {
	opt, err := matrixOptions(args, f.profile)
	if err != nil {
		return nil, err
	}
	_, res, err := e.policyModel(args, f.profile, f.service)
	if err != nil {
		return nil, err
	}
	opt.Service, opt.Role = f.service, f.role
	m, err := newMatrix(res, opt)
	if err == nil && f.role != "" && !slices.Contains(m.Roles, f.role) {
		fmt.Fprintf(e.err, "no restriction of the model mentions the role %s\n", f.role)
	}
	return m, err
}

func newMatrix(res *cdl.Result, opt authzmatrix.Options) (*authzmatrix.Matrix, error) {
	opt.Files = res.Files
	m, diags := authzmatrix.New(res.Model, opt)
	if m == nil || diags.HasErrors() {
		return nil, &serve.ModelError{Diags: diags, Files: res.Files}
	}
	return m, nil
}

func unknownService(m *csn.Model, name string) error {
	var names []string
	for _, s := range m.Services {
		names = append(names, s.Name)
	}
	return &serve.StartError{Code: "no-service", Message: "there is no service " + name, Hint: "there are " + strings.Join(names, ", ")}
}

// matrixOptions are the settings of the policy that a project has under a profile.
func matrixOptions(args []string, profile string) (authzmatrix.Options, error) {
	profiles := serve.SplitProfiles(profile)
	opt := authzmatrix.Options{Profile: strings.Join(profiles, ","), Policy: authz.Options{Strict: true, Production: true}, Doors: doors(nil)}
	opt.Policy.RestrictAllServices = !openProfiles(profiles)
	dir := "."
	if len(args) > 0 {
		dir = args[0]
	}
	if st, err := os.Stat(dir); len(args) > 1 || err != nil || !st.IsDir() {
		return opt, nil
	}
	cfg, err := serve.LoadConfig(serve.Options{Dir: dir, Profiles: profiles})
	if err != nil {
		return opt, err
	}
	opt.Profile = strings.Join(cfg.Profiles, ",")
	opt.Policy.Strict = cfg.Bool("requires.auth.strict", true)
	opt.Policy.RestrictAllServices = cfg.Bool("requires.auth.restrict_all_services", !openProfiles(cfg.Profiles))
	opt.Doors = doors(cfg)
	return opt, nil
}

// openProfiles reports whether services without a restriction are open: under development and test alone.
func openProfiles(profiles []string) bool {
	return !slices.ContainsFunc(profiles, func(p string) bool { return p != config.Development && p != config.Test })
}

// doors tells where services are served under a configuration, which may be nil.
func doors(cfg *config.Config) func(*csn.Service) []authzmatrix.Door {
	root := func(protocol string) string {
		switch {
		case cfg == nil:
			return ""
		case protocol == "odata" && cfg.Str("protocols.odata-v4.path") != "":
			return cfg.Str("protocols.odata-v4.path")
		}
		return cfg.Str("protocols." + protocol + ".path")
	}
	return func(s *csn.Service) []authzmatrix.Door {
		var out []authzmatrix.Door
		for _, ep := range cds.EndpointsAt(s, root) {
			out = append(out, authzmatrix.Door{Protocol: ep.Protocol, Path: ep.Path})
		}
		return out
	}
}

// checkMatrix prints what differs from a signed-off matrix.
func (e *env) checkMatrix(m, signed *authzmatrix.Matrix, name string) error {
	diff := m.Deviations(signed)
	if len(diff) == 0 {
		fmt.Fprintf(e.out, "the policy is that of %s: %d rows\n", name, len(m.Rows))
		return nil
	}
	for _, d := range diff {
		fmt.Fprintln(e.out, d)
	}
	fmt.Fprintf(e.err, "error[authz-check]: the policy is not that of %s: %d rows differ (+ is new, - is gone)\n", name, len(diff))
	return silent{fmt.Errorf("%d rows differ", len(diff))}
}
