package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"cds/runtime/audit"
	"cds/runtime/auth"
	"cds/runtime/config"

	cds "cds/runtime"
)

// setupAudit gives the application its audit log, where the configuration or the model asks for one.
func (s *Server) setupAudit(ctx context.Context) error {
	personal, history := audit.HasPersonalData(s.CDS.Model), audit.HasHistory(s.CDS.Model)
	opt, err := audit.FromConfig(s.Config.Sub("audit"), personal, audit.Place{Dir: s.opt.Dir, Out: s.auditOut(), Production: s.Config.Is(config.Production)})
	if err != nil {
		return err
	}
	if shown := audit.Shown(s.CDS.Model); len(shown) > 0 && (s.pool == nil || !opt.Enabled) {
		return errAuditOff(shown[0].Name)
	}
	if s.pool == nil || !opt.Enabled && !history {
		return nil
	}
	o := s.CDS.Options
	opt.Now, opt.NewID, opt.Log = o.Now, o.NewUUID, s.CDS.Logger("audit")
	opt.Position = s.CDS.Policy.Position
	opt.Correlation = func(ctx context.Context) string {
		id, _ := ctx.Value(correlationKey{}).(string)
		return id
	}
	log, err := audit.Open(ctx, s.CDS.Model, s.pool, opt)
	if err == nil {
		err = log.ServeRecords(ctx, s.CDS)
	}
	if err != nil {
		var t *audit.TableError
		switch {
		case errors.As(err, &t):
			s.Log.Error("database", "err", t.Cause)
			return &StartError{"audit-tables", "the tables of the audit log cannot be made", "the user of requires.db.credentials needs the right to create tables, or somebody who has it runs cds deploy"}
		case errors.Is(err, audit.ErrOff):
			return errAuditOff(audit.Shown(s.CDS.Model)[0].Name)
		}
		return &StartError{"audit-config", "the audit log cannot be kept: " + err.Error(), "see audit in the configuration"}
	}
	s.audit = log
	log.Start()
	s.CDS.Audit(log)
	log.ServeChanges(s.CDS)
	return nil
}

// errAuditOff is the error for a model that shows an audit log which is not there.
func errAuditOff(entity string) error {
	return &StartError{"audit-off", entity + " shows the audit log (@audit.log), which is not kept in the database", "configure requires.db, and leave audit.enabled and the sink table on"}
}

// auditOut is where the sink stdout writes.
func (s *Server) auditOut() io.Writer {
	if s.opt.Out != nil {
		return s.opt.Out
	}
	return os.Stdout
}

// auditRefused notes credentials that were not accepted. What was presented is not kept, nor parts of it.
func (s *Server) auditRefused(ctx context.Context, req *http.Request, id string, status int, err error) {
	if s.audit == nil {
		return
	}
	ctx = context.WithValue(ctx, correlationKey{}, id)
	s.audit.Offer(ctx, cds.AuditEvent{Kind: cds.AuditLogin, Time: s.CDS.Options.Now(), User: auth.Anonymous, Status: status, Client: s.client(req), Reason: strings.TrimSpace(cause(err))})
}

// closeAudit writes what waits.
func (s *Server) closeAudit() {
	if s.audit == nil {
		return
	}
	if err := s.audit.Close(); err != nil {
		s.Log.Warn("the audit log has not ended well", "err", err)
	}
}
