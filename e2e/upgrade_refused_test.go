package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestUpgradesThatCannotBeAreRefusedInOneLine(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p, _ := demo(t, data, "--empty")
	for _, c := range []struct {
		status int
		args   []string
		want   string
	}{
		{1, []string{"--data", data}, "demo cannot be upgraded"},
		{1, []string{"--data", filepath.Join(t.TempDir(), "none")}, "no installation"},
		{1, []string{"--data", t.TempDir()}, "no server runs"},
		{2, []string{"--data", data, "--timeout", "0s"}, "--timeout"},
		{2, []string{"--data", data, "--binry", "x"}, "did you mean --binary"},
	} {
		if line := refused(t, c.status, append([]string{"upgrade"}, c.args...)...); !strings.Contains(line, c.want) {
			t.Errorf("%v: %q, want %q in it", c.args, line, c.want)
		}
	}
	if out, _, status := tollhouse(t, "upgrade", "--help"); status != 0 || !strings.Contains(out, "tollhouse upgrade --config tollhouse.yml --binary") {
		t.Errorf("help: exit %d: %s", status, out)
	}
	if status := p.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
}

func TestAProgramThatCannotBeStartedIsTold(t *testing.T) {
	t.Parallel()
	s := serveReloadable(t)
	for binary, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "no such file",
		s.file:                             "permission denied",
		"/bin/true":                        "exit status 0",
	} {
		if line := refused(t, 1, "upgrade", "--config", s.file, "--binary", binary); !strings.Contains(line, want) {
			t.Errorf("%s: %q, want %q in it", binary, line, want)
		}
		if got := s.status("/api/x"); got != 200 {
			t.Errorf("afterwards: %d", got)
		}
	}
	if status := s.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
}
