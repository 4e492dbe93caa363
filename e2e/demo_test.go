package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const sentence = `{"text": "John Doe is a Go Developer at Google"}`

func TestDemoAnswersThePastedLineAndEndsCleanly(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p, f := demo(t, data)
	info, err := os.Stat(filepath.Join(data, "demo.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("demo.json: %v %v, want mode 0600", info.Mode(), err)
	}
	if f.APIKey == "" || f.APIKey != f.APIKeys["free"] || len(f.APIKeys) != 3 {
		t.Errorf("keys: %q of %v", f.APIKey, f.APIKeys)
	}
	for _, url := range []string{f.URL + "/", f.ConsoleURL, f.URL + "/daybook/", f.AdminURL + "/metrics", f.AdminURL + "/healthz"} {
		response, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 200 {
			t.Errorf("GET %s: %s", url, response.Status)
		}
	}
	pasted := ""
	for _, line := range strings.Split(p.stdout.String(), "\n") {
		if strings.HasPrefix(line, "curl ") {
			pasted = line
		}
	}
	var answer string
	if _, err := exec.LookPath("curl"); err == nil {
		out, err := exec.Command("sh", "-c", pasted).Output()
		if err != nil {
			t.Fatalf("%s: %v", pasted, err)
		}
		answer = string(out)
	} else if os.Getenv("CI") == "true" {
		t.Fatal("curl is not installed")
	} else { // the same call without curl
		if !strings.Contains(pasted, f.APIKey) {
			t.Errorf("the line %q does not hold the key", pasted)
		}
		_, answer = post(t, f, f.APIKey, sentence)
	}
	var found struct {
		Extractions []struct {
			Start, End int
			Type, Text string
		}
	}
	if err := json.Unmarshal([]byte(answer), &found); err != nil || len(found.Extractions) == 0 {
		t.Fatalf("the pasted line answered %q (%v)", answer, err)
	}
	if status := p.interrupt(t); status != 0 {
		t.Errorf("exit %d after Ctrl-C, want 0\n%s", status, p.stderr)
	}
}

func TestElevenCallsAreTenAnsweredAndOneRefused(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	_, f := demo(t, data, "--empty")
	for i := range 10 {
		response, body := post(t, f, f.APIKey, sentence)
		if response.StatusCode != 200 {
			t.Fatalf("call %d: %s %s", i+1, response.Status, body)
		}
		if response.Header.Get("RateLimit") == "" || response.Header.Get("RateLimit-Policy") == "" || response.Header.Get("X-Request-Id") == "" {
			t.Errorf("call %d: fields missing in %v", i+1, response.Header)
		}
		if response.Header.Get("Tollhouse-Usage") != "" {
			t.Error("the client sees Tollhouse-Usage")
		}
	}
	response, body := post(t, f, f.APIKey, sentence)
	if response.StatusCode != 429 || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("call 11: %s %s", response.Status, body)
	}
	if wait, err := strconv.Atoi(response.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 6 {
		t.Errorf("Retry-After %q, want 1 to 6", response.Header.Get("Retry-After"))
	}
	units := ask[map[string]struct {
		Received, Billed, Included, Test, Unknown int64
		NotBillable                               int64 `json:"not_billable"`
	}](t, "usage", "audit", "--data", data)
	if r := units["requests"]; r.Received != 10 || r.Included != 10 || r.Billed+r.NotBillable+r.Test+r.Unknown != 0 {
		t.Errorf("the audit says %+v, want 10 received, all included", r)
	}
	if w := units["words"]; w.Received != 10*8 {
		t.Errorf("%d words, want 80", w.Received)
	}
}

func TestASecondStartKeepsEverything(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p, first := demo(t, data)
	used := ask[map[string]struct{ Received int64 }](t, "usage", "audit", "--data", data)
	if status := p.interrupt(t); status != 0 {
		t.Fatalf("exit %d", status)
	}
	_, second := demo(t, data)
	if first.APIKey != second.APIKey || first.Operator != second.Operator || first.Customer != second.Customer {
		t.Errorf("first %+v\nsecond %+v", first, second)
	}
	if again := ask[map[string]struct{ Received int64 }](t, "usage", "audit", "--data", data); again["requests"] != used["requests"] {
		t.Errorf("the usage was %v, and is %v", used, again)
	}
	if response, body := post(t, second, second.APIKey, sentence); response.StatusCode != 200 {
		t.Errorf("the key of the first start: %s %s", response.Status, body)
	}
}

func TestASecondDemoOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	_, f := demo(t, data, "--empty")
	line := refused(t, 1, "demo", "--listen", "localhost:0", "--data", data)
	if !strings.Contains(line, data) || !strings.Contains(line, "running") && !strings.Contains(line, "in use") {
		t.Errorf("the message is %q", line)
	}
	if response, _ := post(t, f, f.APIKey, sentence); response.StatusCode != 200 {
		t.Errorf("the first demo answers %s", response.Status)
	}
}

func TestATakenPortIsOneClearLine(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	line := refused(t, 1, "demo", "--listen", listener.Addr().String(), "--data", t.TempDir())
	if !strings.Contains(line, listener.Addr().String()) || !strings.Contains(line, "--listen") {
		t.Errorf("the message is %q", line)
	}
}

func TestAnUnwritableDataDirectoryIsOneClearLine(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Below a file nobody can write, not even root.
	line := refused(t, 1, "demo", "--listen", "localhost:0", "--data", filepath.Join(file, "data"))
	if !strings.Contains(line, file) {
		t.Errorf("the message is %q", line)
	}
}

func TestADamagedDatabaseIsOneClearLineAndIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p, _ := demo(t, data, "--empty")
	if status := p.interrupt(t); status != 0 {
		t.Fatalf("exit %d", status)
	}
	files, err := filepath.Glob(filepath.Join(data, "*.db"))
	if err != nil || len(files) != 1 {
		t.Fatalf("database files: %v %v", files, err)
	}
	damaged := []byte("this was a database, and now it is a letter to nobody in particular")
	if err := os.WriteFile(files[0], damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	line := refused(t, 1, "demo", "--listen", "localhost:0", "--data", data)
	if !strings.Contains(line, filepath.Base(files[0])) {
		t.Errorf("the message is %q", line)
	}
	if now, err := os.ReadFile(files[0]); err != nil || string(now) != string(damaged) {
		t.Errorf("the file was changed to %q (%v)", now, err)
	}
}

func TestBrokenJSONIs422WithWhere(t *testing.T) {
	t.Parallel()
	_, f := demo(t, filepath.Join(t.TempDir(), "data"), "--empty")
	response, body := post(t, f, f.APIKey, `{"text": "John Doe`)
	if response.StatusCode != 422 || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
		t.Fatalf("%s %s", response.Status, body)
	}
	response, body = post(t, f, f.APIKey, `{"text": "`+strings.Repeat("x", 10<<20)+`"}`)
	if response.StatusCode != 413 || !strings.Contains(body, "#body-too-large") {
		t.Errorf("10 MB: %s %s", response.Status, body)
	}
}
