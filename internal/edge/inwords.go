package edge

import (
	"strconv"
	"time"
)

// waitInWords says a wait for people, rounded up, so that whoever heeds it does
// not come too early: "6 s", "3 hours", "11 days". Programs read Retry-After.
func waitInWords(wait time.Duration) string {
	whole := func(unit time.Duration, name string) string {
		return strconv.FormatInt(int64((wait+unit-1)/unit), 10) + name
	}
	switch {
	case wait <= 2*time.Minute:
		return whole(time.Second, " s")
	case wait <= 2*time.Hour:
		return whole(time.Minute, " minutes")
	case wait <= 48*time.Hour:
		return whole(time.Hour, " hours")
	}
	return whole(24*time.Hour, " days")
}

// sizeInWords says a number of bytes as a configuration would: "10 MB", "1 MiB".
func sizeInWords(bytes int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1e9, " GB"}, {1 << 30, " GiB"}, {1e6, " MB"}, {1 << 20, " MiB"}, {1e3, " KB"}, {1 << 10, " KiB"}} {
		if bytes > 0 && bytes%unit.size == 0 {
			return strconv.FormatInt(bytes/unit.size, 10) + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10) + " bytes"
}
