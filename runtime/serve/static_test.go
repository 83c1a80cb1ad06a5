package serve_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"cds/runtime/serve"
)

// TestStatic: files of user interfaces are served, sources and settings beside them are not.
func TestStatic(t *testing.T) {
	files := fstest.MapFS{
		".cdsrc.json": {Data: []byte(`{}`)}, "package.json": {Data: []byte(`{}`)}, "secret.json": {Data: []byte("SECRET")}, "db/schema.json": {Data: []byte("SECRET")},
	}
	for _, name := range []string{"index.html", "shop/webapp/index.html", "shop/webapp/manifest.json", "shop/webapp/i18n/i18n_de.properties", "shop/webapp/Component.js"} {
		files["app/"+name] = &fstest.MapFile{Data: []byte("ok " + name)}
	}
	for _, name := range []string{"fiori.cds", "shop/annotations.cds", ".env", ".git/config.txt", "shop/package.json", "cased/Package.JSON", "cased/Node_Modules/x.js", "node_modules/x/index.js", "default-env.json", "xs-app.json", "x.go", "data.csv", "key.pem", "db.sqlite", "noext"} {
		files["app/"+name] = &fstest.MapFile{Data: []byte("SECRET")}
	}
	h := build(t, serve.Options{FS: files}).Handler()
	for path, want := range map[string]string{
		"/": "ok index.html", "/index.html": "ok index.html", "/shop/webapp/": "ok shop/webapp/index.html", "/shop/webapp/index.html": "ok shop/webapp/index.html",
		"/shop/webapp/manifest.json": "ok shop/webapp/manifest.json", "/shop/webapp/i18n/i18n_de.properties": "ok shop", "/shop/webapp/Component.js": "ok shop",
	} {
		r := get(t, h, path, "")
		if b := body(t, r); r.StatusCode != 200 || !strings.HasPrefix(b, want) || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %s", path, r.StatusCode, b)
		}
	}
	for _, path := range []string{"/fiori.cds", "/shop/annotations.cds", "/.env", "/.git/config.txt", "/shop/package.json", "/cased/Package.JSON", "/cased/Node_Modules/x.js", "/node_modules/x/index.js", "/default-env.json", "/xs-app.json", "/x.go", "/data.csv", "/key.pem", "/db.sqlite",
		"/noext", "/shop", "/shop/webapp", "/shop/", "/../secret.json", "/%2e%2e/secret.json", "/..%2fsecret.json", "/shop/..%2f..%2fsecret.json", "/..%5csecret.json", "//secret.json", "/app/index.html", "/shop//webapp/Component.js", "/index.html/", "/index.html%00.js"} {
		r := get(t, h, path, "")
		if b := body(t, r); r.StatusCode != 404 || strings.Contains(b, "SECRET") {
			t.Errorf("%s: %d %s", path, r.StatusCode, b)
		}
	}
	if w := answer(h, "POST", "/index.html"); w.Code == 200 {
		t.Errorf("POST: %d", w.Code)
	}
	files[".cdsrc.json"] = &fstest.MapFile{Data: []byte(`{"server":{"static":false}}`)}
	if b := body(t, get(t, build(t, serve.Options{FS: files}).Handler(), "/index.html", "")); strings.HasPrefix(b, "ok") {
		t.Error("switched off, and served")
	}
}
