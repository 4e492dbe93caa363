package arrows

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
)

// rule is one of depguard's lists in .golangci.yml: which files it is about,
// and what they may and must not import.
type rule struct {
	Mode  string   `yaml:"list-mode"`
	Files []string `yaml:"files"`
	Allow []string `yaml:"allow"`
	Deny  []struct {
		Pkg  string `yaml:"pkg"`
		Desc string `yaml:"desc"`
	} `yaml:"deny"`
}

// readRules reads depguard's lists from golangci-lint's configuration.
func readRules(file string) (map[string]rule, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var conf struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]rule `yaml:"rules"`
				} `yaml:"depguard"`
			} `yaml:"settings"`
		} `yaml:"linters"`
	}
	if err := yaml.Unmarshal(src, &conf); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	rules := conf.Linters.Settings.Depguard.Rules
	if len(rules) == 0 {
		return nil, fmt.Errorf("%s has no depguard rules", file)
	}
	for name, r := range rules {
		if r.Mode != "lax" && r.Mode != "strict" {
			return nil, fmt.Errorf("rule %s: this test understands lax and strict lists, not %q", name, r.Mode)
		}
		for _, d := range r.Deny {
			if d.Desc == "" {
				return nil, fmt.Errorf("rule %s denies %s without a reason", name, d.Pkg)
			}
		}
	}
	return rules, nil
}

// covers says whether the rule is about a file, given its path from the root.
func (r rule) covers(file string) (bool, error) {
	is := false
	for _, pattern := range r.Files {
		pattern, not := strings.CutPrefix(pattern, "!")
		match, err := matches(pattern, file)
		if err != nil {
			return false, err
		}
		if match && not {
			return false, nil
		}
		is = is || match
	}
	return is, nil
}

// matches understands the patterns that .golangci.yml uses.
func matches(pattern, file string) (bool, error) {
	if pattern == "$test" {
		return strings.HasSuffix(file, "_test.go"), nil
	}
	if strings.ContainsAny(pattern, "$?[]{}") || !strings.HasPrefix(pattern, "**/") {
		return false, fmt.Errorf("this test does not understand the pattern %q", pattern)
	}
	text := regexp.QuoteMeta(pattern)
	text = strings.ReplaceAll(text, `\*\*`, `.*`)
	text = strings.ReplaceAll(text, `\*`, `[^/]*`)
	return regexp.MatchString("^"+text+"$", "/"+file)
}

// refuses says why a file that the rule covers must not import a package, ""
// when it may. As with depguard, the longer of two prefixes that match wins.
func (r rule) refuses(imported string) string {
	allowed := -1
	for _, p := range r.Allow {
		if p == "$gostd" {
			if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
				allowed = max(allowed, 0)
			}
		} else if n := prefix(p, imported); n > allowed {
			allowed = n
		}
	}
	denied, reason := -1, ""
	for _, d := range r.Deny {
		if n := prefix(d.Pkg, imported); n > denied {
			denied, reason = n, d.Desc
		}
	}
	switch {
	case denied >= 0 && denied >= allowed:
		return reason
	case r.Mode == "strict" && allowed < 0:
		return "only what the rule allows: " + strings.Join(r.Allow, ", ")
	}
	return ""
}

// prefix is the length of p when the import path begins with it (or is it, when
// p ends with '$'), and -1 when it does not.
func prefix(p, imported string) int {
	if exact, ok := strings.CutSuffix(p, "$"); ok {
		if imported == exact {
			return len(exact)
		}
		return -1
	}
	if strings.HasPrefix(imported, p) {
		return len(p)
	}
	return -1
}

// wrong lists the imports of a package's files that a rule refuses.
func wrong(rules map[string]rule, folder string, files, imports []string) ([]string, error) {
	var all []string
	for name, r := range rules {
		covered := false
		for _, f := range files {
			is, err := r.covers(path.Join(folder, f))
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", name, err)
			}
			covered = covered || is
		}
		if !covered {
			continue
		}
		for _, imported := range imports {
			if reason := r.refuses(imported); reason != "" {
				all = append(all, fmt.Sprintf("%s imports %s (rule %s): %s", folder, imported, name, reason))
			}
		}
	}
	return all, nil
}
