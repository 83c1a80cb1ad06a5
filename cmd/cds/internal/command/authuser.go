package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/serve"
	"cds/strategies/local"

	"github.com/spf13/cobra"
)

// userFlags are rights of a user on the command line.
type userFlags struct {
	roles, attrs    []string
	tenant          string
	admin, disabled bool
}

func (f *userFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVar(&f.roles, "role", nil, "a role; may be repeated")
	fl.StringArrayVar(&f.attrs, "attr", nil, "an attribute, name=value; may be repeated, also for several values of one name")
	fl.StringVar(&f.tenant, "tenant", "", "the tenant")
	fl.BoolVar(&f.admin, "admin", false, "the role admin")
	fl.BoolVar(&f.disabled, "disabled", false, "the user cannot log in")
}

// apply changes what flags were given for.
func (f *userFlags) apply(cmd *cobra.Command, u *auth.StoredUser) error {
	fl := cmd.Flags()
	if fl.Changed("role") {
		u.Roles = nonEmpty(f.roles)
	}
	if fl.Changed("attr") {
		var err error
		if u.Attrs, err = attributes(f.attrs); err != nil {
			return err
		}
	}
	if fl.Changed("tenant") {
		u.Tenant = f.tenant
	}
	if fl.Changed("admin") {
		u.Admin = f.admin
	}
	if fl.Changed("disabled") {
		u.Disabled = f.disabled
	}
	return nil
}

func nonEmpty(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}

// attributes reads name=value pairs; an empty one stands for none at all.
func attributes(list []string) (map[string][]string, error) {
	out := map[string][]string{}
	for _, a := range nonEmpty(list) {
		name, v, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("--attr %q: name=value is expected", a)}
		}
		out[name] = append(out[name], v)
	}
	return out, nil
}

func (e *env) authUser(f *authFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Users in the database",
		RunE:  func(*cobra.Command, []string) error { return e.usageText("cds auth user list/add/set/passwd/remove") },
	}
	cmd.AddCommand(e.userList(f), e.userAdd(f), e.userSet(f), e.userPasswd(f), e.userRemove(f))
	for _, c := range cmd.Commands() {
		f.databaseFlag(c)
	}
	return cmd
}

// with opens the database for a command.
func (e *env) with(f *authFlags, run func(ctx context.Context, d *authDB) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		d, err := e.openUsers(cmd.Context(), f)
		if err != nil {
			return err
		}
		defer d.close()
		return run(cmd.Context(), d)
	}
}

func (e *env) userList(f *authFlags) *cobra.Command {
	var long, asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users, never their passwords",
		Args:  e.between(0, 0, "cds auth user list"),
		RunE: e.with(f, func(ctx context.Context, d *authDB) error {
			all, err := allUsers(ctx, d)
			if err != nil {
				return authError(err)
			}
			switch {
			case asJSON:
				return e.usersJSON(all)
			case long:
				fmt.Fprintln(e.out, "id | username | is_admin | roles | attributes | tenant | state")
			default:
				fmt.Fprintln(e.out, "id | username | is_admin ")
			}
			for _, u := range all {
				line := fmt.Sprintf("%s | %s | %t", u.ID, u.Name, u.Admin)
				if long {
					state := "active"
					if u.Disabled {
						state = "disabled"
					}
					line += fmt.Sprintf(" | %s | %s | %s | %s", strings.Join(u.Roles, ", "), attributeText(u.Attrs), u.Tenant, state)
				}
				fmt.Fprintln(e.out, line)
			}
			return nil
		}),
	}
	cmd.Flags().BoolVarP(&long, "long", "l", false, "with roles, attributes, tenant and state")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

// allUsers reads all users, in the order in which they were made.
func allUsers(ctx context.Context, d *authDB) ([]*auth.StoredUser, error) {
	const page = 500
	var all []*auth.StoredUser
	for after := ""; ; {
		list, err := d.Users(ctx, after, page)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
		if len(list) < page {
			break
		}
		after = list[len(list)-1].Name
	}
	slices.SortFunc(all, func(a, b *auth.StoredUser) int {
		x, _ := strconv.ParseInt(a.ID, 10, 64)
		y, _ := strconv.ParseInt(b.ID, 10, 64)
		return int(min(max(x-y, -1), 1))
	})
	return all, nil
}

func (e *env) usersJSON(all []*auth.StoredUser) error {
	type user struct {
		ID       string              `json:"id"`
		Name     string              `json:"username"`
		Admin    bool                `json:"is_admin"`
		Roles    []string            `json:"roles,omitempty"`
		Attrs    map[string][]string `json:"attrs,omitempty"`
		Tenant   string              `json:"tenant,omitempty"`
		Disabled bool                `json:"disabled,omitempty"`
	}
	list := make([]user, len(all))
	for i, u := range all {
		list[i] = user{u.ID, u.Name, u.Admin, u.Roles, u.Attrs, u.Tenant, u.Disabled}
	}
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintln(e.out, string(b))
	return nil
}

