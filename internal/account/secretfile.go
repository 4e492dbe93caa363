package account

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const mostSecret = 4096 // bytes of a secret file

// LoadOrMakeSecret reads a secret from a file, and makes the file with 32
// random bytes (in base 64, one line) when there is none. Only its owner may
// read it (0600); a file that others can read is refused, because what it
// signs could have been signed by them. Two programs that start at once get
// the same secret. The folder must be there.
func LoadOrMakeSecret(path string) (toll.Secret, error) {
	secret, err := loadSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := makeSecret(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the secret file %s: %w", path, err)
	}
	return loadSecret(path)
}

func loadSecret(path string) (toll.Secret, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the secret file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("read the secret file: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() {
		return "", fmt.Errorf("the secret file %s is no regular file", path)
	} else if mode.Perm()&0o077 != 0 {
		return "", fmt.Errorf("the secret file %s can be read by others (%#o): make it private with chmod 600, or remove it to get a new secret (what the old one made holds no more: sessions, for one, end)", path, mode.Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, mostSecret+1))
	if err != nil {
		return "", fmt.Errorf("read the secret file: %w", err)
	}
	if text = bytes.TrimSpace(text); len(text) < MinSecret || len(text) > mostSecret {
		return "", fmt.Errorf("the secret file %s must hold %d to %d bytes: remove it to get a new secret (what the old one made holds no more: sessions, for one, end)", path, MinSecret, mostSecret)
	}
	return toll.Secret(text), nil
}

// makeSecret writes the whole file under another name first, so that nobody
// reads half of it, and gives it its name only if that is still free.
func makeSecret(path string) error {
	random := make([]byte, MinSecret)
	rand.Read(random) // never fails
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, ".secret-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(base64.RawURLEncoding.EncodeToString(random) + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
