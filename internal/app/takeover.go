package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/handover"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Heir is this process's side of an upgrade that it was started for.
type Heir struct{ *handover.Heir }

// Inherit tells the running process that this one is there, when it was
// started to take over; else it returns nil. It is called before anything that
// may fail, and Fail with whatever does.
func Inherit() (*Heir, error) {
	h, err := handover.Begin(Version().Version)
	if h == nil {
		return nil, err
	}
	return &Heir{h}, err
}

// Fail tells the running process why this one does not take over; a nil Heir
// has nobody to tell.
func (h *Heir) Fail(err error) {
	if h != nil && err != nil {
		h.Heir.Fail(Say(err))
	}
}

// inheritance is what comes with the last step.
type inheritance struct {
	Counters gate.Estate
	Changes  []Change // of customers and keys, since this process began to read them
}

// takeOver is start for a process that takes over from a running one. It
// accepts nothing before that one has confirmed the last step.
func (a *App) takeOver(ctx context.Context) error {
	doors, err := a.heir.Listeners(func(f handover.Facts) error { return sameFacts(f, factsOf(a.cfg)) })
	if err != nil {
		return err
	}
	a.takeDoors(doors)
	err = a.heir.Lock(func(f *os.File) error {
		a.rooms.lock, err = journal.Inherit(a.cfg.Data, f)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.openListeners(); err != nil { // those that the configuration has anew
		return err
	}
	if err := a.openBooks(ctx, nil); err != nil {
		return err
	}
	if err := a.openGate(ctx); err != nil {
		return err
	}
	if err := a.openFront(ctx); err != nil {
		return err
	}
	err = a.heir.Drainer(func() error {
		a.startDrainer()
		return a.drainer.DrainDead(ctx) // and follow what the running process still writes
	})
	if err != nil {
		return err
	}
	lender := gate.NewLender(a.gate)
	var all inheritance
	err = a.heir.Counters(&all, func() error {
		for _, c := range all.Changes {
			a.hear(c)
		}
		a.gate.Inherit(&all.Counters, lender)
		return a.rooms.lock.Sign()
	})
	if err != nil {
		return err
	}
	before := newPredecessor(a.heir.Back())
	a.before.Store(before) // whoever comes in may ask for what is its
	if err := a.openDoors(); err != nil {
		return err
	}
	asked := a.heir.Serving()
	a.heir = nil
	go before.answer(asked, &questions{a, lender})
	return nil
}

// takeDoors takes the listeners whose addresses the configuration still names,
// and closes the others.
func (a *App) takeDoors(doors []handover.Door) {
	named := map[string]string{"http": a.cfg.Listen.HTTP, "https": a.cfg.Listen.HTTPS, "admin": a.cfg.Listen.Admin, "authorize": a.cfg.Listen.Authorize}
	for _, d := range doors {
		i := slices.IndexFunc(a.doors(), func(own door) bool { return own.name == d.Name })
		if i < 0 || d.Name != "control" && named[d.Name] != d.Address {
			_ = d.Listener.Close() // the running process has its own
			continue
		}
		*a.doors()[i].at = d.Listener
	}
}

// sameFacts refuses a configuration that would count otherwise.
func sameFacts(running, own handover.Facts) error {
	var differ []string
	for name, value := range running {
		if own[name] != value {
			differ = append(differ, name)
		}
	}
	if len(differ) == 0 {
		return nil
	}
	slices.Sort(differ)
	return toll.Errorf(toll.Conflict, "the configuration names another %s than the running server's, and what is counted hangs on it; put it back, or restart", strings.Join(differ, " and another "))
}

// fingerprint stands for a text that is not to be told.
func fingerprint(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

func zoneName(z *time.Location) string {
	if z == nil {
		z = time.UTC
	}
	return z.String()
}

// hear makes a change that the other process made hold here.
func (a *App) hear(c Change) {
	if c.Customer != nil && a.gate.PutCustomer(*c.Customer) {
		a.keeper.CustomerChanged(*c.Customer)
	}
	if c.Key != nil && a.gate.PutKey(*c.Key) {
		a.keeper.KeyChanged(*c.Key)
	}
}
