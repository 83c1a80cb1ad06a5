package audit

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cds/runtime/config"
)

// Place is where outside things are for FromConfig.
type Place struct {
	Dir        string // that relative file names are in; "" for the working directory
	Out        io.Writer
	Production bool
}

var known = []string{"enabled", "file", "interval", "onFailure", "outbox", "queue", "sinks", "timeout", "values", "webhook"}

// FromConfig reads the section audit of the configuration:
//
//	enabled    whether there is an audit log; by default if the model has personal data, which is the parameter personal
//	sinks      list of table, file, stdout, webhook: where records go. Default: table. Without table they are removed from it once all others have them
//	file       name of the file; default audit.log
//	webhook    {url, token}: https, or http to this machine outside production
//	onFailure  fail (default): requests that cannot be accounted for fail; log: they go on, with an error in the log
//	values     what is kept of old and new values: personal (default; sensitive ones are ***), all, none
//	queue      most refusals and reads that wait to be written (1000)
//	outbox     most records that wait for one sink (100000)
//	interval   seconds between looks for records to be delivered (1)
//	timeout    seconds that a delivery may take, and waiting for the queue (10)
//
// Errors are *config.Error: nothing that is not understood is passed over.
func FromConfig(sec config.Section, personal bool, at Place) (Options, error) {
	o := Options{Enabled: sec.Bool("enabled", personal)}
	for _, k := range sec.Keys() {
		if !slices.Contains(known, k) {
			return o, bad(k, "is not known", "known keys: "+strings.Join(known, ", "))
		}
	}
	switch v := sec.Str("onFailure"); v {
	case "", "fail":
	case "log":
		o.FailOpen = true
	default:
		return o, bad("onFailure", fmt.Sprintf("%q is not understood", v), "write fail or log")
	}
	switch v := sec.Str("values"); v {
	case "", "personal":
		o.ShowPersonal = true
	case "all":
		o.ShowPersonal, o.ShowSensitive = true, true
	case "none":
	default:
		return o, bad("values", fmt.Sprintf("%q is not understood", v), "write personal, all or none")
	}
	for _, n := range []struct {
		key string
		def int
		to  func(int)
	}{
		{"queue", 1000, func(n int) { o.Queue = n }},
		{"outbox", 100_000, func(n int) { o.Outbox = n }},
		{"interval", 1, func(n int) { o.Interval = time.Duration(n) * time.Second }},
		{"timeout", 10, func(n int) { o.Timeout = time.Duration(n) * time.Second }},
	} {
		v := sec.Int(n.key, n.def)
		if _, ok := sec.Get(n.key); ok && sec.Int(n.key, -1) != v || v < 1 || v > 10_000_000 {
			return o, bad(n.key, "is no whole number from 1 on", "the default is "+fmt.Sprint(n.def))
		}
		n.to(v)
	}
	return o, o.sinks(sec, at)
}

func bad(key, message, hint string) error {
	return &config.Error{Code: "config-bad-value", Place: "audit." + key, Message: message, Hint: hint}
}

// sinks makes the sinks.
func (o *Options) sinks(sec config.Section, at Place) error {
	names := []string{"table"}
	if _, ok := sec.Get("sinks"); ok {
		if names = sec.Strings("sinks"); len(names) == 0 {
			return bad("sinks", "is no list of sinks", "such as [\"table\", \"file\"]")
		}
	}
	if !o.Enabled {
		return nil
	}
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			return bad("sinks", fmt.Sprintf("%q is there twice", n), "")
		}
		seen[n] = true
		switch n {
		case "table":
			o.Table = true
		case "file":
			path := sec.Str("file")
			if path == "" {
				path = "audit.log"
			}
			if !filepath.IsAbs(path) && at.Dir != "" {
				path = filepath.Join(at.Dir, path)
			}
			o.Sinks = append(o.Sinks, File(path))
		case "stdout":
			o.Sinks = append(o.Sinks, Stream(at.Out))
		case "webhook":
			if err := checkURL(sec.Str("webhook.url"), at.Production); err != nil {
				return err
			}
			o.Sinks = append(o.Sinks, Webhook(sec.Str("webhook.url"), sec.Str("webhook.token"), &http.Client{Timeout: o.Timeout}))
		default:
			return bad("sinks", fmt.Sprintf("%q is not known", n), "known sinks: table, file, stdout, webhook")
		}
	}
	return nil
}

// checkURL wants records to travel encrypted, unless they stay on this machine while the application is developed.
func checkURL(text string, production bool) error {
	u, err := url.Parse(text)
	switch {
	case text == "" || err != nil || u.Host == "":
		return bad("webhook.url", "is no address", "such as https://audit.example/records")
	case u.Scheme == "https":
		return nil
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && !production && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return bad("webhook.url", "is not encrypted", "use https")
}
