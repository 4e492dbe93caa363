package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// factsName is the file in the data directory that keeps what the demo printed.
const factsName = "demo.json"

// DemoFacts is what the demo prints and keeps in demo.json (mode 0600).
type DemoFacts struct {
	URL        string            `json:"url"`
	ConsoleURL string            `json:"console_url"`
	DaybookURL string            `json:"daybook_url"`
	AdminURL   string            `json:"admin_url"`
	Operator   SignIn            `json:"operator"`
	Customer   SignIn            `json:"customer"` // the free customer's owner
	APIKey     string            `json:"api_key"`  // the free customer's
	APIKeys    map[string]string `json:"api_keys"` // by plan

	itemsURL string // printed only
}

// loadFacts reads what an earlier start kept; nothing when there was none.
func loadFacts(data string) (DemoFacts, error) {
	path := filepath.Join(data, factsName)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return DemoFacts{}, nil
	}
	var facts DemoFacts
	if err == nil {
		err = json.Unmarshal(content, &facts)
	}
	if err != nil {
		return DemoFacts{}, toll.Errorf(toll.Unavailable, "%s cannot be read (%w); remove it, and the demo makes new passwords and keys", path, err)
	}
	return facts, nil
}

func (f DemoFacts) save(data string) error {
	content, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(filepath.Join(data, factsName), append(content, '\n'))
}

// print shows the facts as a short block that can be worked from.
func (f DemoFacts) print(w io.Writer, data string) {
	_, _ = fmt.Fprintf(w, `
Tollhouse demo is running. Ctrl-C ends it; the data stays in %[1]s.

  Console     %[2]s
  Daybook     %[3]s  (or %[9]s/daybook/)
  Items       %[11]s
  Admin       %[10]s/metrics

  Customer    %[4]s   password  %[5]s
  Operator    %[6]s   password  %[7]s

  API key     %[8]s   (plan free: ten calls a minute)

Try it:

curl -s %[9]s/v1/ner/extractions -H "Authorization: Bearer %[8]s" -H "Content-Type: application/json" -d '{"text": "John Doe is a Go Developer at Google"}'

`, data, f.ConsoleURL, f.DaybookURL, f.Customer.Email, f.Customer.Password,
		f.Operator.Email, f.Operator.Password, f.APIKey, f.URL, f.AdminURL, f.itemsURL)
}

// ShowWarnings writes what is to be known of a start for a person.
func ShowWarnings(w io.Writer, a *App) {
	for _, warning := range a.Warnings() {
		_, _ = fmt.Fprintf(w, "Note: %s.\n", strings.TrimSuffix(warning, "."))
	}
}