func attributeText(attrs map[string][]string) string {
	var out []string
	for name, values := range attrs {
		for _, v := range values {
			out = append(out, name+"="+v)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (e *env) userAdd(f *authFlags) *cobra.Command {
	const usage = "cds auth user add <username> <password> <is_admin>"
	var u userFlags
	cmd := &cobra.Command{
		Use:   "add <username> [password] [is_admin]",
		Short: "Add a user",
		Long: `Add a user to the database. The password is asked for, or read from standard input, if it is left out or a hyphen; as an argument other users of this
machine see it.`,
		Example: "  cds auth user add alice --role Editor --attr country=DE --tenant t1\n  cds auth user add bob - true < password.txt",
		Args:    e.between(1, 3, usage),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := &auth.StoredUser{Name: args[0]}
			if len(args) == 3 {
				admin, err := strconv.ParseBool(args[2])
				if err != nil {
					return e.usageText(usage)
				}
				in.Admin = admin
			}
			if err := u.apply(cmd, in); err != nil {
				return err
			}
			return e.with(f, func(ctx context.Context, d *authDB) error { return e.addUser(ctx, d, in, args) })(cmd, args)
		},
	}
	u.add(cmd)
	return cmd
}

func (e *env) addUser(ctx context.Context, d *authDB, in *auth.StoredUser, args []string) error {
	pw, err := e.password(ctx, args, 1)
	if err != nil {
		return err
	}
	if in.Hash, err = local.HashPassword(ctx, d.sec, in.Name, pw); err != nil {
		return passwordError(err)
	}
	switch _, err := d.AddUser(ctx, in); {
	case errors.Is(err, auth.ErrExists):
		return &serve.StartError{Code: "auth-user-exists", Message: fmt.Sprintf("there is a user %q already", in.Name), Hint: "cds auth user set and cds auth user passwd change it"}
	case err != nil:
		return authError(err)
	}
	fmt.Fprintln(e.out, "use is added into database")
	return nil
}

func unknownUser(err error, name string) error {
	if errors.Is(err, auth.ErrNotFound) {
		return &serve.StartError{Code: "auth-user-unknown", Message: fmt.Sprintf("there is no user %q", name), Hint: "cds auth user list shows those that are there"}
	}
	return authError(err)
}

func (e *env) userSet(f *authFlags) *cobra.Command {
	var u userFlags
	cmd := &cobra.Command{
		Use:   "set <username>",
		Short: "Change roles, attributes, tenant or state of a user",
		Long: `Change what is given by flags; --role and --attr replace all roles and all attributes, an empty value takes all away. All logins
of the user are ended, so that the change counts for services that read the rights in the token, too.`,
		Example: "  cds auth user set alice --role Editor --role Reviewer\n  cds auth user set alice --disabled\n  cds auth user set alice --disabled=false --attr ''",
		Args:    e.between(1, 1, "cds auth user set <username> [--role …] [--attr name=value] [--tenant …] [--admin] [--disabled]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(f, func(ctx context.Context, d *authDB) error {
				in, err := d.UserByName(ctx, args[0])
				if err != nil {
					return unknownUser(err, args[0])
				}
				if err := u.apply(cmd, in); err != nil {
					return err
				}
				if err := d.SetUser(ctx, in); err != nil {
					return authError(err)
				}
				if err := local.EndLogins(ctx, d, d, in, time.Now()); err != nil {
					return authError(err)
				}
				fmt.Fprintln(e.out, "user is changed, all logins are ended")
				return nil
			})(cmd, args)
		},
	}
	u.add(cmd)
	return cmd
}

func (e *env) userPasswd(f *authFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "passwd <username> [password]",
		Short: "Change the password of a user, and end all logins",
		Args:  e.between(1, 2, "cds auth user passwd <username> [password]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(f, func(ctx context.Context, d *authDB) error {
				if _, err := d.UserByName(ctx, args[0]); err != nil {
					return unknownUser(err, args[0])
				}
				pw, err := e.password(ctx, args, 1)
				if err != nil {
					return err
				}
				if err := local.SetPassword(ctx, d.sec, d, d, args[0], pw, time.Now()); err != nil {
					return passwordError(err)
				}
				fmt.Fprintln(e.out, "password is changed, all logins are ended")
				return nil
			})(cmd, args)
		},
	}
}

func (e *env) userRemove(f *authFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "remove <username>",
		Aliases: []string{"delete", "rm"},
		Short:   "Remove a user, and end all logins",
		Args:    e.between(1, 1, "cds auth user remove <username>"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(f, func(ctx context.Context, d *authDB) error {
				if err := local.Remove(ctx, d, d, args[0]); err != nil {
					return unknownUser(err, args[0])
				}
				fmt.Fprintln(e.out, "user is removed")
				return nil
			})(cmd, args)
		},
	}
}
