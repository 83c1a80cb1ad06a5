package generic

import (
	"context"
	"net/http"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// installTemporal has requests to a service with temporal entities see them at the time that they name.
func (h *handlers) installTemporal(s *cds.Service) {
	for _, e := range s.Model.Entities {
		if h.app.Temporal(e) {
			s.GenericBefore(cds.Match{Name: "temporal"}, h.timeTravel)
			return
		}
	}
}

// The ends of all time.
const (
	beginning = "0001-01-01T00:00:00.000Z"
	end       = "9999-12-31T23:59:59.999Z"
)

// timeTravel takes the time from sap-valid-at, or from sap-valid-from and sap-valid-to: query options, else headers. Without them it is now.
func (h *handlers) timeTravel(ctx context.Context, r *cds.RawRequest) error {
	if r.HTTP == nil {
		return nil
	}
	at, err := moment(r.HTTP, "sap-valid-at")
	if err != nil {
		return err
	}
	from, err := moment(r.HTTP, "sap-valid-from")
	if err != nil {
		return err
	}
	to, err := moment(r.HTTP, "sap-valid-to")
	if err != nil {
		return err
	}
	switch {
	case at != "":
		from, to = at, at
	case from == "" && to == "":
		return nil
	case from == "":
		from = beginning
	case to == "":
		to = end
	}
	return r.At(ctx, from, to)
}

var timestamp = &csn.Element{Type: &csn.Builtin{Name: "cds.Timestamp", Kind: csn.Timestamp}}

// moment reads a point in time: a date or a timestamp.
func moment(r *http.Request, name string) (string, error) {
	text := ""
	if r.URL != nil && r.URL.RawQuery != "" {
		text = r.URL.Query().Get(name)
	}
	if text == "" {
		text = r.Header.Get(name)
	}
	if text == "" {
		return "", nil
	}
	v, err := cds.Convert(timestamp, cqn.String(text), name)
	if err != nil {
		return "", err
	}
	return v.Str(), nil
}
