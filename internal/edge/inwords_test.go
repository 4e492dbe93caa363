package edge

import (
	"testing"
	"time"
)

func TestAWaitInWordsIsNeverEarly(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		time.Second:                   "1 s",
		119*time.Second + 1:           "120 s",
		2 * time.Minute:               "120 s",
		2*time.Minute + time.Second:   "3 minutes",
		2 * time.Hour:                 "120 minutes",
		2*time.Hour + time.Nanosecond: "3 hours",
		48 * time.Hour:                "48 hours",
		880457 * time.Second:          "11 days",
	} {
		if got := waitInWords(wait); got != want {
			t.Errorf("%s is %q, want %q", wait, got, want)
		}
	}
}

func TestASizeInWordsIsExact(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{
		0: "0 bytes", 999: "999 bytes", 1000: "1 KB", 1024: "1 KiB", 1500: "1500 bytes",
		5_000_000: "5 MB", 10 << 20: "10 MiB", 1_500_000: "1500 KB", 2_000_000_000: "2 GB", 1 << 30: "1 GiB",
	} {
		if got := sizeInWords(bytes); got != want {
			t.Errorf("%d is %q, want %q", bytes, got, want)
		}
	}
}
