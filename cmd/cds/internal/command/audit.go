package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"cds/parser/csn"
	"cds/runtime/audit"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

// auditFlags are the flags of `cds audit tail`.
type auditFlags struct {
	authFlags
	user, event, since string
	follow, json       bool
	lines              int
}

func (e *env) audit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "The audit log: who was refused what, and who has read or changed personal data",
		RunE:  func(_ *cobra.Command, _ []string) error { return e.usageText("cds audit tail") },
	}
	cmd.AddCommand(e.auditTail())
	return cmd
}

func (e *env) auditTail() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the last records of the audit log",
		Long: `Show the last records of the table cds_audit in the project's database, oldest first. Whoever has the credentials of the database may do that: no door
of a service leads there.`,
		Example: "  cds audit tail --since 1h --user alice\n  cds audit tail --follow --event AccessDenied\n  cds audit tail -n 1000 --json > audit.jsonl",
		Args:    e.between(0, 0, "cds audit tail [--follow] [--user …] [--event …] [--since …] [--json]"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return e.runAuditTail(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", ".", "project folder")
	fl.StringVar(&f.profile, "profile", "", "configuration profiles, separated by commas")
	f.databaseFlag(cmd)
	fl.StringVar(&f.user, "user", "", "only records of this user")
	fl.StringVar(&f.event, "event", "", "only records of this event, such as AccessDenied")
	fl.StringVar(&f.since, "since", "", "only records since then: a period such as 90m or 24h, or a time such as 2026-11-21T18:00:00Z")
	fl.BoolVarP(&f.follow, "follow", "f", false, "go on with new records as they come")
	fl.BoolVar(&f.json, "json", false, "as lines of JSON")
	fl.IntVarP(&f.lines, "lines", "n", 20, "how many")
	return cmd
}

func (e *env) runAuditTail(ctx context.Context, f *auditFlags) error {
	q := audit.Query{User: f.user, Event: f.event, Limit: f.lines}
	if f.lines < 1 {
		return usageError{errors.New("-n: a number from 1 on is expected")}
	}
	if f.since != "" {
		if d, err := time.ParseDuration(f.since); err == nil && d > 0 {
			q.Since = time.Now().Add(-d)
		} else if q.Since, err = time.Parse(time.RFC3339, f.since); err != nil {
			return usageError{fmt.Errorf("--since %q: a period such as 90m, or a time such as 2026-11-21T18:00:00Z is expected", f.since)}
		}
	}
	pool, err := e.openAudit(f)
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	var shown []string
	for {
		records, err := audit.Read(ctx, pool, q)
		switch {
		case errors.Is(err, audit.ErrNoTable):
			return &serve.StartError{Code: "audit-none", Message: "the database has no audit log", Hint: "audit.enabled switches it on, as do @PersonalData annotations; see the guide to the audit log"}
		case err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		now := make([]string, 0, len(records))
		for i := range records {
			now = append(now, records[i].ID)
			if slices.Contains(shown, records[i].ID) {
				continue
			}
			if err := e.showRecord(&records[i], f.json); err != nil {
				return err
			}
		}
		if !f.follow {
			return nil
		}
		// A record can become visible after one with a later time: look back a little, and leave out what was shown.
		shown, q.Limit = now, 100_000
		q.Since = time.Now().Add(-time.Minute)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// openAudit opens the project's database.
func (e *env) openAudit(f *auditFlags) (db.Pool, error) {
	opt := f.options()
	cfg, err := serve.LoadConfig(opt)
	if err != nil {
		return nil, err
	}
	target, err := deployTarget(cfg, opt, f.to)
	if err != nil {
		return nil, err
	}
	if target.Kind == "sqlite" {
		if _, err := os.Stat(target.Config.URL); errors.Is(err, fs.ErrNotExist) {
			return nil, &serve.StartError{Code: "audit-none", Message: "there is no database yet: " + target.Shown, Hint: "cds deploy makes it"}
		}
	}
	pool, err := target.Open(context.Background(), databases())
	if err != nil {
		return nil, explainOpen(err)
	}
	return pool, nil
}

func (e *env) showRecord(r *audit.Record, asJSON bool) error {
	if asJSON {
		b, err := json.Marshal(r)
		if err == nil {
			_, err = fmt.Fprintln(e.out, string(b))
		}
		return err
	}
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(r.Time.UTC().Format("2006-01-02T15:04:05.000Z"))
	add(r.Event)
	add(fmt.Sprintf("%q", r.User))
	if r.Tenant != "" {
		add("tenant=" + printable(r.Tenant))
	}
	add(printable(r.Client))
	if r.Status != 0 {
		add(fmt.Sprint(r.Status))
	}
	add(printable(r.Request))
	add(printable(r.Target))
	add(r.Action)
	for i, o := range r.Objects {
		if i == 3 {
			add(fmt.Sprintf("… %d in all", len(r.Objects)))
			break
		}
		add(objectText(&o))
	}
	if r.Object != nil {
		add(objectText(r.Object))
	}
	for _, a := range r.Attributes {
		s := a.Name
		if a.Old != nil || a.New != nil {
			s += ": " + valueText(a.Old) + " → " + valueText(a.New)
		}
		add(s)
	}
	if first, _, _ := strings.Cut(r.Reason, ";"); r.Event != audit.AccessDenied || !slices.ContainsFunc(r.Grants, func(g string) bool { return strings.HasPrefix(g, first) }) {
		add(printable(r.Reason))
	}
	if len(r.Grants) > 0 {
		add("[" + printable(strings.Join(r.Grants, "; ")) + "]")
	}
	_, err := fmt.Fprintln(e.out, strings.Join(parts, "  "))
	return err
}

func objectText(o *audit.Object) string {
	var keys []string
	for k, v := range o.ID {
		keys = append(keys, k+"="+v)
	}
	slices.Sort(keys)
	s := o.Type
	if len(keys) > 0 {
		s += "(" + strings.Join(keys, ",") + ")"
	}
	return printable(s)
}

func valueText(s *string) string {
	if s == nil {
		return "null"
	}
	return fmt.Sprintf("%q", *s)
}

// printable keeps what users have written from doing things to a terminal.
func printable(s string) string {
	q := fmt.Sprintf("%q", s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// needsAuditTables reports whether a server with this model and configuration keeps an audit log or a history.
func needsAuditTables(cfg *config.Config, m *csn.Model) bool {
	return cfg.Sub("audit").Bool("enabled", audit.HasPersonalData(m)) || audit.HasHistory(m)
}
