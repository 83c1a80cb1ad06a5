package command

import (
	"fmt"

	"cds/codegen/isolation"
	"cds/runtime/db/postgres"
	"cds/runtime/db/sqlite"

	"github.com/spf13/cobra"
)

func (e *env) authzIsolation() *cobra.Command {
	format := "text"
	var profile string
	cmd := &cobra.Command{
		Use:     "isolation [folder or files]",
		Aliases: []string{"tenants"},
		Short:   "Prove that tenants in shared tables are kept apart, or name what does not",
		Long: `Makes the SQL that requests come to, for every entity, path and event, and the bodies of all views, for SQLite and PostgreSQL, and looks at each table with rows
of tenants (elements with @tenant): whether it is compared with the tenant of the user. Lists how the rows of each table, view, entity, path and operation are bound, what
all tenants share, and which code may name another tenant.

The exit code is 1 if something is not bound.`,
		Example: "  cds authz isolation .\n  cds authz isolation . --format json",
		RunE: func(_ *cobra.Command, args []string) error {
			defer oneShot()()
			if format != "text" && format != "json" {
				return usageError{fmt.Errorf("--format is text or json, not %q", format)}
			}
			_, res, err := e.policyModel(args, profile, "")
			if err != nil {
				return err
			}
			r := isolation.New(res.Model, res.Files, isolation.Database{Name: "sqlite", Dialect: sqlite.Dialect()}, isolation.Database{Name: "postgres", Dialect: postgres.Dialect()})
			if err := r.Write(e.out, format); err != nil {
				return err
			}
			if r.Holes > 0 {
				fmt.Fprintln(e.err, "error[authz-isolation]: rows of one tenant may show to another")
				return silent{fmt.Errorf("%d holes", r.Holes)}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "text or json")
	cmd.Flags().StringVar(&profile, "profile", "", "configuration profiles, separated by commas")
	return cmd
}
