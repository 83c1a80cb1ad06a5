package command

import "github.com/spf13/cobra"

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
