package command

import (
	cdl "cds/parser"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

func (e *env) authz() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "authz",
		Short: "Who may do what: as a table, and what changes between two models",
		Long: `Shows what the restrictions of a model come to. "matrix" lists who may do what, and compares it with a signed-off file;
"diff" tells who gains and who loses between two models, folders or git revisions; "isolation" proves that tenants in shared tables are kept apart;
"doors" proves that all ways into services come to the same rights;
"test" makes test cases from the restrictions and tries them.`,
		RunE: func(_ *cobra.Command, _ []string) error {
			return e.usageText("cds authz matrix/diff/explain/isolation/doors/test")
		},
	}
	cmd.AddCommand(e.authzMatrix(), e.authzDiff(), e.authzExplain(), e.authzIsolation(), e.authzDoors(), e.authzTest())
	return cmd
}

// policyModel compiles the model of a project, or of some files, whose restrictions are looked at; service, unless "", must be one of it. A model with errors is none.
func (e *env) policyModel(args []string, profile, service string) (*source, *cdl.Result, error) {
	src, err := e.sources(args, &compileFlags{profile: profile})
	if err != nil {
		return nil, nil, err
	}
	res := src.compile()
	if res.Model == nil || res.Diags.HasErrors() {
		return nil, nil, &serve.ModelError{Diags: res.Diags, Files: res.Files}
	}
	if service != "" && res.Model.Service(service) == nil {
		return nil, nil, unknownService(res.Model, service)
	}
	return src, res, nil
}
