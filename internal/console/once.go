package console

import (
	"container/list"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// How long a form's token is remembered, and how long its answer is given
// again: long enough for a double click and an impatient reload, short for what
// may hold a key's text.
const (
	rememberToken  = 24 * time.Hour
	rememberAnswer = 2 * time.Minute
	mostTokens     = 10_000
)

// once does what a form asks once, however often it is sent. It is in memory:
// after a restart a form that is sent again counts as new.
type once struct {
	mu    sync.Mutex
	sent  map[string]*list.Element
	order *list.List // the oldest first
}

type sentForm struct {
	key    string
	at     time.Time
	done   chan struct{} // closed when answer stands
	answer *answer       // nil when it failed, or is forgotten
}

func newOnce() *once { return &once{sent: map[string]*list.Element{}, order: list.New()} }

// do calls f for the first form with this key and gives its answer to all that
// come at the same time or soon after. Later ones get a Conflict. An f that
// fails is forgotten, so that the form can be sent again.
func (o *once) do(key string, now time.Time, f func() (*answer, error)) (*answer, error) {
	o.mu.Lock()
	o.sweep(now)
	if e, ok := o.sent[key]; ok {
		form := e.Value.(*sentForm)
		o.mu.Unlock()
		<-form.done
		o.mu.Lock()
		defer o.mu.Unlock()
		if form.answer == nil {
			return nil, toll.Errorf(toll.Conflict, "This form was sent already. Look at the list to see what it did.")
		}
		return form.answer, nil
	}
	form := &sentForm{key: key, at: now, done: make(chan struct{})}
	e := o.order.PushBack(form)
	o.sent[key] = e
	o.mu.Unlock()

	var a *answer
	var err error
	defer func() { // also when f panics
		o.mu.Lock()
		defer o.mu.Unlock()
		form.answer = a
		if a == nil {
			o.order.Remove(e)
			delete(o.sent, key)
		}
		close(form.done)
	}()
	a, err = f()
	if err != nil {
		a = nil
	}
	return a, err
}

func (o *once) sweep(now time.Time) {
	for e := o.order.Front(); e != nil; {
		form, next := e.Value.(*sentForm), e.Next()
		age := now.Sub(form.at)
		switch {
		case age > rememberToken || o.order.Len() > mostTokens:
			o.order.Remove(e)
			delete(o.sent, form.key)
		case age > rememberAnswer:
			form.answer = nil
		default:
			return
		}
		e = next
	}
}
