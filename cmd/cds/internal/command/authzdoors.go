package command

import (
	"context"
	"fmt"

	doorcheck "cds/codegen/doors"

	"github.com/spf13/cobra"
)

func (e *env) authzDoors() *cobra.Command {
	format := "text"
	var profile, service string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doors [folder or files]",
		Short: "Prove that all ways into services come to the same rights, or name what differs",
		Long: `Serves the model with an empty database in memory, without handlers, by OData, by REST and for code, and asks each of them for the same things as the same people: lists,
single rows, counts, aggregations, batches, paths and expands over associations, filters, changes, operations, restricted elements. Of each request the answer and the conditions in the
SQL that was run make a hash, which must be the same for all doors. Each service is compared at all doors, whatever protocols the model says.

The exit code is 1 if something differs.`,
		Example: "  cds authz doors .\n  cds authz doors . --service OrderService --json",
		RunE: func(_ *cobra.Command, args []string) error {
			defer oneShot()()
			if asJSON {
				format = "json"
			}
			if format != "text" && format != "json" {
				return usageError{fmt.Errorf("--format is text or json, not %q", format)}
			}
			opt, err := matrixOptions(args, profile)
			if err != nil {
				return err
			}
			_, res, err := e.policyModel(args, profile, service)
			if err != nil {
				return err
			}
			r, err := doorcheck.New(context.Background(), res.Model, doorcheck.Options{Policy: opt.Policy, Service: service})
			if err != nil {
				return err
			}
			if err := r.Write(e.out, format); err != nil {
				return err
			}
			if r.Differences > 0 {
				fmt.Fprintln(e.err, "error[authz-doors]: one way into a service comes to other rights than another")
				return silent{fmt.Errorf("%d differences", r.Differences)}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "text or json")
	cmd.Flags().BoolVar(&asJSON, "json", false, "--format json")
	cmd.Flags().StringVar(&service, "service", "", "this service only")
	cmd.Flags().StringVar(&profile, "profile", matrixProfile, "configuration profiles, separated by commas")
	return cmd
}
