package command

import (
	"encoding/json"
	"fmt"
	"strings"

	"cds/runtime/config"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

func (e *env) env() *cobra.Command {
	var profile, dir string
	var sources, resolve bool
	cmd := &cobra.Command{
		Use:   "env [key]",
		Short: "Show the effective configuration, or a part of it",
		Long: `Show the effective configuration of the project in the working directory, or the part of it at a key such as requires.auth.
A scalar is printed bare, a missing key as "undefined", and cds env list prints a line for every setting. Passwords and other secrets are masked.
With --resolve-bindings they are not: the credentials of bound services are fetched and shown.`,
		Example: "  cds env requires.auth --profile hybrid\n  cds env list requires.auth --resolve-bindings --profile hybrid",
		Args:    maxArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			list := false
			if len(args) > 0 && (args[0] == "get" || args[0] == "list" || args[0] == "ls") {
				list = args[0] != "get"
				args = args[1:]
			}
			opt := serve.Options{Dir: dir, Profiles: serve.SplitProfiles(profile)}
			if resolve {
				var err error
				if opt.Env, err = newResolver(e).environ(cmd.Context(), dir, opt.Profiles); err != nil {
					return err
				}
			}
			cfg, err := serve.LoadConfig(opt)
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings {
				fmt.Fprintln(e.err, "warning:", w)
			}
			if sources && !list || len(args) > 0 && args[0] == "sources" {
				for _, s := range cfg.Sources {
					fmt.Fprintln(e.out, s.Name)
				}
				return nil
			}
			key := ""
			if len(args) > 0 {
				key = args[0]
			}
			v, ok := cfg.Get(key)
			if !ok {
				fmt.Fprintln(e.out, "undefined")
				return nil
			}
			if !resolve {
				v = config.Mask(key, v)
			}
			if list {
				var from func(string) string
				if sources {
					from = cfg.SourceOf
				}
				e.listConfig(key, v, from)
				return nil
			}
			return e.printConfig(v)
		},
	}
	cmd.Flags().StringVar(&profile, "profile", "", "configuration profiles, separated by commas")
	cmd.Flags().StringVarP(&profile, "for", "4", "", "the same as --profile")
	cmd.Flags().BoolVarP(&resolve, "resolve-bindings", "b", false, "fetch the credentials of bound services, and show all secrets")
	cmd.Flags().StringVar(&dir, "dir", ".", "project folder")
	cmd.Flags().BoolVar(&sources, "sources", false, "list the sources, the strongest first; with list: where each setting comes from")
	return cmd
}

func (e *env) printConfig(v any) error {
	switch v := v.(type) {
	case map[string]any, []any:
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(e.out, string(b))
	default:
		fmt.Fprintln(e.out, v)
	}
	return nil
}

// listConfig prints a line for every setting, as name = value, and where it comes from unless from is nil.
func (e *env) listConfig(key string, v any, from func(key string) string) {
	m, ok := v.(map[string]any)
	if !ok {
		if list, isList := v.([]any); isList {
			v = string(mustJSON(list))
		}
		fmt.Fprintf(e.out, "%s = %v", key, v)
		if from != nil {
			fmt.Fprintf(e.out, "  (%s)", from(key))
		}
		fmt.Fprintln(e.out)
		return
	}
	for _, name := range config.Section(m).Keys() {
		e.listConfig(strings.TrimPrefix(key+"."+name, "."), m[name], from)
	}
}
