package serve

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	cds "cds/runtime"
	"cds/runtime/config"
)

// draftOptions reads the section fiori: draft_lock_timeout ('15min'), draft_deletion_timeout ('30d', false for never) and bypass_draft.
func draftOptions(c config.Section) (cds.DraftOptions, error) {
	var o cds.DraftOptions
	var err error
	if o.Lock, err = timeout(c, "fiori.draft_lock_timeout"); err != nil {
		return o, err
	}
	if o.Lock < 0 { // a lock that ends at once
		o.Lock = time.Nanosecond
	}
	if o.Expiry, err = timeout(c, "fiori.draft_deletion_timeout"); err != nil {
		return o, err
	}
	o.Bypass = c.Bool("fiori.bypass_draft", false)
	return o, nil
}

// timeout reads a period: a number of milliseconds, or a text with a unit: ms, s, min, h, d. false is less than 0; what is not there is 0.
func timeout(c config.Section, path string) (time.Duration, error) {
	v, ok := c.Get(path)
	if !ok || v == nil || v == true {
		return 0, nil
	}
	if v == false || v == "false" {
		return -1, nil
	}
	text := strings.TrimSpace(fmt.Sprint(v))
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz ")
	unit, known := map[string]time.Duration{"": time.Millisecond, "ms": time.Millisecond, "s": time.Second, "sec": time.Second, "m": time.Minute,
		"min": time.Minute, "mins": time.Minute, "h": time.Hour, "hrs": time.Hour, "d": 24 * time.Hour, "days": 24 * time.Hour}[strings.TrimSpace(text[len(number):])]
	n, err := strconv.ParseFloat(number, 64)
	d := n * float64(unit)
	if err != nil || !known || n < 0 || d > float64(100*365*24*time.Hour) {
		return 0, &StartError{"config-timeout", fmt.Sprintf("%s: %q is no period", path, text), "write a number of milliseconds, or one with a unit: '15min', '72h', '30d'"}
	}
	if d < 1 {
		return -1, nil
	}
	return time.Duration(d), nil
}
