package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestStarterParsesAndSaysNothingToWorryAbout(t *testing.T) {
	t.Parallel()
	for _, upstream := range []string{"", "http://localhost:3000", "https://api.example.com", "http://[::1]:3000"} {
		c, err := Parse("tollhouse.yml", Starter(upstream))
		if err != nil {
			t.Fatalf("%q: %v", upstream, err)
		}
		if len(c.Notices) > 0 {
			t.Errorf("%q: %q", upstream, c.Notices)
		}
	}
}

// What the starter shows switched off must work when it is switched on.
func TestStarterParsesWithItsCommentsSwitchedOn(t *testing.T) {
	t.Parallel()
	var on []string
	for _, line := range strings.Split(string(Starter("")), "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		body, off := strings.CutPrefix(line[len(indent):], "# ")
		field, _, isField := strings.Cut(body, ":")
		if off && (isField && !strings.Contains(field, " ") || strings.HasPrefix(body, "  - {")) {
			line = indent + body
		}
		on = append(on, line)
	}
	src := strings.Join(on, "\n")
	c, err := parseWith("tollhouse.yml", []byte(src), environment{lookup: func(string) (string, bool) { return "x", true }})
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	api, _ := c.Service("api")
	if api.Host == "" || api.Path == "" || !api.StripPath || api.Health.Path == "" || len(api.Endpoints) == 0 || len(api.Units) == 0 || len(api.Policies) == 0 || c.Database == "" || c.Listen.Admin == "" {
		t.Errorf("something stayed off: %+v", c)
	}
}

func TestForUpstreamFrontsOnesOwnAPI(t *testing.T) {
	t.Parallel()
	c, err := ForUpstream("http://localhost:3000/")
	if err != nil {
		t.Fatal(err)
	}
	api, ok := c.Service("api")
	if !ok || len(c.Services) != 1 {
		t.Fatalf("services %+v", c.Services)
	}
	same(t, "upstreams", api.Upstreams, []string{"http://localhost:3000"})
	same(t, "access", api.Access, toll.AccessKey)
	for _, name := range []string{"free", "pro", "payg"} {
		if p, ok := c.Plan(name); !ok || !p.IncludesService("api") {
			t.Errorf("plan %s: %+v", name, p)
		}
	}
	if c.Console.Host == "" {
		t.Error("the service takes every host, so the console needs one of its own")
	}
}

func TestStarterLeavesThePortToTheUpstreamThatHasIt(t *testing.T) {
	t.Parallel()
	for upstream, want := range map[string]string{
		"http://localhost:8080":   "127.0.0.1:8081",
		"http://127.0.0.1:8080/":  "127.0.0.1:8081",
		"http://[::1]:8080":       "127.0.0.1:8081",
		"http://example.com:8080": "127.0.0.1:8080",
		"http://localhost:18080":  "127.0.0.1:8080",
		"http://localhost":        "127.0.0.1:8080",
	} {
		c, err := ForUpstream(upstream)
		if err != nil || c.Listen.HTTP != want {
			t.Errorf("%s: got %+v, %v", upstream, c, err)
		}
	}
}

func TestForUpstreamRefusesWhatIsNoUpstream(t *testing.T) {
	t.Parallel()
	for _, upstream := range []string{"", "localhost:3000", "http://", "http://a/b", "http://${HOME}", "http://a\"\nname: x", "http://a]"} {
		_, err := ForUpstream(upstream)
		var problem *toll.Error
		if !errors.As(err, &problem) || problem.Code != toll.Invalid || problem.Field != "upstream" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v", upstream, err)
		}
	}
}
