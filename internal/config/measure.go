package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // so that a time zone means the same on every machine, also on one without any
)

// duration is a length of time with its unit. Beside the units of Go
// (ms, s, m, h) it knows whole days: "30d".
type duration time.Duration

func (d *duration) parse(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 32); err == nil && n <= 36500 {
			*d = duration(time.Duration(n) * 24 * time.Hour)
			return d.positive()
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		if _, err := strconv.ParseFloat(s, 64); err == nil {
			return errors.New("is no duration; add a unit: 50ms, 50s, 50m, 50h or 50d")
		}
		return errors.New("is no duration; write a number and a unit, for example 50ms, 2s, 5m, 1h or 30d")
	}
	*d = duration(v)
	return d.positive()
}

func (d *duration) positive() error {
	if *d < 0 {
		return errors.New("is negative; a duration is 0s or longer")
	}
	return nil
}

func (d *duration) form() form {
	return form{what: "a duration", example: "2s", pattern: `^(0|([0-9]+(\.[0-9]+)?(ms|us|s|m|h))+|[0-9]+d)$`}
}

// syncMode is when the journal is forced to the disk: always, or after a time.
type syncMode struct {
	always bool
	every  time.Duration
}

func (m *syncMode) parse(s string) error {
	if s == "always" {
		*m = syncMode{always: true}
		return nil
	}
	var d duration
	if err := d.parse(s); err != nil {
		return errors.New("is neither `always` nor a duration; write `always`, or how much a power cut may lose, for example 50ms")
	}
	if time.Duration(d) < time.Millisecond || time.Duration(d) > 10*time.Second {
		return errors.New("is out of range; write `always`, or 1ms to 10s")
	}
	*m = syncMode{every: time.Duration(d)}
	return nil
}

func (m *syncMode) form() form {
	return form{what: "`always` or a duration", example: "50ms", pattern: `^(always|[0-9].*s)$`}
}

// defaultHSTS is long enough for the lists that browsers carry, and short
// enough to be got rid of in a year.
const defaultHSTS = 180 * 24 * time.Hour

// hstsMode is how long browsers remember to come over HTTPS, or off.
type hstsMode struct {
	said  bool
	lasts time.Duration
}

func (m *hstsMode) parse(s string) error {
	if s == "off" {
		*m = hstsMode{said: true}
		return nil
	}
	var d duration
	if err := d.parse(s); err != nil {
		return errors.New("is neither `off` nor a duration; write `off`, or how long browsers remember, for example 180d")
	}
	if time.Duration(d) < time.Minute || time.Duration(d) > 730*24*time.Hour {
		return errors.New("is out of range; write `off`, or 1m to 730d")
	}
	*m = hstsMode{said: true, lasts: time.Duration(d)}
	return nil
}

func (m *hstsMode) form() form {
	return form{what: "`off` or a duration", example: "180d", pattern: `^(off|[0-9].*[smhd])$`}
}

// size is a number of bytes: B, KB, MB, GB (thousands) or KiB, MiB, GiB (1024).
type size int64

