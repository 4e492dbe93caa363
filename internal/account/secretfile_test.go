package account_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestMakesASecretOnceAndForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "session")
	secrets := make([]toll.Secret, 8)
	var wg sync.WaitGroup
	for i := range secrets {
		wg.Go(func() {
			var err error
			if secrets[i], err = account.LoadOrMakeSecret(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range secrets {
		if s != secrets[0] || len(s) < account.MinSecret {
			t.Fatalf("secrets of %d and %d bytes that differ", len(s), len(secrets[0]))
		}
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v", info.Mode())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	other, err := account.LoadOrMakeSecret(filepath.Join(t.TempDir(), "session"))
	must(t, err)
	if other == secrets[0] {
		t.Error("two installations have the same secret")
	}
}

func TestReadsASecretThatSomebodyWrote(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "session")
	must(t, os.WriteFile(path, []byte("  my own secret that has at least 32 bytes\r\n"), 0o600))
	got, err := account.LoadOrMakeSecret(path)
	must(t, err)
	if got != "my own secret that has at least 32 bytes" {
		t.Errorf("got %q", got.Reveal())
	}
}

func TestRefusesASecretFileThatProtectsNothing(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("s", 40)
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		says    string
	}{
		"read by the group":    {long, 0o640, "chmod 600"},
		"read by everybody":    {long, 0o644, "chmod 600"},
		"written by everybody": {long, 0o602, "chmod 600"},
		"empty":                {"", 0o600, "remove it"},
		"only space":           {strings.Repeat(" ", 100), 0o600, "remove it"},
		"short":                {"short", 0o600, "remove it"},
		"not a secret at all":  {strings.Repeat("s", 5000), 0o600, "remove it"},
	} {
		path := filepath.Join(t.TempDir(), "session")
		must(t, os.WriteFile(path, []byte(c.content), 0o600))
		must(t, os.Chmod(path, c.mode))
		got, err := account.LoadOrMakeSecret(path)
		if err == nil || got != "" || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %d bytes and %v", name, len(got), err)
		} else if strings.Contains(err.Error(), long) {
			t.Errorf("%s: the error tells the secret", name)
		}
		if after, _ := os.ReadFile(path); string(after) != c.content {
			t.Errorf("%s: the file was changed", name)
		}
	}
	folder := t.TempDir()
	if _, err := account.LoadOrMakeSecret(folder); err == nil {
		t.Error("a folder was read as a secret")
	}
	if _, err := account.LoadOrMakeSecret(filepath.Join(folder, "none", "session")); err == nil {
		t.Error("a secret was made in a folder that is not there")
	}
}
