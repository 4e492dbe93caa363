package app

import (
	"runtime"
	"runtime/debug"
)

// Build says which Tollhouse this is.
type Build struct {
	Version string `json:"version"` // of the module, "devel" when built from a checkout
	Commit  string `json:"commit"`  // of the checkout, "unknown" when it was not recorded
	Go      string `json:"go"`
}

// Version reads what the Go linker recorded.
func Version() Build {
	b := Build{Version: "devel", Commit: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Commit = s.Value
		}
	}
	return b
}
