package edge

import (
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAnOriginIsAllowedWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	c := &toll.CORS{Origins: []string{"https://app.example.com", "https://*.example.org", "http://*.example.net:8080"}, Credentials: true}
	for origin, want := range map[string]bool{
		"https://app.example.com":           true,
		"https://a.example.org":             true,
		"https://a.b-c.example.org":         true,
		"http://a.example.net:8080":         true,
		"https://xn--bcher-kva.example.org": true,

		"":                                             false,
		"null":                                         false,
		"https://app.example.com.evil.test":            false,
		"https://app.example.com:444":                  false,
		"http://app.example.com":                       false,
		"https://App.example.com":                      false, // browsers send lower case
		"https://app.example.com/":                     false,
		"https://example.org":                          false, // below it, not itself
		"https://.example.org":                         false,
		"https://a..example.org":                       false,
		"https://-a.example.org":                       false,
		"https://evilexample.org":                      false,
		"http://a.example.org":                         false,
		"https://a.example.org:444":                    false,
		"https://evil.test/.example.org":               false,
		"https://evil.test#.example.org":               false,
		"https://evil.test?.example.org":               false,
		"https://evil.test\\.example.org":              false,
		"https://a@b.example.org":                      false,
		"https://evil.test:443/a.example.org":          false,
		"https://a\r\n.example.org":                    false,
		"https://a.example.org, https://a.example.org": false,
		"http://a.example.net":                         false,
		"*":                                            false,
	} {
		answer, credentials := allowedOrigin(origin, c)
		if (answer != "") != want || want && (answer != origin || !credentials) {
			t.Errorf("%q: %q, credentials %v; want allowed %v", origin, answer, credentials, want)
		}
	}
	everybody := &toll.CORS{Origins: []string{"*"}, Credentials: true} // which the configuration refuses
	if answer, credentials := allowedOrigin("https://evil.test", everybody); answer != "*" || credentials {
		t.Errorf("everybody: %q, credentials %v; never both", answer, credentials)
	}
}

// Whatever a browser, or somebody else, calls its origin: what is answered is
// the origin itself and lies under a name of the configuration.
func FuzzNoOriginSlipsIn(f *testing.F) {
	for _, seed := range []string{
		"https://app.example.com", "https://a.example.org", "https://evil.test#.example.org", "null", "https://a.example.org:443",
		"https://\x00.example.org", "https://%2e.example.org", "https://[::1].example.org", "https://" + strings.Repeat("a.", 200) + "example.org",
	} {
		f.Add(seed)
	}
	c := &toll.CORS{Origins: []string{"https://app.example.com", "https://*.example.org"}, Credentials: true}
	f.Fuzz(func(t *testing.T, origin string) {
		answer, _ := allowedOrigin(origin, c)
		if answer == "" {
			return
		}
		if answer != origin {
			t.Fatalf("%q is answered %q", origin, answer)
		}
		if origin == "https://app.example.com" {
			return
		}
		labels, isBelow := strings.CutSuffix(strings.TrimPrefix(origin, "https://"), ".example.org")
		if !isBelow || !strings.HasPrefix(origin, "https://") || labels == "" || strings.Trim(labels, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.Contains(labels, "..") {
			t.Fatalf("%q slipped in", origin)
		}
	})
}
