package main

import (
	"strings"
	"testing"
	"time"
)

func TestASpanIsWrittenInDaysOrAsGoDoes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		d    time.Duration
		said string
	}{
		"30d":    {720 * time.Hour, "30d"},
		"720h":   {720 * time.Hour, "30d"},
		"24h":    {24 * time.Hour, "24h"},
		"1d":     {24 * time.Hour, "24h"},
		"90m":    {90 * time.Minute, "90m"},
		"1h0.5s": {time.Hour + 500*time.Millisecond, "1h0m0.5s"},
		"-5m":    {-5 * time.Minute, "-5m"},
		"0d":     {0, ""},
	} {
		var s span
		if err := s.Set(text); err != nil || time.Duration(s) != want.d || s.String() != want.said {
			t.Errorf("%s: %s, said %q (%v), want %s, said %q", text, time.Duration(s), s.String(), err, want.d, want.said)
		}
	}
	for _, text := range []string{"", "soon", "30", "d", "1.5d", "99999999999d", "30 d", "1w"} {
		var s span
		if err := s.Set(text); err == nil || !strings.Contains(err.Error(), "30d") {
			t.Errorf("%q: %s (%v), want an error that shows how", text, time.Duration(s), err)
		}
	}
}
