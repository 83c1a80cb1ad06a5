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
	var sources bool
	cmd := &cobra.Command{
		Use:   "env [key]",
		Short: "Show the effective configuration, or a part of it",
		Long: `Show the effective configuration of the project in the working directory, or the part of it at a key such as requires.auth.
A scalar is printed bare, a missing key as "undefined". Passwords and other secrets are masked.`,
		Example: "  cds env requires.auth --profile hybrid",
		Args:    maxArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && args[0] == "get" {
				args = args[1:]
			}
			cfg, err := serve.LoadConfig(serve.Options{Dir: dir, Profiles: serve.SplitProfiles(profile)})
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings {
				fmt.Fprintln(e.err, "warning:", w)
			}
			if sources || len(args) > 0 && args[0] == "sources" {
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
			return e.printConfig(key, v)
		},
	}
	cmd.Flags().StringVar(&profile, "profile", "", "configuration profiles, separated by commas")
	cmd.Flags().StringVar(&dir, "dir", ".", "project folder")
	cmd.Flags().BoolVar(&sources, "sources", false, "list the sources, the strongest first")
	return cmd
}

func (e *env) printConfig(key string, v any) error {
	last := key[strings.LastIndexByte(key, '.')+1:]
	switch masked := mask(last, v).(type) {
	case map[string]any, []any:
		b, err := json.MarshalIndent(masked, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(e.out, string(b))
	default:
		fmt.Fprintln(e.out, masked)
	}
	return nil
}

// mask hides secrets: the values of keys whose names say that they are some.
func mask(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = mask(k, x)
		}
		return out
	case config.Section:
		return mask(key, map[string]any(v))
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = mask(key, v[i])
		}
		return out
	case nil:
		return v
	}
	if secretName(key) && fmt.Sprint(v) != "" {
		return "***"
	}
	return v
}

func secretName(key string) bool {
	key = strings.ToLower(key)
	for _, s := range []string{"password", "secret", "token", "privatekey", "private_key", "apikey", "api_key", "certificate", "passphrase"} {
		if strings.Contains(key, s) {
			return true
		}
	}
	return key == "key"
}
