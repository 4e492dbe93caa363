package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Load reads and checks a configuration file. The error is an *Error; its code
// is toll.NotFound when there is no such file, else toll.Invalid.
func Load(path string) (*Config, error) {
	if path == "" {
		path = "tollhouse.yml"
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fileError(path, toll.NotFound, err, "there is no such file; name another with --config, or write one with `tollhouse init`")
	case err != nil:
		return nil, fileError(path, toll.Invalid, err, "cannot look at the file: %v", cause(err))
	case info.IsDir():
		return nil, fileError(path, toll.Invalid, nil, "this is a directory; name the file in it, for example %s/tollhouse.yml", path)
	case !info.Mode().IsRegular():
		return nil, fileError(path, toll.Invalid, nil, "this is not a regular file")
	case info.Size() > MaxBytes:
		return nil, fileError(path, toll.Invalid, nil, "the file has %d bytes; a configuration has at most %d: is this the right file?", info.Size(), MaxBytes)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, toll.Invalid, err, "cannot read the file: %v; make it readable for the user that runs Tollhouse", cause(err))
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fileError(path, toll.Invalid, err, "cannot read the file: %v", cause(err))
	}
	return Parse(path, src)
}

// Parse checks the bytes of a configuration; name stands for the file in
// messages. Environment variables and secret files are read once, now. The
// error is an *Error with every problem found, each with a place in src.
func Parse(name string, src []byte) (*Config, error) {
	return parseWith(name, src, processEnvironment())
}

// parseWith is Parse in a given environment.
func parseWith(name string, src []byte, env environment) (*Config, error) {
	r, ok := newSource(name, src)
	if !ok {
		return nil, r.err()
	}
	root := parse(r)
	if root == nil {
		return nil, r.err()
	}
	expandAll(r, root, env, map[*node]bool{})
	f, b := bind(r, root)
	c := &checker{binder: b, file: f}
	c.check()
	if err := r.err(); err != nil {
		return nil, err
	}
	cfg := c.convert()
	sum := sha256.Sum256(src)
	cfg.Fingerprint, cfg.file, cfg.places = hex.EncodeToString(sum[:6]), name, b.spots()
	cfg.said = sayAll(nil, "", root)
	return cfg, nil
}
