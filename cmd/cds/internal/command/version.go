package command

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (e *env) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of cds, Go and the main libraries",
		Args:  maxArgs(0),
		RunE: func(*cobra.Command, []string) error {
			v, revision := "devel", ""
			info, ok := debug.ReadBuildInfo()
			if ok {
				if info.Main.Version != "" && info.Main.Version != "(devel)" {
					v = info.Main.Version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = " (" + s.Value[:min(12, len(s.Value))] + ")"
					}
				}
			}
			fmt.Fprintf(e.out, "cds     %s%s\ngo      %s %s/%s\n", v, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if ok {
				for _, d := range info.Deps {
					if d.Path == "modernc.org/sqlite" {
						fmt.Fprintf(e.out, "sqlite  %s\n", d.Version)
					}
				}
			}
			return nil
		},
	}
}
