package config

import (
	"errors"
	"fmt"
	"strings"
)

// endpoint is a method and a path pattern of a service: "POST /extractions",
// "GET /items/{id}". A {name} stands for one segment.
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
	for _, segment := range strings.Split(path[1:], "/") {
		if strings.Contains(segment, ";") {
			return errors.New("has a ; in it; what follows a ; is no part of an endpoint, leave it out")
		}
		if !strings.ContainsAny(segment, "{}*") {
			continue
		}
		name, closed := strings.CutSuffix(strings.TrimPrefix(segment, "{"), "}")
		if !strings.HasPrefix(segment, "{") || !closed || !variable.MatchString(name) {
			return errors.New("has no good pattern; {name} stands for one whole segment, as in \"GET /items/{id}\", and * is not known")
		}
	}
	return nil
}

// shape gives what tells the endpoint from others: the names of segments and a
// last slash make no difference.
func (e endpoint) shape() string {
	method, path, _ := strings.Cut(string(e), " ")
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for i, segment := range segments {
		if strings.HasPrefix(segment, "{") {
			segments[i] = "{}"
		}
	}
	return method + " " + strings.Join(segments, "/")
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
