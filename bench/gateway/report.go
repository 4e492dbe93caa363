package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// result is what one proxy made of one phase.
type result struct {
	samples []sample
	memory  int64 // bytes, peak, since the process began
}

// of is the median of one figure over the rounds.
func (r *result) of(figure func(sample) float64) float64 {
	all := make([]float64, len(r.samples))
	for i, s := range r.samples {
		all[i] = figure(s)
	}
	slices.Sort(all)
	if n := len(all); n%2 == 0 {
		return (all[n/2-1] + all[n/2]) / 2
	}
	return all[len(all)/2]
}

func cpuOf(s sample) float64  { return s.cpu }
func rateOf(s sample) float64 { return s.rate }
func p50Of(s sample) float64  { return float64(s.p50) / 1e6 }
func p99Of(s sample) float64  { return float64(s.p99) / 1e6 }

// report is all that was measured.
type report struct {
	settings settings
	versions []string
	missing  []string
	phases   []phase
	began    time.Time
	load     float64 // the machine's load average before
	others   float64 // the share of the machine that others used meanwhile, 0 to 1
}

// From these on a result is not to be relied on: the load average before, and the
// share of the machine that others used meanwhile.
const (
	busyLoad   = 4
	busyOthers = 0.1
)

// markdown says it in tables.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %d CPUs, %s, %s. Medians of %d rounds of %d s in turns. GET of 1 KiB over keep-alive, all on one machine. Load: wrk -t2 (HTTP/1.1), h2load -t2 (HTTP/2), the light one by this program itself.\n\n",
		r.began.UTC().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), kernel(), strings.Join(r.versions, ", "), r.settings.rounds, r.settings.seconds)
	fmt.Fprintf(&b, "Load average of the machine before: %.1f. Other work used %.0f %% of it meanwhile.", r.load, r.others*100)
	if r.load > busyLoad || r.others > busyOthers {
		b.WriteString(" **The machine was busy with other work: these figures are not to be relied on.**")
	}
	b.WriteString("\n")
	if len(r.missing) > 0 {
		fmt.Fprintf(&b, "Not installed, so left out: %s.\n", strings.Join(r.missing, ", "))
	}
	for _, p := range r.phases {
		fmt.Fprintf(&b, "\n### %s\n\n", p.title)
		if p.light {
			b.WriteString("| | CPU µs/request | of nginx's | p50 ms | p99 ms |\n|---|---|---|---|---|\n")
		} else {
			b.WriteString("| | CPU µs/request | of nginx's | requests/s | p50 ms | p99 ms | peak RSS MB |\n|---|---|---|---|---|---|---|\n")
		}
		for _, x := range p.sorted() {
			got := p.results[x]
			cpu, ratio := fmt.Sprintf("%.1f", got.of(cpuOf)), "–"
			if base := p.base(x.job); base != nil {
				ratio = fmt.Sprintf("%.2f", got.of(cpuOf)/p.results[base].of(cpuOf))
			}
			name := x.name
			if x.ours {
				name = "**" + name + "**"
			}
			if p.light {
				fmt.Fprintf(&b, "| %s | %s | %s | %.2f | %.2f |\n", name, cpu, ratio, got.of(p50Of), got.of(p99Of))
				continue
			}
			p50, p99 := "–", "–" // h2load does not tell
			if got.of(p99Of) > 0 {
				p50, p99 = fmt.Sprintf("%.1f", got.of(p50Of)), fmt.Sprintf("%.1f", got.of(p99Of))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %.0f | %s | %s | %.0f |\n", name, cpu, ratio, got.of(rateOf), p50, p99, float64(got.memory)/1e6)
		}
		if with, without := p.own("gateway"), p.own("plain"); with != nil && without != nil {
			a, b2 := p.results[with].of(cpuOf), p.results[without].of(cpuOf)
			fmt.Fprintf(&b, "\nKey, plan, limits, quota and journal on top of our own plain proxy (which journals and logs as well): %+.1f µs (%+.0f %%).\n", a-b2, (a/b2-1)*100)
		}
	}
	return b.String()
}

// sorted gives a phase's proxies, the gateways first, then by what they cost.
func (p *phase) sorted() []*proxy {
	rank := map[string]int{"gateway": 0, "plain": 1, "": 2}
	all := slices.Clone(p.proxies)
	slices.SortStableFunc(all, func(a, b *proxy) int {
		return cmp.Or(cmp.Compare(rank[a.job], rank[b.job]), cmp.Compare(p.results[a].of(cpuOf), p.results[b].of(cpuOf)))
	})
	return all
}

// base is whom the proxies of a job are compared with, nil when it is not there.
func (p *phase) base(job string) *proxy {
	for _, x := range p.proxies {
		if x.base && x.job == job {
			return x
		}
	}
	return nil
}

func (p *phase) own(job string) *proxy {
	for _, x := range p.proxies {
		if x.ours && x.job == job {
			return x
		}
	}
	return nil
}

// kernel is its name and the first two numbers of its version.
func kernel() string {
	out, err := exec.Command("uname", "-r").Output()
	parts := strings.SplitN(string(out), ".", 3)
	if err != nil || len(parts) < 3 {
		return runtime.GOOS
	}
	return runtime.GOOS + " " + parts[0] + "." + parts[1]
}

// The result stands in bench/README.md between these lines.
const (
	mark    = "<!-- the last result of bench/gateway; go run ./bench/gateway -write writes it -->\n"
	endMark = "<!-- end of the last result -->\n"
)

// keep writes the result into bench/results, and into bench/README.md.
func (r *report) keep(text string) error {
	name := filepath.Join("bench", "results", r.began.UTC().Format("2006-01-02-1504")+"-gateway.md")
	command := "go run ./bench/gateway"
	for _, arg := range os.Args[1:] {
		command += " " + filepath.Base(arg) // where things lie on this machine is nobody's business
	}
	if err := os.WriteFile(name, []byte("# Gateway and plain proxy\n\nCommand: `"+command+"`\n\n"+text), 0o600); err != nil {
		return err
	}
	page := filepath.Join("bench", "README.md")
	content, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(content), mark)
	_, after, ended := strings.Cut(rest, endMark)
	if !found || !ended {
		return fmt.Errorf("%s has no place for the result", page)
	}
	return os.WriteFile(page, []byte(before+mark+"\n"+text+"\n"+endMark+after), 0o600)
}
