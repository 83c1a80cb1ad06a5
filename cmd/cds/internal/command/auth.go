package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/authstore"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/serve"
	"cds/strategies/chain"
	"cds/strategies/local"

	"github.com/spf13/cobra"
)

// authFlags are the flags that all commands below `cds auth` have.
type authFlags struct{ dir, profile, to string }

func (e *env) auth() *cobra.Command {
	var f authFlags
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Users and policies in the database, tokens for development, and why a token is refused",
		Long: `Set up and list the users that the authentication kind "local" keeps in the database, make tokens for development, and find out which configured
key, issuer, audience or claim accepts or refuses a token.`,
		RunE: func(_ *cobra.Command, _ []string) error {
			return e.usageText("cds auth setup/user/policy/token/inspect/hash")
		},
	}
	pf := cmd.PersistentFlags()
	pf.StringVar(&f.dir, "dir", ".", "project folder")
	pf.StringVar(&f.profile, "profile", "", "configuration profiles, separated by commas")
	cmd.AddCommand(e.authSetup(&f), e.authUser(&f), e.authPolicy(&f), e.authToken(&f), e.authInspect(&f), e.authHash(&f))
	return cmd
}

// usageText tells how a command is written, where it is not understood.
func (e *env) usageText(text string) error {
	fmt.Fprintln(e.err, text)
	return silent{errors.New("usage")}
}

// between is cobra.RangeArgs that tells how the command is written.
func (e *env) between(least, most int, usage string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return e.usageText(usage)
		}
		return nil
	}
}

func (f *authFlags) options() serve.Options {
	return serve.Options{Dir: f.dir, Profiles: serve.SplitProfiles(f.profile)}
}

// databaseFlag adds the flag for another database than the configured one.
func (f *authFlags) databaseFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.to, "to", "2", "", "database: sqlite[:file] or postgres[:url]; by default the configured one")
}

// An authDB is the store of users and sessions in the project's database.
type authDB struct {
	*authstore.Store
	pool db.Pool
	cfg  *config.Config
	sec  config.Section // requires.auth, or the member of a chain that is of kind local
}

func (d *authDB) close() { _ = d.pool.Close() }

// openUsers opens the database of the project for its users, with the tables made where they are missing.
func (e *env) openUsers(ctx context.Context, f *authFlags) (*authDB, error) {
	opt := f.options()
	cfg, err := serve.LoadConfig(opt)
	if err != nil {
		return nil, err
	}
	sec, ok := sectionOf(cfg, local.Kind)
	if !ok {
		fmt.Fprintf(e.err, "note: requires.auth.kind is %q; users in the database count with the kind %q\n", chain.KindOf(cfg.Sub("requires.auth")), local.Kind)
	}
	target, err := deployTarget(cfg, opt, f.to)
	if err != nil {
		var se *serve.StartError
		if errors.As(err, &se) && se.Code == "deploy-no-database" {
			return nil, &serve.StartError{Code: "auth-no-database", Message: "the configured database is in memory: users in it would be gone when the command ends", Hint: se.Hint}
		}
		return nil, err
	}
	if target.Kind == "sqlite" {
		if _, err := os.Stat(target.Config.URL); errors.Is(err, fs.ErrNotExist) {
			return nil, &serve.StartError{Code: "auth-no-database", Message: "there is no database yet: " + target.Shown, Hint: "cds deploy makes it"}
		}
	}
	pool, err := target.Open(ctx, databases())
	if err != nil {
		return nil, explainOpen(err)
	}
	store, err := authstore.Open(ctx, pool, time.Now)
	if err == nil {
		err = store.Prepare(ctx)
	}
	if err != nil {
		_ = pool.Close()
		return nil, authError(err)
	}
	return &authDB{store, pool, cfg, sec}, nil
}

// sectionOf returns the settings of a kind: requires.auth, or those of a member of a chain. false if the kind is not configured; then they are those of
// requires.auth all the same.
func sectionOf(cfg *config.Config, kind string) (config.Section, bool) {
	sec := cfg.Sub("requires.auth")
	switch chain.KindOf(sec) {
	case kind:
		return sec, true
	case chain.Kind:
		parts, err := chain.Parts(sec, cfg.Sub("requires.kinds"))
		if err != nil {
			return sec, false
		}
		for _, p := range parts {
			if p.Kind == kind {
				return p.Section, true
			}
		}
	}
	return sec, false
}

// needsAuthTables reports whether the configured authentication keeps users or sessions in the database.
func needsAuthTables(cfg *config.Config) bool {
	for _, kind := range []string{local.Kind, "oidc"} {
		if _, ok := sectionOf(cfg, kind); ok {
			return true
		}
	}
	return cfg.Bool("requires.auth.revocation.store", false)
}

