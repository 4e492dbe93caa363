package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

var visitsLeft = regexp.MustCompile(`"visits";r=(\d+)`)

// byStranger sends one request as a stranger from an address, as a trusted proxy
// would, and tells what is left of the quota per IP; -1 where nothing says it.
func byStranger(client http.RoundTripper, url, from string) (status int, left int64, err error) {
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return 0, -1, err
	}
	request.Header.Set("X-Forwarded-For", from)
	response, err := client.RoundTrip(request)
	if err != nil {
		return 0, -1, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return response.StatusCode, -1, err
	}
	left = -1
	if m := visitsLeft.FindStringSubmatch(response.Header.Get("RateLimit")); m != nil {
		left, err = strconv.ParseInt(m[1], 10, 64)
	}
	return response.StatusCode, left, err
}

const visitsConfig = `
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0", trusted_proxies: [127.0.0.0/8] }
data: %q
time_zone: %s
access_log: off
services:
  site:
    path: /site
    upstreams: [%q]
    access: public
    quotas: [ { name: visits, limit: %d, every: month, per: ip } ]
plans:
  free: { quotas: [ { name: each, limit: 1000, every: day, per: ip } ] }
`

// TestAQuotaPerIPSurvivesKillAfterKill kills the server while strangers call from
// four addresses. After each restart every address has used what it was answered,
// or up to as many more as it had open.
func TestAQuotaPerIPSurvivesKillAfterKill(t *testing.T) {
	t.Parallel()
	const quota, each = 1_000_000, 4
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	data := filepath.Join(dir, "data")
	s.write(fmt.Sprintf(visitsConfig, data, midMonth(), service.URL, quota))
	addresses := []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"}
	used := func(from string) int64 { // before this very request
		t.Helper()
		status, left, err := byStranger(http.DefaultTransport, s.url+"/site/x", from)
		if err != nil || status != 200 || left < 0 {
			t.Fatalf("%s: %d, %d left, %v", from, status, left, err)
		}
		return quota - left - 1
	}
	s.run()
	before := make([]int64, len(addresses))
	dice := rand.New(rand.NewPCG(8, 3))
	for kill := range quotaKills() {
		transport := &http.Transport{MaxIdleConnsPerHost: len(addresses) * each}
		begun, whole := make([]atomic.Int64, len(addresses)), make([]atomic.Int64, len(addresses))
		var all atomic.Int64
		var killed atomic.Bool
		var group sync.WaitGroup
		after := int64(50 + dice.IntN(1000))
		for i, from := range addresses {
			for range each {
				group.Go(func() {
					for !killed.Load() {
						begun[i].Add(1)
						status, _, err := byStranger(transport, s.url+"/site/x", from)
						if err != nil {
							return // killed
						}
						if whole[i].Add(1); status != 200 {
							t.Errorf("%s: answer %d", from, status)
							return
						}
						if all.Add(1) == after {
							killed.Store(true)
							_ = s.cmd.Process.Kill()
						}
					}
				})
			}
		}
		group.Wait()
		transport.CloseIdleConnections()
		s.kill()
		s.run()
		for i, from := range addresses {
			got, answered, begun := used(from)-before[i], whole[i].Load(), begun[i].Load()
			t.Logf("| %d | %s | %d answered | %d open | %d used |", kill+1, from, answered, begun-answered, got)
			if got < answered || got > begun {
				t.Errorf("kill %d, %s: %d were used, want %d, which were answered, to %d", kill+1, from, got, answered, begun)
			}
			before[i] += got + 1
		}
	}
	if code := s.interrupt(t); code != 0 { // all is drained
		t.Fatalf("exit %d", code)
	}
	s.run()
	s.edit(fmt.Sprintf("limit: %d", quota), fmt.Sprintf("limit: %d", before[0]+5))
	if out, errs, code := tollhouse(t, "reload", "--config", s.file); code != 0 {
		t.Fatalf("reload: %d %s %s", code, out, errs)
	}
	statuses := map[int]int{}
	for range 9 {
		status, _, err := byStranger(http.DefaultTransport, s.url+"/site/x", addresses[0])
		if err != nil {
			t.Fatal(err)
		}
		statuses[status]++
	}
	if statuses[200] != 5 || statuses[429] != 4 {
		t.Errorf("with 5 left: %v", statuses)
	}
	if code := s.interrupt(t); code != 0 {
		t.Fatalf("exit %d", code)
	}
	// No address stands anywhere in the data directory, in digits or bytes.
	err := filepath.WalkDir(data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, from := range addresses {
			if strings.Contains(string(content), from) {
				t.Errorf("%s holds the address %s", path, from)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(data, "addresses.secret")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key of the hashes: %v, %v", info, err)
	}
}

// TestAQuotaPerIPGoesOnThroughAnUpgrade has calls admitted by one process and
// answered after another has taken over, and kills that one too.
func TestAQuotaPerIPGoesOnThroughAnUpgrade(t *testing.T) {
	t.Parallel()
	const quota = 40
	u := startUpgradable(t, 10)
	u.write(strings.Replace(u.config, "\nplans:\n", fmt.Sprintf(`
  site: { host: 127.0.0.1, path: /api, upstreams: [%q], access: public, quotas: [ { name: visits, limit: %d, every: month, per: ip } ] }
plans:
`, u.upstream.URL, quota), 1))
	if out, errs, code := tollhouse(t, "reload", "--config", u.file); code != 0 {
		t.Fatalf("reload: %d %s %s", code, out, errs)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", u.plain)
	client := &http.Transport{}
	defer client.CloseIdleConnections()
	used := int64(0)
	call := func(when string, n int) {
		t.Helper()
		for range n {
			status, left, err := byStranger(client, url+"/api/x", "")
			if err != nil || status != 200 {
				t.Fatalf("%s: %d %v", when, status, err)
			}
			if used++; left >= 0 && left > quota-used {
				t.Errorf("%s: %d are left with %d used", when, left, used)
			}
		}
	}
	call("before", 5)
	var held sync.WaitGroup
	var answered atomic.Int64
	for range 6 {
		held.Go(func() {
			if status, _, err := byStranger(&http.Transport{DisableKeepAlives: true}, url+"/api/hold", ""); err == nil && status == 200 {
				answered.Add(1)
			}
		})
	}
	u.until("six calls are held", func() bool { return u.upstream.holding.Load() == 6 })
	u.upgrade()
	used += 6 // reserved over there
	call("after the upgrade", 5)
	close(u.upstream.held)
	held.Wait()
	if answered.Load() != 6 {
		t.Errorf("%d of 6 held calls were answered", answered.Load())
	}
	u.until("the first process has ended", func() bool { return ended(u.pids[0]) })
	call("when the old one is gone", 4)
	_, left, err := byStranger(client, url+"/api/x", "")
	if used++; err != nil || left != quota-used {
		t.Errorf("%d are left of %d with %d used, %v", left, quota, used, err)
	}
	u.upgrade()
	call("after a second upgrade", 2)
	u.until("the second process has ended", func() bool { client.CloseIdleConnections(); return ended(u.pids[1]) })
	if err := syscall.Kill(u.pids[len(u.pids)-1], syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	u.until("the last process has ended", func() bool { return ended(u.pids[len(u.pids)-1]) })
	s := &served{t: t, file: u.file}
	s.run()
	_, left, err = byStranger(client, url+"/api/x", "")
	if used++; err != nil || left != quota-used {
		t.Errorf("started anew: %d are left of %d with %d used, %v", left, quota, used, err)
	}
	if code := s.interrupt(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}
