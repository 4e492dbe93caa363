package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// clients send the gateway's requests; each takes its turn.
const clients = 16

// requests sends so many a second with the key and says how long each took. A
// time runs from when the request was sent, or from when it was due where the
// answer before it came too late: a stall counts for all who would have met it.
func (h *house) requests(perSecond int, length time.Duration) ([]time.Duration, error) {
	var mu sync.Mutex // guards what follows
	var took []time.Duration
	var failed error
	every := time.Second * clients / time.Duration(perSecond)
	start := time.Now()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			mine, err := h.pace(start.Add(every*time.Duration(i)/clients), start.Add(length), every)
			mu.Lock()
			defer mu.Unlock()
			took, failed = append(took, mine...), errors.Join(failed, err)
		})
	}
	all.Wait()
	return took, failed
}

func (h *house) pace(due, end time.Time, every time.Duration) (took []time.Duration, err error) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	free := time.Now()
	for ; due.Before(end); due = due.Add(every) {
		from := due
		if free.Before(due) {
			time.Sleep(time.Until(due))
			from = time.Now()
		}
		request, err := http.NewRequest("GET", "http://"+h.address+"/x", nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set("X-API-Key", h.key)
		response, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the gateway answered %s", response.Status)
		}
		free = time.Now()
		took = append(took, free.Sub(from))
	}
	return took, nil
}

// tally is what became of sign-ins.
type tally struct {
	in, wrong, busy int // signed in, told that it is wrong, told to come again
	took            []time.Duration
}

func (t *tally) add(o tally) {
	t.in, t.wrong, t.busy, t.took = t.in+o.in, t.wrong+o.wrong, t.busy+o.busy, append(t.took, o.took...)
}

// sentFrom is the last address that somebody signed in from.
var sentFrom struct {
	sync.Mutex
	n int
}

// newAddress is one of 127.0.0.0/8 that nobody signed in from before: the bound
// of sign-ins from an address would end the crowd instead of the program.
func newAddress() net.IP {
	sentFrom.Lock()
	defer sentFrom.Unlock()
	sentFrom.n++
	return net.IPv4(127, 1+byte(sentFrom.n/62500), 1+byte(sentFrom.n/250%250), 1+byte(sentFrom.n%250))
}

// signIns lets so many sign in at once, each again when it was answered.
func (h *house) signIns(crowd int, length time.Duration, strangers bool) (all tally, err error) {
	var mu sync.Mutex // guards what is given back
	end := time.Now().Add(length)
	var done sync.WaitGroup
	for range crowd {
		done.Go(func() {
			mine, failed := h.signInUntil(end, strangers)
			mu.Lock()
			defer mu.Unlock()
			all.add(mine)
			err = errors.Join(err, failed)
		})
	}
	done.Wait()
	return all, err
}

func (h *house) signInUntil(end time.Time, strangers bool) (t tally, err error) {
	for time.Now().Before(end) {
		from := newAddress()
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
		transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
		client := &http.Client{Transport: transport, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		email, password := operator, h.password
		if strangers {
			email, password = fmt.Sprintf("nobody-%s@house.example", from), "not the password"
		}
		form := url.Values{"email": {email}, "password": {password}}
		began := time.Now()
		response, err := client.Post("http://"+h.address+"/sign-in", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
		if err != nil {
			return t, err
		}
		_, err = io.Copy(io.Discard, response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			return t, err
		}
		t.took = append(t.took, time.Since(began))
		switch response.StatusCode {
		case http.StatusSeeOther:
			t.in++
		case http.StatusUnprocessableEntity:
			t.wrong++
		case http.StatusServiceUnavailable, http.StatusTooManyRequests:
			t.busy++
		default:
			return t, fmt.Errorf("a sign-in was answered %s", response.Status)
		}
	}
	return t, nil
}
