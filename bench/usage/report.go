package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// report is everything that was measured.
type report struct {
	settings settings
	began    time.Time
	load     loaded
	sizes    []size
	verified string
	answers  []answer
	drains   []drainRate
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }

func (r *report) text() string {
	var b bytes.Buffer
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Fprintf(&b, "%s, %s, %d CPUs, linux %s. `go run ./bench/usage -dir DIR -events %d -customers %d -days %d -seed %d -runs %d -drained %d`\n",
		r.began.UTC().Format("2006-01-02"), runtime.Version(), runtime.NumCPU(), strings.TrimSpace(string(kernel)), r.settings.events, r.settings.customers, r.settings.days, r.settings.seed, r.settings.runs, r.settings.drained)
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(&b, "\nPostgreSQL 15 with fsync and synchronous_commit on, shared_buffers=1GB, on the same machine. Load average at the end: %s.\n", strings.Join(strings.Fields(string(load))[:3], " "))
	if r.load.making > 0 {
		fmt.Fprintf(&b, "Made and copied in %v, indexed in %v.\n", r.load.making.Round(time.Second), r.load.indexing.Round(time.Second))
	}
	if r.verified != "" {
		fmt.Fprintf(&b, "All single events added up again in SQL agree with all seven rollups: `%s`.\n", r.verified)
	}
	b.WriteString("\n| table | rows | MB | indexes MB | bytes a row, with indexes |\n|---|---|---|---|---|\n")
	var total int64
	for _, s := range r.sizes {
		total += s.bytes + s.indexes
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", s.name, s.rows, s.bytes/1e6, s.indexes/1e6, (s.bytes+s.indexes)/max(s.rows, 1))
	}
	fmt.Fprintf(&b, "| all | | %d | | |\n", total/1e6)
	if len(r.answers) > 0 {
		fmt.Fprintf(&b, "\nEach question asked %d times, of customers of all sizes, in milliseconds:\n", len(r.answers[0].warm))
		b.WriteString("\n| question | points | warm p50 | p99 | p99 alone | cold p50 | p99 | p99 alone |\n|---|---|---|---|---|---|---|---|\n")
		for _, a := range r.answers {
			fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s | %s | %s |\n", a.name, a.points, ms(percentile(a.warm, 50)), ms(percentile(a.warm, 99)), ms(percentile(a.warmAlone, 99)),
				ms(percentile(a.cold, 50)), ms(percentile(a.cold, 99)), ms(percentile(a.coldAlone, 99)))
		}
		b.WriteString("\nalone: without the time in which the server or this program was ready to run and another process of the machine had the CPU.\n")
	}
	if len(r.drains) > 0 {
		fmt.Fprintf(&b, "\nStoring further events in the full database, %d at a time, in turns:\n", atOnce)
		b.WriteString("\n| | events | events/s | client CPU µs/event | server CPU µs/event |\n|---|---|---|---|---|\n")
		for _, d := range r.drains {
			n := float64(d.events)
			fmt.Fprintf(&b, "| %s | %d | %.0f | %.1f | %.1f |\n", d.name, d.events, n/d.took.Seconds(), float64(d.client.Microseconds())/n, float64(d.server.Microseconds())/n)
		}
	}
	return b.String()
}

const (
	beginsAt = "<!-- the last result of bench/usage; go run ./bench/usage -write writes it -->"
	endsAt   = "<!-- the end of the last result of bench/usage -->"
)

func (r *report) print() error {
	text := r.text()
	fmt.Print(text)
	if !r.settings.write {
		return nil
	}
	name := filepath.Join("bench", "results", r.began.UTC().Format("2006-01-02-1504")+"-usage.md")
	if err := os.WriteFile(name, []byte("# bench/usage\n\n"+text), 0o644); err != nil {
		return err
	}
	readme := filepath.Join("bench", "README.md")
	old, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(old), beginsAt)
	_, after, ended := strings.Cut(rest, endsAt)
	if !found || !ended {
		return fmt.Errorf("%s has no place for the result: %s … %s", readme, beginsAt, endsAt)
	}
	return os.WriteFile(readme, []byte(before+beginsAt+"\n\n"+text+"\n"+endsAt+after), 0o644)
}
