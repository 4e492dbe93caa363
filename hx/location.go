package hx

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// SetPush gives the page a new address in the history (HX-Push-Url), so that
// Back leads to the one before. The path must answer a GET with the page that
// is shown then. It fails for what is no path of this site.
func SetPush(w http.ResponseWriter, path string) error {
	return setPath(w, "HX-Push-Url", path)
}

// SetReplace changes the page's address without a step in the history
// (HX-Replace-Url). It fails for what is no path of this site.
func SetReplace(w http.ResponseWriter, path string) error {
	return setPath(w, "HX-Replace-Url", path)
}

// KeepURL keeps the page's address, whatever the element says
// (HX-Push-Url: false).
func KeepURL(w http.ResponseWriter) {
	w.Header().Del("HX-Replace-Url")
	w.Header().Set("HX-Push-Url", "false")
}

func setPath(w http.ResponseWriter, name, path string) error {
	local, err := LocalPath(path)
	if err != nil {
		return err
	}
	w.Header().Del("HX-Push-Url") // the two exclude each other
	w.Header().Del("HX-Replace-Url")
	w.Header().Set(name, local)
	return nil
}

// Location is where htmx goes by a request of its own, without loading a new
// document (HX-Location).
type Location struct {
	Path    string            // a path of this site; must be there
	Target  string            // CSS selector; "" is the body, which gets a whole page
	Swap    Swap              // "" is htmx's own
	Select  string            // CSS selector of the part of the answer that is taken
	Source  string            // CSS selector of the element that counts as the source
	Values  map[string]string // sent with the request
	Headers map[string]string // sent with the request
	Replace bool              // replaces the address instead of pushing it
	Keep    bool              // keeps the address
}

// SetLocation sets HX-Location, in the JSON form, which both versions read
// alike. Without a Target it adds a request header that makes htmx 2 say what
// htmx 4 says by itself, that it will take a whole page. htmx ignores the body of
// such an answer. It fails for what is no path of this site.
func SetLocation(w http.ResponseWriter, l Location) error {
	path, err := LocalPath(l.Path)
	if err != nil {
		return err
	}
	headers := l.Headers
	if l.Target == "" || l.Select != "" {
		headers = map[string]string{headerType: "full"}
		for k, v := range l.Headers {
			headers[k] = v
		}
	}
	wire := struct {
		Path    string            `json:"path"`
		Target  string            `json:"target,omitempty"`
		Swap    Swap              `json:"swap,omitempty"`
		Select  string            `json:"select,omitempty"`
		Source  string            `json:"source,omitempty"`
		Values  map[string]string `json:"values,omitempty"`
		Headers map[string]string `json:"headers,omitempty"`
		Push    *string           `json:"push,omitempty"`
		Replace string            `json:"replace,omitempty"`
	}{Path: path, Target: l.Target, Swap: l.Swap, Select: l.Select, Source: l.Source, Values: l.Values, Headers: headers}
	none, no := "", "false"
	switch {
	case l.Replace:
		wire.Push, wire.Replace = &none, "true" // htmx 2 reads "false" as the answer to both
	case l.Keep:
		wire.Push = &no
	}
	b, err := json.Marshal(wire)
	if err != nil {
		return fmt.Errorf("hx: writing HX-Location: %w", err)
	}
	w.Header().Set("HX-Location", asciiJSON(b))
	return nil
}
