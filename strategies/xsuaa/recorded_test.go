//go:build unix

package xsuaa_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cds/strategies/internal/saptest"
)

// recordedUsers are the users of the recorded cases as XSUAA would know them. The others have no tenant, or are technical users under names of their own.
var recordedUsers = map[string]claims{
	"alice":       {"zid": "t1", "scope": []string{"shop!t1.admin"}, "xs.user.attributes": claims{"country": []string{"DE"}}},
	"bob":         {"zid": "t1", "scope": []string{"shop!t1.Viewer"}, "xs.user.attributes": claims{"country": []string{"DE"}, "limit": []string{"100"}}},
	"carol":       {"zid": "t1", "scope": []string{"shop!t1.Editor"}, "xs.user.attributes": claims{"country": []string{"DE", "FR"}, "limit": []string{"500"}}},
	"dave":        {"zid": "t2", "scope": []string{}},
	"erin":        {"zid": "t2", "scope": []string{"shop!t1.Viewer", "shop!t1.Editor"}, "xs.user.attributes": claims{"country": []string{}}},
	"frank":       {"zid": "t2", "scope": []string{"shop!t1.Viewer"}, "xs.user.attributes": claims{"country": []string{"FR"}, "limit": []string{"500"}}},
	"gina:secret": {"zid": "t1", "scope": []string{"shop!t1.Viewer"}, "xs.user.attributes": claims{"country": []string{"$UNRESTRICTED"}}},
}

// TestRecorded replays the recorded cases about restrictions twice, against a server with mocked users and one with tokens for the same users: every answer is the same.
func TestRecorded(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(root, "..", "shared", "conformance")
	if _, err := os.Stat(filepath.Join(shared, "diff.py")); err != nil {
		t.Skip("there are no recordings")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	dir := t.TempDir()
	l := saptest.New(t)
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), l.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "recorded")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./samples/recorded")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	credentials, err := json.Marshal(section(l)["credentials"])
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{}
	for user, c := range recordedUsers {
		name, _, _ := strings.Cut(user, ":")
		zid, _ := c["zid"].(string)
		tokens[user] = l.Key(t, zid).Sign(t, saptest.XSUAA(zid, mergeClaims(claims{"user_name": name}, c)), time.Now())
	}
	files, total := recordedCases(t, shared, dir)
	for _, file := range files {
		serve := func(env ...string) *url.URL {
			port := freePort(t)
			cmd := exec.Command(bin, filepath.Join(shared, "models", "authlab"), fmt.Sprint(port))
			var out lockedBuffer
			cmd.Stdout, cmd.Stderr = &out, &out
			cmd.Env = append(os.Environ(), env...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
			u := &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
			awaitHealth(t, u, &out)
			return u
		}
		mocked := serve("CDS_TEST_DB=")
		replay(t, shared, "record", file, mocked.String())
		xsuaa := serve("CDS_TEST_DB=", "SSL_CERT_FILE="+filepath.Join(dir, "ca.pem"), "cds_requires_auth_kind=xsuaa", "cds_requires_auth_credentials="+string(credentials))
		proxy := httptest.NewServer(withTokens(xsuaa, tokens))
		t.Cleanup(proxy.Close)
		for _, line := range bytes.Split(replay(t, shared, "check", file, proxy.URL), []byte("\n")) {
			var got struct {
				Name         string
				Status, Soft bool
			}
			if json.Unmarshal(line, &got) == nil && (!got.Soft || !got.Status) {
				t.Errorf("%s is answered otherwise", got.Name)
			}
		}
	}
	t.Logf("%d cases", total)
	if total < 300 {
		t.Errorf("only %d cases were replayed", total)
	}
}

func mergeClaims(a, b claims) claims {
	for k, v := range b {
		a[k] = v
	}
	return a
}

// recordedCases copies the cases whose users XSUAA knows.
func recordedCases(t *testing.T, shared, dir string) (files []string, total int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(shared, "cases", "authlab-*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(name, ".expect.") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		sc := bufio.NewScanner(bytes.NewReader(text))
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			var c struct {
				User    *string
				Restart bool
				Headers map[string]any
				Then    []struct{ User *string }
			}
			if err := json.Unmarshal(sc.Bytes(), &c); err != nil {
				t.Fatal(err)
			}
			known := func(u *string) bool { return u == nil || recordedUsers[*u] != nil }
			own := slices.ContainsFunc(slices.Collect(maps.Keys(c.Headers)), func(h string) bool { return strings.EqualFold(h, "Authorization") }) // about Basic
			if own || c.Restart || !known(c.User) || slices.ContainsFunc(c.Then, func(r struct{ User *string }) bool { return !known(r.User) }) {
				continue
			}
			total++
			out.Write(append(sc.Bytes(), '\n'))
		}
		file := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files, total
}

func awaitHealth(t *testing.T, base *url.URL, out *lockedBuffer) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if res, err := http.Get(base.String() + "/health"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("the server does not answer\n%s", out)
}

func replay(t *testing.T, shared, mode, file, base string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "python3", filepath.Join(shared, "diff.py"), mode, "--json", "--base", base, file).Output()
	var failed *exec.ExitError // check fails where a case does
	if err != nil && (mode != "check" || !errors.As(err, &failed)) {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// withTokens sends requests on with a token in place of a name.
func withTokens(to *url.URL, tokens map[string]string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			name, password, ok := r.In.BasicAuth()
			if !ok {
				return
			}
			if password != "" {
				name += ":" + password
			}
			r.Out.Header.Set("Authorization", "Bearer "+tokens[name])
		},
	}
}
