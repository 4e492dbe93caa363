package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// maxSecretBytes bounds what `${file:PATH}` reads.
const maxSecretBytes = 64 << 10

// environment is what `${…}` may reach outside of the file.
type environment struct {
	lookup func(name string) (string, bool)
	read   func(path string) (string, error)
}

// processEnvironment is the environment of this process and its files.
func processEnvironment() environment {
	return environment{lookup: os.LookupEnv, read: readSecret}
}

var (
	variable  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	errNoName = errors.New("it takes ${NAME}, ${NAME:-default} or ${file:PATH}; write $${ for a literal ${")
)

// expand replaces the references of a text: ${NAME} by the variable (it must be
// set), ${NAME:-default} by the variable or, when that is unset or empty, by the
// default, and ${file:PATH} by the file's content without its last line break.
// `$${` stands for a literal `${`. What came in is not expanded again.
func (e environment) expand(text string) (out string, expanded bool, err error) {
	if !strings.Contains(text, "${") {
		return text, false, nil
	}
	var b strings.Builder
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			b.WriteString(text)
			return b.String(), expanded, nil
		}
		if at > 0 && text[at-1] == '$' {
			b.WriteString(text[:at-1])
			b.WriteString("${")
			text = text[at+2:]
			continue
		}
		b.WriteString(text[:at])
		end := strings.IndexByte(text[at:], '}')
		if end < 0 {
			return "", false, fmt.Errorf("a `${` is not closed: %w", errNoName)
		}
		value, err := e.reference(text[at+2 : at+end])
		if err != nil {
			return "", false, err
		}
		b.WriteString(value)
		expanded = true
		text = text[at+end+1:]
	}
}

// reference gives the value of what stands between ${ and }.
func (e environment) reference(inside string) (string, error) {
	if path, ok := strings.CutPrefix(inside, "file:"); ok {
		value, err := e.read(path)
		if err != nil {
			return "", fmt.Errorf("${file:%s}: %w", shorten(path), err)
		}
		return value, nil
	}
	name, fallback, hasFallback := strings.Cut(inside, ":-")
	if !variable.MatchString(name) {
		return "", fmt.Errorf("a `${…}` names no variable: %w", errNoName)
	}
	value, set := e.lookup(name)
	switch {
	case set && (value != "" || !hasFallback):
		return value, nil
	case hasFallback:
		return fallback, nil
	}
	return "", fmt.Errorf("the environment variable %s is not set; set it, or write ${%s:-default}", name, name)
}

// readSecret reads a small regular file and takes its last line break off.
func readSecret(path string) (string, error) {
	if path == "" {
		return "", errors.New("the path is missing; write ${file:/run/secrets/name}")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errors.New("there is no such file; write it, or correct the path")
	case err != nil:
		return "", fmt.Errorf("cannot look at the file: %w; make its directory readable for the user that runs Tollhouse", cause(err))
	case !info.Mode().IsRegular():
		return "", errors.New("this is not a regular file; name one")
	case info.Size() > maxSecretBytes:
		return "", fmt.Errorf("the file has %d bytes; a secret has at most %d", info.Size(), maxSecretBytes)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the file: %w; make it readable for the user that runs Tollhouse", cause(err))
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSecretBytes))
	if err != nil {
		return "", fmt.Errorf("cannot read the file: %w; make it readable for the user that runs Tollhouse", cause(err))
	}
	value := strings.TrimRight(string(raw), "\r\n")
	if value == "" {
		return "", errors.New("the file is empty; write the secret into it")
	}
	return value, nil
}

// cause gives the reason of a file error without repeating operation and path.
func cause(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// expandAll expands the scalars of a tree in place, once each. Names are taken
// as they are.
func expandAll(r *report, n *node, e environment, done map[*node]bool) {
	if done[n] {
		return
	}
	done[n] = true
	if n.kind == scalar && !n.bad {
		text, expanded, err := e.expand(n.written)
		if err != nil {
			r.at(n, "%v", err)
			n.bad = true
			return
		}
		n.text, n.expanded = text, expanded
	}
	for _, item := range n.items {
		expandAll(r, item, e, done)
	}
	for _, f := range n.fields {
		expandAll(r, f.value, e, done)
	}
}
