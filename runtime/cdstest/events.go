package cdstest

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	cds "cds/runtime"
)

// captured are the events that an app has emitted.
type captured struct {
	mu   sync.Mutex
	list []*cds.EventMessage
}

func (c *captured) register(app *cds.App) error {
	app.Subscribe("*", "cdstest.events", func(_ context.Context, m *cds.EventMessage) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.list = append(c.list, m)
		return nil
	})
	return nil
}

func (c *captured) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = nil
}

// Events returns the events of a name ("CatalogService.Ordered") that went out so far, all for "". Those of requests that failed are not among
// them.
func (a *App) Events(name string) []*cds.EventMessage {
	a.events.mu.Lock()
	defer a.events.mu.Unlock()
	var out []*cds.EventMessage
	for _, m := range a.events.list {
		if name == "" || m.Name == name {
			out = append(out, m)
		}
	}
	return out
}

// A LogRecord is one record of the log.
type LogRecord map[string]any

// Logged returns the records of the log whose message contains a text, oldest first. Record["msg"] is the message, Record["level"] the level.
func (a *App) Logged(text string) []LogRecord {
	var out []LogRecord
	for _, line := range strings.Split(a.records.String(), "\n") {
		r := LogRecord{}
		if json.Unmarshal([]byte(line), &r) == nil {
			if msg, _ := r["msg"].(string); strings.Contains(msg, text) {
				out = append(out, r)
			}
		}
	}
	return out
}

// ClearLog forgets what has been logged so far.
func (a *App) ClearLog() {
	a.log.clear()
	a.records.clear()
}
