package command

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"text/tabwriter"

	"cds/runtime/crypt"
	"cds/runtime/deploy"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

func (e *env) encrypt() *cobra.Command {
	var f deployFlags
	var plain bool
	cmd := &cobra.Command{
		Use:   "encrypt [project]",
		Short: "Encrypt the values of elements with @encrypted anew, with the active key",
		Long: `Encrypt the values of all elements with @encrypted in the project's database with the first key of encryption.keys, those of drafts too. Do it after a new key
has come first; when it is done, the old key can go. It may run while the application does.

Values that are not encrypted, as after @encrypted has come to an element with data, are an error: --plain encrypts them, and hashes those of elements
with @hash that are no hashes.`,
		Example: "  cds encrypt --dry\n  cds encrypt --profile production\n  cds encrypt --plain --to sqlite:db.sqlite",
		Args:    maxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return e.runEncrypt(cmd.Context(), args, &f, plain) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.to, "to", "2", "", "database: sqlite[:file] or postgres[:url]; by default the configured one")
	fl.StringVar(&f.profile, "profile", "", "configuration profiles, separated by commas")
	fl.BoolVar(&f.dry, "dry", false, "count, change nothing")
	fl.BoolVar(&plain, "plain", false, "encrypt values that are not encrypted, and hash those that are not hashed")
	return cmd
}

func (e *env) runEncrypt(ctx context.Context, args []string, f *deployFlags, plain bool) error {
	to, err := e.destination(ctx, args, f)
	if err != nil {
		return err
	}
	keys, err := serve.KeysOf(to.cfg)
	if err != nil {
		return err
	}
	pool, err := to.database.Open(ctx, databases())
	if err != nil {
		return explainOpen(err)
	}
	defer func() { _ = pool.Close() }()
	found, err := deploy.Encrypt(ctx, pool, to.model, deploy.EncryptOptions{Keys: keys, Plain: plain, Dry: f.dry})
	if err == nil || len(found) > 0 {
		e.showEncrypted(found, keys)
	}
	return err
}

func (e *env) showEncrypted(found []deploy.Encrypted, keys *crypt.Ring) {
	if keys != nil {
		fmt.Fprintf(e.out, "active key: %s\n", keys.Active())
	}
	if len(found) == 0 {
		fmt.Fprintln(e.out, "nothing is encrypted or hashed")
		return
	}
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ELEMENT\tVALUES\tOTHER KEYS\tPLAIN\tCHANGED")
	for _, c := range found {
		old := fmt.Sprint(c.Old)
		if c.Hashed {
			old = "-"
		}
		fmt.Fprintf(w, "%s.%s\t%d\t%s\t%d\t%d\n", c.Table, c.Column, c.Values, old, c.Plain, c.Changed)
	}
	_ = w.Flush() // to the output, whose errors nobody could be told of
	for _, c := range found {
		if n := c.Values - c.Plain; c.Unmarked && n > 0 {
			fmt.Fprintf(e.err, "note: %s.%s: %d values have 64 hexadecimal digits and were taken for hashes; texts of that form look the same\n", c.Table, c.Column, n)
		}
	}
}

// encryptionFacet writes a key.
func encryptionFacet() facet {
	return facet{name: "encryption", short: "a random key for elements with @encrypted, in " + privateFile, prepare: prepareEncryption,
		next: "keep a copy of the key: without it the data are lost; elsewhere set CDS_ENCRYPTION_KEYS"}
}

func prepareEncryption(_ *env, f facet, dir string, profiles []string) (facet, error) {
	cfg, err := serve.LoadConfig(serve.Options{Dir: dir, Profiles: profiles})
	if err != nil {
		return f, err
	}
	keys, err := serve.KeysOf(cfg)
	if err != nil {
		return f, err
	}
	f.finish = func(e *env, dir string) error {
		if keys != nil {
			fmt.Fprintf(e.err, "encryption is configured already, with the key %s\n", keys.Active())
			return nil
		}
		secret := make([]byte, crypt.KeyLength)
		_, _ = rand.Read(secret) // never fails
		value := []any{map[string]any{"kid": "k1", "key": base64.StdEncoding.EncodeToString(secret)}}
		paths := [][]string{{"encryption", "keys"}}
		if len(profiles) > 0 {
			paths = nil
		}
		for _, p := range profiles {
			paths = append(paths, []string{"[" + p + "]", "encryption", "keys"})
		}
		for _, path := range paths {
			if err := setPrivate(dir, path, value); err != nil {
				return err
			}
		}
		fmt.Fprintf(e.err, "a new key, k1, is in %s\n", privateFile)
		return nil
	}
	return f, nil
}
