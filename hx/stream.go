package hx

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// After adds a place to the address of a stream, which then begins there:
// After("/events", hub.LastID()).
func After(path, id string) string {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + "after=" + url.QueryEscape(id)
}

// Serve sends the events of some topics, at least one, to one client until it
// leaves, its Lifetime is over or the hub drains. Which topics a client may
// hear is the caller's to decide, before this call. The stream begins after
// the event that Last-Event-ID names, else after the one that the query's
// "after" names, else now.
//
// The answer is text/event-stream and never kept. A method other than GET gets
// 405; a hub that is full or draining answers 503 with Retry-After. The
// returned error says why the stream ended, for a log of debugging: nil when the
// client left or the stream was ended as it should.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, topics ...string) error {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "A stream is read by GET.", http.StatusMethodNotAllowed)
		return nil
	}
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = r.URL.Query().Get("after")
	}
	c, gap, err := h.join(unique(topics), after)
	if err != nil {
		w.Header().Set("Retry-After", strconv.Itoa(1+int(h.o.Retry/time.Second)))
		w.Header().Set("Cache-Control", NoStore.String())
		http.Error(w, "No more streams at this moment. Please come back.", http.StatusServiceUnavailable)
		return err
	}
	defer h.leave(c)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no") // nginx
	header.Del("Content-Length")
	w.WriteHeader(http.StatusOK)
	s := stream{h: h, c: c, w: w, control: http.NewResponseController(w)}
	return s.run(r, gap)
}

// stream is the writing end of a client.
type stream struct {
	h       *Hub
	c       *client
	w       http.ResponseWriter
	control *http.ResponseController
	frames  [][]byte
}

func (s *stream) run(r *http.Request, gap bool) error {
	o := &s.h.o
	// The ID alone moves the client's place without an event, so that it can
	// come back to it before it has received any.
	if err := s.write(fmt.Appendf(nil, "retry: %d\nid: %s\n\n", o.Retry.Milliseconds(), position{s.h.epoch, s.c.cursor})); err != nil {
		return err
	}
	end := time.NewTimer(o.Lifetime + rand.N(o.Lifetime/10+1))
	defer end.Stop()
	beat := time.NewTimer(o.Heartbeat)
	defer beat.Stop()
	for {
		var err error
		if !gap {
			s.frames, gap = s.h.next(s.c, s.frames[:0])
		}
		switch {
		case gap:
			gap = false
			err = s.write(fmt.Appendf(nil, "id: %s\nevent: %s\ndata: some events are lost\n\n", position{s.h.epoch, s.c.cursor}, GapEvent))
		case len(s.frames) > 0:
			err = s.write(s.frames...)
		default:
			select {
			case <-s.c.wake:
				continue
			case <-beat.C:
				err = s.write([]byte(": \n\n"))
			case <-end.C:
				return nil
			case <-s.h.drain:
				// htmx 4 takes retry from an event with a name or data only.
				return s.write(fmt.Appendf(nil, "retry: %d\nevent: %s\ndata: come back soon\n\n", (o.Retry + rand.N(o.Retry)).Milliseconds(), DrainEvent))
			case <-r.Context().Done():
				return nil
			}
		}
		if err != nil {
			if r.Context().Err() != nil {
				return nil
			}
			return err
		}
		select { // a client that always has something to read ends too
		case <-end.C:
			return nil
		case <-r.Context().Done():
			return nil
		default:
		}
		beat.Reset(o.Heartbeat)
	}
}

// write sends pieces and flushes them, within the write timeout. In between
// there is no deadline: HTTP/2 ends a stream when one passes, also when nothing
// is being written, and so does a server's own WriteTimeout.
func (s *stream) write(pieces ...[]byte) error {
	if err := s.deadline(time.Now().Add(s.h.o.WriteTimeout)); err != nil {
		return err
	}
	for _, p := range pieces {
		if _, err := s.w.Write(p); err != nil {
			return fmt.Errorf("hx: writing to a stream: %w", err)
		}
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("hx: flushing a stream: %w", err)
	}
	return s.deadline(time.Time{})
}

func (s *stream) deadline(at time.Time) error {
	if err := s.control.SetWriteDeadline(at); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("hx: a stream's deadline: %w", err)
	}
	return nil
}

// unique drops topics that are named twice.
func unique(names []string) []string {
	var all []string
	seen := make(map[string]bool, len(names))
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			all = append(all, n)
		}
	}
	return all
}