var (
	sizeForm  = regexp.MustCompile(`^([0-9]+)(?:\.([0-9]{1,3}))? ?(B|KB|MB|GB|KiB|MiB|GiB)$`)
	sizeUnits = map[string]int64{"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
)

func (b *size) parse(s string) error {
	m := sizeForm.FindStringSubmatch(s)
	if m == nil {
		if _, err := strconv.ParseFloat(s, 64); err == nil {
			return errors.New("is no size; add a unit: 5MB, 512KB or 5MiB")
		}
		return errors.New("is no size; write a number and one of B, KB, MB, GB, KiB, MiB, GiB, for example 5MB")
	}
	whole, err := strconv.ParseInt(m[1], 10, 64)
	unit := sizeUnits[m[3]]
	if err != nil || whole > math.MaxInt64/unit-1 {
		return errors.New("is too large a size")
	}
	n := whole * unit
	if m[2] != "" {
		thousandths, _ := strconv.ParseInt((m[2] + "00")[:3], 10, 64)
		n += thousandths * unit / 1000
	}
	*b = size(n)
	return nil
}

func (b *size) form() form {
	return form{what: "a size", example: "5MB", pattern: `^[0-9]+(\.[0-9]{1,3})? ?(B|KB|MB|GB|KiB|MiB|GiB)$`}
}

// rate is so many per window: "10/minute", "50/30s".
type rate struct {
	count  int64
	window time.Duration
}

const maxRate = 1_000_000_000

// ParseRate reads a rate as the file writes it: "10/minute", "50/30s". The
// error goes on after the text: "is no rate; …".
func ParseRate(text string) (count int64, window time.Duration, err error) {
	var r rate
	err = r.parse(text)
	return r.count, r.window, err
}

func (r *rate) parse(s string) error {
	const how = "write a number, a slash and second, minute or hour, for example 10/minute or 50/30s"
	left, right, ok := strings.Cut(s, "/")
	if !ok {
		return errors.New("is no rate; " + how)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(left), 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return errors.New("is no rate; " + how)
	case n < 1:
		return errors.New("lets nothing pass; a rate is 1 or more. To lock a service out of a plan, leave it out of `includes`")
	case n > maxRate:
		return fmt.Errorf("is too large a rate; at most %d", maxRate)
	}
	window, err := parseWindow(strings.TrimSpace(right))
	if err != nil {
		return err
	}
	*r = rate{count: n, window: window}
	return nil
}

// parseWindow reads what stands behind a rate's slash.
func parseWindow(s string) (time.Duration, error) {
	switch s {
	case "second", "s", "sec":
		return time.Second, nil
	case "minute", "m", "min":
		return time.Minute, nil
	case "hour", "h":
		return time.Hour, nil
	case "day", "d", "week", "month", "year":
		return 0, errors.New("is no rate; a rate is per second, minute or hour. For a day or month use `quotas`, with `every: day` or `every: month`")
	}
	var d duration
	if err := d.parse(s); err != nil {
		if guess := nearest(s, []string{"second", "minute", "hour"}); guess != "" {
			return 0, fmt.Errorf("is no rate; did you mean per `%s`?", guess)
		}
		return 0, errors.New("is no rate; after the slash stands second, minute, hour or a duration such as 30s")
	}
	w := time.Duration(d)
	if w == 0 {
		return 0, errors.New("has a window of no length; write at least 1s behind the slash")
	}
	if w < time.Second || w > time.Hour || w%time.Second != 0 {
		return 0, errors.New("has a window that is not whole seconds from 1s to 1h; for a day or month use `quotas`")
	}
	return w, nil
}

func (r *rate) form() form {
	return form{what: "a rate", example: "10/minute", pattern: `^[0-9]+ ?/ ?(second|minute|hour|sec|min|s|m|h|([0-9]+(s|m|h))+)$`}
}

// days is a length of time in whole days: "14d".
type days int64

var daysForm = regexp.MustCompile(`^[0-9]{1,5}d$`)

func (d *days) parse(s string) error {
	if !daysForm.MatchString(s) {
		return errors.New("is no number of days; write whole days, for example 14d")
	}
	n, _ := strconv.ParseInt(strings.TrimSuffix(s, "d"), 10, 64)
	*d = days(n)
	return nil
}

func (d *days) form() form {
	return form{what: "a number of days", example: "14d", pattern: daysForm.String()}
}

// share is a part in percent that may have decimals: "8.25%". It is kept
// without the sign.
type share string

var shareForm = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,6})? ?%$`)

func (p *share) parse(s string) error {
	if !shareForm.MatchString(s) {
		if shareForm.MatchString(s + "%") {
			return errors.New("is no share; add a percent sign, for example 20%")
		}
		return errors.New("is no share; write a number and a percent sign, for example 20% or 8.25%")
	}
	text := strings.TrimSpace(strings.TrimSuffix(s, "%"))
	whole, fraction, _ := strings.Cut(text, ".")
	if n, _ := strconv.Atoi(whole); n > 100 || (n == 100 && strings.Trim(fraction, "0") != "") {
		return errors.New("is more than the whole; write 100% or less")
	}
	*p = share(text)
	return nil
}

func (p *share) form() form {
	return form{what: "a share in percent", example: "20%", pattern: shareForm.String()}
}

// percent is a share in whole hundredths: "20%".
type percent int64

func (p *percent) parse(s string) error {
	digits, ok := strings.CutSuffix(s, "%")
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 31)
	switch {
	case !ok && err == nil:
		return errors.New("is no share; add a percent sign, for example 20%")
	case !ok || err != nil:
		return errors.New("is no share; write whole percents, for example 20%")
	}
	*p = percent(n)
	return nil
}

func (p *percent) form() form {
	return form{what: "a share in percent", example: "20%", pattern: `^[0-9]+ ?%$`}
}

// zone is a time zone by its name in the IANA database.
type zone struct{ *time.Location }

func (z *zone) parse(s string) error {
	loc, err := time.LoadLocation(s)
	if err != nil || s == "" || s == "Local" {
		return errors.New("is no time zone; write one by its IANA name, for example UTC or Europe/Berlin")
	}
	z.Location = loc
	return nil
}

func (z *zone) form() form { return form{what: "a time zone", example: "Europe/Berlin"} }
