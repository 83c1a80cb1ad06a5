package token

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// CheckURL says why keys must not be fetched from a URL: it has to be absolute, with https and without a user, a query is fine, a fragment is not. With
// loopback, http is fine for 127.0.0.0/8, ::1 and localhost.
func CheckURL(raw string, loopback bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("%.100q is no absolute URL", raw)
	case u.User != nil:
		return fmt.Errorf("a URL with a user name or password in it")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return fmt.Errorf("%.100q has a fragment", raw)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return fmt.Errorf("%.100q: http is accepted for loopback addresses only with insecureLoopback: true", raw)
	}
	return fmt.Errorf("%.100q: https is expected", raw)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fetch gets a small document. ttl is how long its server says that it counts, 0 if it doesn't.
func fetch(ctx context.Context, client *http.Client, raw string, header http.Header, limit int64, loopback bool, now time.Time) (body []byte, ttl time.Duration, err error) {
	if err := CheckURL(raw, loopback); err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, raw, nil)
	if err != nil {
		return nil, 0, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("%s answered %d", req.URL.Host, res.StatusCode)
	}
	if body, err = io.ReadAll(io.LimitReader(res.Body, limit+1)); err != nil {
		return nil, 0, err
	}
	if int64(len(body)) > limit {
		return nil, 0, fmt.Errorf("%s answered with more than %d bytes", req.URL.Host, limit)
	}
	return body, lifetime(res.Header, now), nil
}

// lifetime reads how long an answer counts: max-age or s-maxage (less what it aged in caches), else Expires. no-cache and no-store count as
// nothing said, so that the configured time is used.
func lifetime(h http.Header, now time.Time) time.Duration {
	for _, part := range strings.Split(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(strings.ToLower(part)), "=")
		switch name {
		case "no-cache", "no-store":
			return 0
		case "max-age", "s-maxage":
			n, err := strconv.Atoi(strings.Trim(v, `"`))
			if err != nil || n < 0 {
				return 0
			}
			age, _ := strconv.Atoi(h.Get("Age"))
			return max(time.Duration(min(n-max(age, 0), 1<<20))*time.Second, time.Second)
		}
	}
	if t, err := http.ParseTime(h.Get("Expires")); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

func readFile(files fs.FS, name string, limit int64) ([]byte, error) {
	f, err := open(files, name)
	if err != nil {
		return nil, fmt.Errorf("%s can't be read", name)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s can't be read", name)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return b, nil
}
