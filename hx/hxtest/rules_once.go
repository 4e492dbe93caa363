package hxtest

import (
	"net/url"
	"sync"
)

// once: the same form, twice one after the other and twice at a time.
func (e *examination) once() {
	if !e.route.Once || e.route.Form == nil || e.route.Effects == nil {
		return
	}
	for _, a := range e.asks() {
		values := e.route.Form()
		e.twice(a, a.name+", sent again", func(send func() reply) [2]reply { return [2]reply{send(), send()} }, values)
		values = e.route.Form()
		e.twice(a, a.name+", sent twice at a time", func(send func() reply) [2]reply {
			var both [2]reply
			var wait sync.WaitGroup
			for i := range both {
				wait.Go(func() { both[i] = send() })
			}
			wait.Wait()
			return both
		}, values)
	}
}

func (e *examination) twice(a ask, name string, how func(func() reply) [2]reply, values url.Values) {
	before := e.route.Effects()
	both := how(func() reply { return e.send(e.request(a, signedIn, values)) })
	if n := e.route.Effects() - before; n != 1 {
		e.find(Once, name, "it was done %d times", n)
	}
	first, second := both[0], both[1]
	if first.panic != nil || second.panic != nil {
		e.find(Panic, name, "%s and %s", first, second)
		return
	}
	if first.status != second.status || first.body != second.body || first.led() != second.led() || first.header.Get("Location") != second.header.Get("Location") {
		e.find(Once, name, "the second got %s, the first %s", second, first)
	}
}
