package e2e

import (
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge/edgetest"
)

// TestSpeaksHTTP2AsWellAsGosOwnServer runs h2spec against the HTTPS listener and
// against a plain server of Go's library side by side: what that one passes, ours
// must pass.
func TestSpeaksHTTP2AsWellAsGosOwnServer(t *testing.T) {
	t.Parallel()
	program := h2spec(t)
	dir, ca := t.TempDir(), edgetest.NewAuthority(t)
	pair := ca.Files(t, dir, "127.0.0.1", "console.localhost")
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			fmt.Fprintf(w, "%d bytes came", len(body))
		}
	})

	cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reference := &http.Server{
		Handler: answer, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	}
	go func() { _ = reference.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = reference.Close() })
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := &http.Server{Handler: answer, ReadHeaderTimeout: time.Minute}
	go func() { _ = service.Serve(back) }()
	t.Cleanup(func() { _ = service.Close() })

	secure := freePort(t)
	file := filepath.Join(dir, "tollhouse.yml")
	config := fmt.Sprintf("listen: { http: \"127.0.0.1:%d\", https: \"127.0.0.1:%d\", admin: \"127.0.0.1:0\" }\ndata: %q\nconsole: { host: console.localhost }\ncertificates: [ { cert: %q, key: %q } ]\nservices: { api: { path: /, access: public, upstreams: [\"http://%s\"] } }\n",
		freePort(t), secure, filepath.Join(dir, "data"), pair.Cert, pair.Key, back.Addr())
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "serves at", "serve", "--config", file)

	theirs := runH2spec(t, program, listener.Addr().(*net.TCPAddr).Port)
	ours := runH2spec(t, program, secure)
	if len(ours) < 100 || len(ours) != len(theirs) {
		t.Fatalf("%d cases here and %d there", len(ours), len(theirs))
	}
	for i, c := range ours {
		t.Logf("%-7s %-7s %s %s", c.verdict, theirs[i].verdict, c.Section, c.Name)
		if c.Name != theirs[i].Name {
			t.Fatalf("the cases are not in the same order: %q and %q", c.Name, theirs[i].Name)
		}
		if c.verdict == "fails" {
			t.Logf("        here:  %s", c.said)
		}
		if theirs[i].verdict == "fails" {
			t.Logf("        there: %s", theirs[i].said)
		}
		if c.verdict == "fails" && theirs[i].verdict == "passes" {
			t.Errorf("%s %s: Go's own server passes this", c.Section, c.Name)
		}
	}
	t.Logf("here: %s; Go's own server: %s", count(ours), count(theirs))
	if response, _ := get(t, caller(t, ca.Roots()), fmt.Sprintf("https://127.0.0.1:%d/", secure)); response.StatusCode != 200 {
		t.Errorf("after all of it: %s", response.Status)
	}
	if strings.Contains(p.stderr.String(), "panic") {
		t.Error("something panicked")
	}
}

// h2spec finds the program: where H2SPEC says, or on the path.
func h2spec(t *testing.T) string {
	t.Helper()
	program := os.Getenv("H2SPEC")
	if program == "" {
		program = "h2spec"
	}
	program, err := exec.LookPath(program)
	if err != nil {
		const how = "h2spec is not installed: go install github.com/summerwind/h2spec/cmd/h2spec@latest"
		if os.Getenv("CI") == "true" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	return program
}

// verdict is one case of h2spec and what became of it.
type verdict struct {
	Section string
	Name    string
	verdict string // passes, fails or skipped
	said    string // what was wanted and what came
}

// runH2spec runs all of its cases, the strict ones too.
func runH2spec(t *testing.T, program string, port int) (all []verdict) {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report.xml")
	out, err := exec.Command(program, "--tls", "--insecure", "--strict", "--timeout", "5", "--host", "127.0.0.1",
		"--port", strconv.Itoa(port), "--path", "/x", "--junit-report", report).CombinedOutput()
	content, missing := os.ReadFile(report)
	if missing != nil { // the exit status tells of failed cases too
		t.Fatalf("h2spec: %v: %s", err, out)
	}
	var suites struct {
		Suites []struct {
			Package string `xml:"package,attr"`
			Cases   []struct {
				Package string    `xml:"package,attr"`
				Name    string    `xml:"classname,attr"`
				Failure *string   `xml:"failure"`
				Error   *string   `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(content, &suites); err != nil {
		t.Fatalf("%v: %.300s", err, content)
	}
	for _, s := range suites.Suites {
		for _, c := range s.Cases {
			v := verdict{Section: c.Package, Name: c.Name, verdict: "passes"}
			switch {
			case c.Failure != nil:
				v.verdict, v.said = "fails", strings.Join(strings.Fields(*c.Failure), " ")
			case c.Error != nil:
				v.verdict, v.said = "fails", strings.Join(strings.Fields(*c.Error), " ")
			case c.Skipped != nil:
				v.verdict = "skipped"
			}
			all = append(all, v)
		}
	}
	return all
}

func count(all []verdict) string {
	n := map[string]int{}
	for _, v := range all {
		n[v.verdict]++
	}
	return fmt.Sprintf("%d of %d pass, %d fail, %d skipped", n["passes"], len(all), n["fails"], n["skipped"])
}
