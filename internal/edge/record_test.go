package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestTheEventIsRecordedBeforeTheLastByte(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"a short body", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "short") }},
		{"a long body of known length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "300000")
			fmt.Fprint(w, strings.Repeat("x", 300000))
		}},
		{"a chunked body", func(w http.ResponseWriter, _ *http.Request) {
			for range 10 {
				fmt.Fprint(w, strings.Repeat("x", 1000))
				w.(http.Flusher).Flush()
			}
		}},
		{"no body", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, c.answer)
			reached, proceed := make(chan struct{}), make(chan struct{})
			h.recorder.BeforeRecord = func() { close(reached); <-proceed }
			conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", h.key)
			whole := make(chan error, 1)
			go func() {
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err == nil {
					_, err = io.Copy(io.Discard, response.Body)
				}
				whole <- err
			}()
			<-reached
			select {
			case <-whole:
				t.Fatal("the client had the whole answer before it was recorded")
			case <-time.After(20 * time.Millisecond): // it is held back, however long
			}
			close(proceed)
			if err := <-whole; err != nil {
				t.Fatal(err)
			}
			if n := len(h.recorder.Events()); n != 1 {
				t.Errorf("%d events, want 1", n)
			}
		})
	}
}

func TestUnitsComeFromHeaderOrTrailerAndDoNotReachTheClient(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "trailer") {
			w.Header().Set("Trailer", "Tollhouse-Usage, X-Kept")
			fmt.Fprint(w, "long ")
			w.(http.Flusher).Flush()
			fmt.Fprint(w, "answer")
			w.Header().Set("Tollhouse-Usage", "words=2")
			w.Header().Set("X-Kept", "yes")
			return
		}
		w.Header().Set("Tollhouse-Usage", "words=7, letters=3")
		fmt.Fprint(w, "answer")
	})
	response, body := h.call(t, "GET", "/v1/ner/header", "")
	if response.Header.Get("Tollhouse-Usage") != "" || body != "answer" {
		t.Errorf("the client saw %v %q", response.Header, body)
	}
	response, body = h.call(t, "GET", "/v1/ner/trailer", "")
	if body != "long answer" || response.Trailer.Get("Tollhouse-Usage") != "" || response.Trailer.Get("X-Kept") != "yes" {
		t.Errorf("the client saw the body %q and the trailer %v", body, response.Trailer)
	}
	events := h.recorder.Events()
	if len(events) != 2 || events[0].Units[0].Count != 7 || len(events[0].Units) != 1 || events[1].Units[0].Count != 2 {
		t.Errorf("the events are %+v", events)
	}
	if s := <-h.seen; s.BadUsage != 1 || s.SaidUsage != "words=7, letters=3" {
		t.Errorf("%d refused values in %q, want 1", s.BadUsage, s.SaidUsage)
	}
}

func TestAnAnswerThatBreaksOffIsNotWholeForTheClientAndNotBilled(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "200000")
		fmt.Fprint(w, strings.Repeat("x", 100000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	request, err := http.NewRequest("GET", h.url+"/v1/ner/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", h.key)
	response, err := transport.RoundTrip(request)
	if err == nil { // the head may have come before the break
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err == nil {
			t.Error("the client took half an answer for a whole one")
		}
	}
	<-h.seen
	if events := h.recorder.Events(); len(events) != 1 || events[0].Class != toll.NotBillable {
		t.Errorf("the events are %+v", events)
	}
}

func TestWhatCannotBeJournalledIsNotServedUnlessConfigured(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") })
	h.recorder.BeforeRecord = func() { h.recorder.Fail(toll.Errorf(toll.Unavailable, "the disk is full")) }
	response, body := h.call(t, "GET", "/v1/ner/", "")
	problemOf(t, response, body, 503, "journal-full")
	h.recorder.Fail(nil)
	h.full.Store(true)
	if response, body := h.call(t, "GET", "/v1/ner/", ""); response.StatusCode != 200 || body != "fine" {
		t.Errorf("with serve-unmetered: %s %q", response.Status, body)
	}
}

func TestHeadHasNoBodyAndIsOneEvent(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "12345") })
	response, body := h.call(t, "HEAD", "/v1/ner/", "")
	if response.StatusCode != 200 || response.ContentLength != 12345 || body != "" {
		t.Errorf("%s, length %d, body %q", response.Status, response.ContentLength, body)
	}
	if n := len(h.recorder.Events()); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestARequestIsOutOfDoubtOnlyWhenItsLastByteIsOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"known length", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "short") }},
		{"chunked", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "part")
			w.(http.Flusher).Flush()
			fmt.Fprint(w, "rest")
		}},
		{"no body", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, c.answer)
			read := make(chan error, 1)
			closed := make(chan bool, 1)
			h.recorder.OnDone = func(delivered bool) {
				// While the request is being closed the client can read its answer
				// whole: nothing of it is still in the program.
				closed <- delivered && <-read == nil
			}
			conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil { // only a failing test waits for it
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n\r\n", h.key)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
			}
			read <- err
			if !<-closed {
				t.Errorf("the request was closed before its answer was out: %v", err)
			}
		})
	}
}
