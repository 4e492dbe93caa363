package handover

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// variable tells a process that it was started to take over, and the number of
// its end of the socket pair.
const variable = "TOLLHOUSE_HANDOVER"

// Heir is the new process's side. Its methods are called once each, in their
// order; after an error it has to end.
type Heir struct{ conn, back *Conn }

// Begin tells the running process that this one is there. It returns nil when
// this process was started as any other.
func Begin(version string) (*Heir, error) {
	text, there := os.LookupEnv(variable)
	if !there {
		return nil, nil //nolint:nilnil // there is no heir, and nothing is wrong
	}
	if err := os.Unsetenv(variable); err != nil { // it is for this process alone
		return nil, err
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, toll.Errorf(toll.Invalid, "%s=%q names no descriptor; it is set by `tollhouse upgrade`, and by nobody else", variable, text)
	}
	conn, err := newConn(os.NewFile(uintptr(fd), "handover"))
	if err != nil {
		return nil, err
	}
	return Greet(conn, version)
}

// Greet is Begin over a connection.
func Greet(conn *Conn, version string) (*Heir, error) {
	h := &Heir{conn: conn}
	return h, h.gone(conn.send(hello, greeting{Protocol, os.Getpid(), version}))
}

// gone puts into words that the running process has ended.
func (h *Heir) gone(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the process that started this upgrade cannot be reached: %w", err)
}

// Door is a listener that was handed over.
type Door struct {
	Name, Address string
	Listener      net.Listener
}

// Listeners takes the doors. Nothing may be accepted before Ready. Check is
// asked about the running process's Facts first, and what it answers ends the
// upgrade.
func (h *Heir) Listeners(check func(Facts) error) (taken []Door, err error) {
	var announced doors
	files, err := h.conn.receive(listeners, &announced)
	if err != nil {
		return nil, h.gone(err)
	}
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close()) // the listener has its own
		}
		if err != nil {
			for _, d := range taken {
				_ = d.Listener.Close()
			}
			taken = nil
		}
	}()
	if len(files) != len(announced.Doors) {
		return nil, fmt.Errorf("%d listeners were announced, and %d came", len(announced.Doors), len(files))
	}
	if err := check(announced.Facts); err != nil {
		return nil, err
	}
	for i, d := range announced.Doors {
		l, err := net.FileListener(files[i])
		if err != nil {
			return taken, fmt.Errorf("taking the listener %s over: %w", d.Name, err)
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false) // its path is for whoever comes after
		}
		taken = append(taken, Door{d.Name, d.Address, l})
	}
	return taken, h.confirm()
}

func (h *Heir) confirm() error { return h.gone(h.conn.send(taken, nil)) }

// Lock takes the data directory's lock, which is held from now on by both, and
// the connection by which the running process is asked.
func (h *Heir) Lock(take func(*os.File) error) error {
	files, err := h.conn.receive(lock, nil)
	if err != nil {
		return h.gone(err)
	}
	if len(files) != 2 {
		return fmt.Errorf("%d descriptors came with the lock", len(files))
	}
	if h.back, err = newConn(files[1]); err != nil {
		return errors.Join(err, files[0].Close())
	}
	if err := take(files[0]); err != nil {
		return errors.Join(err, files[0].Close())
	}
	return h.confirm()
}

// Drainer says that everything is prepared, and returns when the running
// process has stopped draining. Drained is called then, and starts to.
func (h *Heir) Drainer(drain func() error) error {
	if err := h.conn.send(prepared, nil); err != nil {
		return h.gone(err)
	}
	if _, err := h.conn.receive(drainer, nil); err != nil {
		return h.gone(err)
	}
	if err := drain(); err != nil {
		return err
	}
	return h.confirm()
}

// Counters takes everything that is counted into v, a pointer, and take makes
// it hold. Then it waits for the word to go on. When the running process ends
// while it waits this one has all there is, and goes on by itself.
func (h *Heir) Counters(v any, take func() error) error {
	if _, err := h.conn.receive(counters, v); err != nil {
		return h.gone(err)
	}
	if err := take(); err != nil {
		return err
	}
	if err := h.confirm(); err != nil {
		return nil //nolint:nilerr // the other has ended: who gives up ends this process before it hangs up
	}
	_, err := h.conn.receive(goOn, nil)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		err = nil // as above
	}
	return err
}

// Back is the connection by which the running process is asked, the caller's
// from now on. It answers once this one is Serving.
func (h *Heir) Back() *Conn { return h.back }

// Serving says that this process accepts. The connection by which the other one
// asks is the caller's then.
func (h *Heir) Serving() (asked *Conn) {
	asked = h.conn
	_ = asked.send(serving, nil) // without the other there is nobody to be told
	h.conn = nil                 // it speaks another language from now on
	return asked
}

// Fail tells the running process why this one cannot take over. A nil Heir has
// nobody to tell, and after Serving it is too late.
func (h *Heir) Fail(message string) {
	if h == nil || h.conn == nil {
		return
	}
	_ = h.conn.send(failed, failure{message}) // if it has gone, it needs no reason
	_ = h.conn.Close()
}
