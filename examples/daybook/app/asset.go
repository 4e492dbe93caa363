package app

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"time"
)

//go:embed assets/daybook.css
var stylesheet []byte

//go:embed assets/daybook.svg
var icon []byte

// An asset's name changes with its content, so that browsers may keep it for
// ever.
var (
	stylesheetName = hashedName(stylesheet, ".css")
	iconName       = hashedName(icon, ".svg")
)

func hashedName(content []byte, ending string) string {
	sum := sha256.Sum256(content)
	return "daybook-" + hex.EncodeToString(sum[:6]) + ending
}

// asset serves an asset under its current name.
func (a *App) asset(w http.ResponseWriter, r *http.Request) {
	var content []byte
	switch r.PathValue("name") {
	case stylesheetName:
		content = stylesheet
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
	case iconName:
		content = icon
		w.Header().Set("Content-Type", "image/svg+xml")
	default:
		a.notFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
