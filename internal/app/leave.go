package app

import (
	"context"
	"net"
	"syscall"
	"time"

	"github.com/tollhouse/tollhouse/internal/handover"
)

// lastChance is how long idle connections stay open after another process took
// over: a client that sends within it is answered, and told to come anew.
const lastChance = 10 * time.Second

// socket is a listener whose descriptor can be handed over.
type socket interface {
	net.Listener
	syscall.Conn
}

// door is one of the listeners of a server.
type door struct {
	name string
	at   *net.Listener
}

func (a *App) doors() []door {
	return []door{{"http", &a.public}, {"https", &a.secure}, {"admin", &a.admin}, {"authorize", &a.delegate}, {"control", &a.control}}
}

// leave makes the successor decide and count, from now on, and ends this
// process when its last connection has ended.
func (a *App) leave(to *successor) {
	a.after = to
	a.leaving.Store(true)
	a.gate.Leave(to) // first: requests are waiting
	a.told.follow(to)
	for _, d := range a.doors() {
		if *d.at != nil {
			_ = (*d.at).Close() // the socket goes on: the other process has it
		}
	}
	a.farewell.Say()
	a.api.End() // who watches comes again, to the new one
	go a.answerBack(to.back.Stream())
	go func() {
		if a.certificates != nil {
			a.certificates.Close() // only one renews
		}
		a.awaitLast()
		close(a.gone)
	}()
}

// awaitLast returns when nothing is left to do: no connection, no stream, no
// delegated decision that waits to be settled, and no process that this one took
// over from and that still asks it.
func (a *App) awaitLast() {
	ctx := context.Background() // streams have their own limits, and the end of the program ends everything
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for chance := time.After(lastChance); a.crowd.Status().Open > 0; {
		select {
		case <-tick.C:
			continue
		case <-chance:
		}
		break
	}
	for _, s := range a.servers {
		_ = s.Shutdown(ctx) // it ends idle connections and waits for the others
	}
	_ = a.chain.AwaitStreams(ctx)
	for a.decisions != nil && a.decisions.Waiting() > 0 { // each has its own time
		<-tick.C
	}
	if before := a.before.Load(); before != nil {
		<-before.ended
	}
}

// notifyReady tells the service manager that this server is ready, unless it
// took over from one that has told it already.
func (a *App) notifyReady() error {
	if a.before.Load() != nil {
		return nil
	}
	return handover.Notify("READY=1")
}
