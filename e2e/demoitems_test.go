package e2e

import (
	"bufio"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestDemoHasItemsBehindTheGateway(t *testing.T) {
	t.Parallel()
	_, f := demo(t, filepath.Join(t.TempDir(), "data"))
	get := func(path string, header ...string) *http.Response {
		t.Helper()
		request, err := http.NewRequest("GET", f.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "items.localhost:" + f.URL[strings.LastIndexByte(f.URL, ':')+1:]
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return response
	}

	// An item is the same for everybody for an hour, and its fragment is kept apart.
	for _, c := range []struct {
		what, hit string
		header    []string
	}{
		{"the first page", "fwd=uri-miss", nil},
		{"the second", "hit", nil},
		{"the first fragment", "fwd=vary-miss", []string{"HX-Request", "true", "HX-Request-Type", "partial"}},
		{"the second fragment", "hit", []string{"HX-Request", "true", "HX-Request-Type", "partial"}},
	} {
		response := get("/items/1", c.header...)
		if status := response.Header.Get("Cache-Status"); response.StatusCode != 200 || !strings.Contains(status, c.hit) {
			t.Errorf("%s: %s, Cache-Status %q, want %s", c.what, response.Status, status, c.hit)
		}
	}
	if response := get("/items/404", "HX-Request", "true", "HX-Request-Type", "partial"); response.StatusCode != 404 {
		t.Errorf("an item that is not there: %s", response.Status)
	}
	events := bufio.NewReader(get("/events").Body)
	for {
		line, err := events.ReadString('\n')
		if err != nil {
			t.Fatalf("the live prices end: %v", err)
		}
		if strings.HasPrefix(line, "data:") {
			break
		}
	}
}