// makeAuthTables makes the tables for users and sessions.
func makeAuthTables(ctx context.Context, pool db.Pool) error {
	store, err := authstore.Open(ctx, pool, time.Now)
	if err == nil {
		err = store.Prepare(ctx)
	}
	return authError(err)
}

// authError shows errors of strategies and of the store in the form of the others.
func authError(err error) error {
	var ce *auth.ConfigError
	var te *authstore.TableError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ce):
		return &serve.StartError{Code: "auth-config", Message: ce.Error(), Hint: ce.Hint()}
	case errors.As(err, &te):
		m := te.Error()
		if te.Cause != nil {
			m += ": " + te.Cause.Error()
		}
		return &serve.StartError{Code: "auth-tables", Message: m}
	case errors.Is(err, auth.ErrInvalid):
		return &serve.StartError{Code: "auth-user", Message: strings.TrimPrefix(err.Error(), auth.ErrInvalid.Error()+": ")}
	case errors.Is(err, db.ErrBusy):
		return &serve.StartError{Code: "auth-database", Message: err.Error(), Hint: "is the database reachable, and nobody writing to it for long?"}
	}
	return err
}

func (e *env) authSetup(f *authFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Make the tables for users and sessions, and the first user",
		Long: `Make the tables auth_users and auth_sessions in the project's database, and the user rest_admin with the role admin. The password is random and shown once.
Where the user is there already, nothing is changed.`,
		Example: "  cds auth setup\n  cds auth setup --to sqlite:db.sqlite",
		Args:    e.between(0, 0, "cds auth setup"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := e.openUsers(cmd.Context(), f)
			if err != nil {
				return err
			}
			defer d.close()
			name, pw, err := local.Bootstrap(cmd.Context(), d, d.sec)
			if errors.Is(err, local.ErrDone) {
				return e.usageText(err.Error())
			}
			if err != nil {
				return authError(err)
			}
			fmt.Fprintf(e.out, "username: %s\npassword: %s\n", name, pw)
			fmt.Fprintln(e.err, "the password is not shown again; cds auth user passwd changes it")
			return nil
		},
	}
	f.databaseFlag(cmd)
	return cmd
}

func (e *env) authHash(f *authFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "hash [password]",
		Short: "Print the hash of a password",
		Long: `Print the hash of a password (argon2id in PHC form), as the kinds local, basic and mocked take it in place of the password. The password is asked for, or read from
standard input; as an argument other users of this machine see it.`,
		Example: "  cds auth hash\n  openssl rand -base64 15 | tee password.txt | cds auth hash",
		Args:    e.between(0, 1, "cds auth hash [password]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := serve.LoadConfig(f.options())
			if err != nil {
				return err
			}
			sec, _ := sectionOf(cfg, local.Kind)
			pw, err := e.password(cmd.Context(), args, 0)
			if err != nil {
				return err
			}
			hash, err := local.HashPassword(cmd.Context(), sec, "", pw)
			if err != nil {
				return passwordError(err)
			}
			fmt.Fprintln(e.out, hash)
			return nil
		},
	}
}

func passwordError(err error) error {
	var ce *auth.ConfigError
	var fe *config.Error
	if errors.As(err, &ce) || errors.As(err, &fe) || errors.Is(err, auth.ErrNotFound) {
		return authError(err)
	}
	return &serve.StartError{Code: "auth-password", Message: "the password " + err.Error(), Hint: "requires.auth.local.passwords.length says how many characters it needs"}
}

// maxInput bounds what is read from standard input.
const maxInput = 64 << 10

// password returns the i-th argument, else asks for a password, or reads a line of standard input.
func (e *env) password(ctx context.Context, args []string, i int) (string, error) {
	if len(args) > i && args[i] != "-" {
		fmt.Fprintln(e.err, "warning: other users of this machine may see a password among the arguments; leave it out to be asked for it")
		return args[i], nil
	}
	if f, ok := e.in.(*os.File); ok {
		stty := func(how string) error {
			c := exec.Command("stty", how)
			c.Stdin = f
			return c.Run()
		}
		if stty("-echo") == nil { // it fails for what is no terminal
			fmt.Fprint(e.err, "Password: ")
			defer func() {
				_ = stty("echo")
				fmt.Fprintln(e.err)
			}()
		}
	}
	type input struct {
		line string
		err  error
	}
	read := make(chan input, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(e.in, maxInput)).ReadString('\n')
		read <- input{strings.TrimRight(line, "\r\n"), err}
	}()
	var in input
	select {
	case in = <-read:
	case <-ctx.Done(): // interrupted; the terminal shows again what is typed
		return "", silent{ctx.Err()}
	}
	if in.line == "" {
		if in.err != nil && !errors.Is(in.err, io.EOF) {
			return "", in.err
		}
		return "", &serve.StartError{Code: "auth-password", Message: "a password is expected on standard input, or as an argument"}
	}
	return in.line, nil
}
