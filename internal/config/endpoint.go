package config

import (
	"errors"
	"fmt"
	"strings"
)

// endpoint is a method and a path pattern of a service: "POST /extractions",
// "GET /items/{id}". A {name} stands for one segment, a last {name...} for all
// that is left.
type endpoint string

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

func (e *endpoint) parse(s string) error {
	method, path, ok := strings.Cut(s, " ")
	if !ok {
		return errors.New("is no endpoint; write method, a space and path, for example \"POST /extractions\"")
	}
	if err := checkMethod(method); err != nil {
		return err
	}
	if !strings.HasPrefix(path, "/") {
		return errors.New("is no endpoint; the path begins with /, for example \"POST /extractions\"")
	}
	if err := checkPath(path); err != nil {
		return err
	}
	if err := checkPattern(path); err != nil {
		return err
	}
	*e = endpoint(s)
	return nil
}

func (e *endpoint) form() form {
	return form{what: "an endpoint", example: "POST /extractions", pattern: `^[A-Z]+ /[^?#%\s\\]*$`}
}

// checkMethod tells what is wrong with a method.
func checkMethod(method string) error {
	for _, m := range methods {
		if m == method {
			return nil
		}
	}
	if guess := nearest(method, methods); guess != "" {
		return fmt.Errorf("has an unknown method; did you mean `%s`?", guess)
	}
	return fmt.Errorf("has an unknown method; write %s", orList(methods))
}

// checkPattern tells what is wrong with the {names} of a path.
func checkPattern(path string) error {
	seen := map[string]bool{}
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		if !strings.ContainsAny(segment, "{}*") {
			continue
		}
		name, closed := strings.CutSuffix(strings.TrimPrefix(segment, "{"), "}")
		rest := strings.HasSuffix(name, "...")
		name = strings.TrimSuffix(name, "...")
		switch {
		case !strings.HasPrefix(segment, "{") || !closed || !variable.MatchString(name):
			return errors.New("has no good pattern; {name} stands for a whole segment, as in \"GET /items/{id}\", and * is not known")
		case rest && i < len(segments)-1:
			return errors.New("has a {name...} that is not last; only the last segment can stand for all that is left")
		case seen[name]:
			return errors.New("has the same {name} twice; give each its own")
		}
		seen[name] = true
	}
	return nil
}

// planEndpoint is an endpoint with its service: "ner POST /extractions".
type planEndpoint struct {
	service  string
	endpoint string
}

func (p *planEndpoint) parse(s string) error {
	service, rest, ok := strings.Cut(s, " ")
	if checkMethod(service) == nil {
		return fmt.Errorf("names no service; write it before the method, for example \"ner %s /extractions\"", service)
	}
	if !ok || checkLabel(service) != nil {
		return errors.New("is no endpoint of a service; write service, method and path, for example \"ner POST /extractions\"")
	}
	var e endpoint
	if err := e.parse(rest); err != nil {
		return err
	}
	*p = planEndpoint{service: service, endpoint: rest}
	return nil
}

func (p *planEndpoint) form() form {
	return form{what: "an endpoint of a service", example: "ner POST /extractions", pattern: `^[a-z0-9][a-z0-9_-]* [A-Z]+ /[^?#%\s\\]*$`}
}
