// Command standin is a stand-in for XSUAA and Identity Authentication on the own machine, to try authentication without an account:
//
//	go run ./strategies/internal/saptest/standin /tmp/standin
//
// It fills a folder with ca.pem (the certificate that it answers with), xsuaa.json and ias.json (credentials as service keys have them), tokens (*.jwt), and cf, a stand-in for that
// command which knows the service instances shop-uaa and shop-ias. HTTPS_PROXY=http://127.0.0.1:8446 leads every host to it, as Identity Authentication's issuers need.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	"cds/strategies/internal/saptest"
)

const (
	address = "127.0.0.1:8445"
	proxy   = "127.0.0.1:8446"
	issuer  = "https://shop." + saptest.IASDomain
)

// tool stands in for a test: what fails ends the program.
type tool struct{ testing.TB }

func (tool) Helper()        {}
func (tool) Cleanup(func()) {}
func (tool) Fatal(a ...any) { fmt.Fprintln(os.Stderr, a...); os.Exit(1) }

func main() {
	if len(os.Args) != 2 {
		tool{}.Fatal("usage: standin FOLDER")
	}
	l := saptest.NewAt(tool{}, address)
	admin := map[string]any{"scope": []string{"openid", "shop!t1.admin"}, "xs.user.attributes": map[string]any{"country": []string{"DE"}}}
	l.Login(tool{}, "t1", "secret", admin)
	if err := fill(l, os.Args[1], admin); err != nil {
		tool{}.Fatal(err)
	}
	go func() {
		tool{}.Fatal((&http.Server{Addr: proxy, Handler: http.HandlerFunc(connect), ReadHeaderTimeout: 10 * time.Second}).ListenAndServe())
	}()
	fmt.Fprintf(os.Stdout, "XSUAA at %s, Identity Authentication at %s by HTTPS_PROXY=http://%s; files in %s\n", l.URL, issuer, proxy, os.Args[1])
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
}

// fill writes the files.
func fill(l *saptest.Landscape, dir string, admin map[string]any) error {
	now := time.Now()
	xsuaa := map[string]any{"clientid": "sb-shop!t1", "clientsecret": "secret", "url": l.URL, "uaadomain": l.Domain, "xsappname": "shop!t1", "identityzone": "t1", "identityzoneid": "t1",
		"zoneid": "t1", "tenantid": "t1", "tenantmode": "dedicated"}
	ias := map[string]any{"clientid": "shop-client", "clientsecret": "secret", "url": issuer, "domains": []string{saptest.IASDomain}, "app_tid": "t1"}
	ofXSUAA := func(more map[string]any) string {
		return l.Key(tool{}, "t1").Sign(tool{}, saptest.XSUAA("t1", more), now)
	}
	ofIAS := func(sub string) string {
		return l.Key(tool{}, issuer).Sign(tool{}, map[string]any{"iss": issuer, "aud": "shop-client", "sub": sub, "azp": "shop-client", "app_tid": "t1", "email": "alice@shop.example"}, now)
	}
	files := map[string]string{
		"ca.pem": string(l.CA), "xsuaa.json": text(xsuaa), "ias.json": text(ias), "cf": command(xsuaa, ias),
		"alice.jwt":      ofXSUAA(admin),
		"bob.jwt":        ofXSUAA(map[string]any{"user_name": "bob", "scope": []string{"openid"}}),
		"technical.jwt":  ofXSUAA(map[string]any{"grant_type": "client_credentials", "user_name": nil}),
		"other-app.jwt":  ofXSUAA(map[string]any{"aud": []string{"other!t1"}}),
		"expired.jwt":    ofXSUAA(map[string]any{"exp": now.Add(-time.Hour).Unix()}),
		"ias-alice.jwt":  ofIAS("alice-id"),
		"ias-client.jwt": ofIAS("shop-client"),
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			return err
		}
	}
	return nil
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		tool{}.Fatal(err)
	}
	return string(b)
}

// command is the stand-in for cf.
func command(xsuaa, ias any) string {
	const answer = "  %s) cat <<'END'\n%s\nEND\n  ;;\n"
	plan := func(offering string) string {
		return text(map[string]any{"name": "application", "included": map[string]any{"service_offerings": []any{map[string]any{"name": offering, "tags": []string{offering}}}}})
	}
	instance := func(id string) string {
		return text(map[string]any{"resources": []any{map[string]any{"guid": id, "type": "managed", "relationships": map[string]any{"service_plan": map[string]any{"data": map[string]any{"guid": id}}}}}})
	}
	s := "#!/bin/sh\nif [ \"$1\" = target ]; then printf 'API endpoint: https://api.standin.example\\norg: my-org\\nspace: dev\\n'; exit; fi\ncase \"$2\" in\n"
	s += fmt.Sprintf(answer, "*names=shop-uaa-key*", instance("xsuaa")) + fmt.Sprintf(answer, "*names=shop-ias-key*", instance("identity"))
	s += fmt.Sprintf(answer, "*/service_instances*names=shop-uaa*", instance("xsuaa")) + fmt.Sprintf(answer, "*/service_instances*names=shop-ias*", instance("identity"))
	s += fmt.Sprintf(answer, "*/service_plans/xsuaa*", plan("xsuaa")) + fmt.Sprintf(answer, "*/service_plans/identity*", plan("identity"))
	s += fmt.Sprintf(answer, "*/xsuaa/details", text(map[string]any{"credentials": xsuaa})) + fmt.Sprintf(answer, "*/identity/details", text(map[string]any{"credentials": ias}))
	s += fmt.Sprintf(answer, "*/organizations*|*/spaces*", instance("org")) + fmt.Sprintf(answer, "*", `{"resources":[]}`)
	return s + "esac\n"
}

// connect leads every connection to the landscape.
func connect(w http.ResponseWriter, r *http.Request) {
	hijacker, ok := w.(http.Hijacker)
	if r.Method != http.MethodConnect || !ok {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	to, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", address)
	if err != nil {
		http.Error(w, "no connection", http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	if _, err := io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
	_, _ = io.Copy(from, to)
}
