package e2e

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStreamsLiveThroughAReloadAndAnUpgrade keeps a WebSocket over each
// listener and an event stream open while the configuration is reloaded and the
// program replaced: a moment in every run, sixty seconds in the proof (make
// proof-upgrade). Nothing is cut, and no event lost.
func TestStreamsLiveThroughAReloadAndAnUpgrade(t *testing.T) {
	t.Parallel()
	lasts := time.Duration(fromEnvironment("TOLLHOUSE_UPGRADE_STREAM_SECONDS", 2)) * time.Second
	u := startUpgradable(t, 1000)
	var over atomic.Bool
	var echoes, events atomic.Int64
	var streams sync.WaitGroup
	for what, line := range map[string]*oneLine{"WebSocket": u.plainLine(), "WebSocket over TLS": u.secureLine()} {
		s := &webSocket{*line}
		if err := s.dial("/api/socket", u.keys["load"]); err != nil {
			t.Fatal(err)
		}
		streams.Go(func() {
			for n := 0; !over.Load(); n++ {
				if err := s.echo(fmt.Sprint("message ", n)); err != nil {
					t.Errorf("%s, message %d: %v", what, n, err)
					return
				}
				echoes.Add(1)
				time.Sleep(5 * time.Millisecond)
			}
			if err := s.leave(); err != nil {
				t.Errorf("%s, leaving: %v", what, err)
			}
		})
	}
	streams.Go(func() {
		err := u.listen(func(int) bool { events.Add(1); return !over.Load() })
		if err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	at := func(part time.Duration) {
		u.until("the streams have flowed for a while", func() bool { return time.Since(began) >= lasts*part/4 && events.Load() > 5*int64(part) })
	}

	at(1)
	u.write(strings.Replace(u.config, "path: /api,", "path: /api, security_headers: true,", 1))
	ask[struct{}](t, "reload", "--config", u.file)
	at(2)
	out := u.upgrade()
	at(3)
	u.write(strings.Replace(u.config, "rate: 1000000/second", "rate: 2000000/second", 1)) // the new process reads it
	ask[struct{}](t, "reload", "--config", u.file)
	at(4)
	if ended(out.Was) {
		t.Error("the old process has ended before its streams")
	}
	over.Store(true)
	streams.Wait()
	u.finish()
	if requests, words := u.received(); requests != 3 || words != 9 {
		t.Errorf("the audit has %d requests and %d words, want three streams with three words each", requests, words)
	}
	t.Logf("%s: %d echoes over two WebSockets and %d events, across two reloads and an upgrade; nothing cut, none lost", time.Since(began).Round(time.Second), echoes.Load(), events.Load())
}
