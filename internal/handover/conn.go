package handover

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Protocol is the version of what both sides say. A program that speaks
// another one is refused, and nothing changes.
const Protocol = 1

// kind says what a message is.
type kind byte

const (
	hello kind = iota + 1
	listeners
	lock
	prepared
	drainer
	counters
	goOn
	serving
	taken  // the last message was taken
	failed // the new process gives up, and says why
)

func (k kind) String() string {
	names := [...]string{"", "hello", "listeners", "lock", "prepared", "drainer", "counters", "go", "serving", "taken", "failed"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("message %d", byte(k))
}

// failure is why the new process gives up.
type failure struct{ Message string }

const (
	headSize       = 5       // kind, length
	maxMessage     = 1 << 30 // bytes; a million customers' counters take some 60 MB
	maxDescriptors = 16
)

// Conn is one end of the socket pair. One goroutine at a time uses it.
type Conn struct{ unix *net.UnixConn }

// Pair makes two connected ends: one for this process, and a file that is
// given to a child.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	ours, theirs := os.NewFile(uintptr(fds[0]), "handover"), os.NewFile(uintptr(fds[1]), "handover")
	conn, err := newConn(ours)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn, theirs, nil
}

// newConn takes a file over.
func newConn(f *os.File) (*Conn, error) {
	c, err := net.FileConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("the socket of the upgrade cannot be used: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("what was given for the upgrade is no Unix socket"), c.Close())
	}
	return &Conn{u}, nil
}

// Stream is the connection itself, for what both processes say to each other
// after the last step.
func (c *Conn) Stream() net.Conn { return c.unix }

// Close ends the connection. A second call does nothing.
func (c *Conn) Close() error {
	if err := c.unix.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// send writes a message with descriptors of the process's own, which stay open.
func (c *Conn) send(k kind, v any, descriptors ...syscall.Conn) error {
	var payload bytes.Buffer
	payload.Write(make([]byte, headSize))
	if v != nil {
		if err := gob.NewEncoder(&payload).Encode(v); err != nil {
			return fmt.Errorf("coding %s: %w", k, err)
		}
	}
	message := payload.Bytes()
	message[0] = byte(k)
	binary.LittleEndian.PutUint32(message[1:], uint32(len(message)-headSize))
	// Descriptors are borrowed for the call: os.File's Fd would make a listener
	// that both processes share wait where nobody may.
	return borrow(descriptors, nil, func(fds []int) error {
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		n, _, err := c.unix.WriteMsgUnix(message[:headSize], rights, nil)
		if err == nil && n < headSize {
			err = io.ErrShortWrite
		}
		if err == nil && len(message) > headSize {
			_, err = c.unix.Write(message[headSize:])
		}
		return err
	})
}

// borrow calls f with the numbers of descriptors, which stay open meanwhile.
func borrow(from []syscall.Conn, fds []int, f func([]int) error) error {
	if len(from) == 0 {
		return f(fds)
	}
	raw, err := from[0].SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) { inner = borrow(from[1:], append(fds, int(fd)), f) })
	return errors.Join(err, inner)
}

// receive reads the next message, which must be the wanted one, into v, and
// returns the descriptors that came with it. What the other side says in its
// place is an error: its own words, when it gives up.
func (c *Conn) receive(want kind, v any) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				_ = f.Close()
			}
			files = nil
		}
	}()
	var head [headSize]byte
	rights := make([]byte, unix.CmsgSpace(4*maxDescriptors))
	for have := 0; have < headSize; {
		n, rn, _, _, err := c.unix.ReadMsgUnix(head[have:], rights)
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			return files, err
		}
		more, err := received(rights[:rn])
		files = append(files, more...)
		if err != nil {
			return files, err
		}
		have += n
	}
	length := binary.LittleEndian.Uint32(head[1:])
	if length > maxMessage {
		return files, errors.New("the other process says what cannot be understood; is it a Tollhouse?")
	}
	payload := io.LimitReader(c.unix, int64(length))
	switch got := kind(head[0]); got {
	case want:
		if v == nil {
			_, err = io.Copy(io.Discard, payload)
			return files, err
		}
		if err := gob.NewDecoder(payload).Decode(v); err != nil {
			return files, fmt.Errorf("reading %s: %w", want, err)
		}
		_, err = io.Copy(io.Discard, payload)
		return files, err
	case failed:
		var why failure
		if err := gob.NewDecoder(payload).Decode(&why); err != nil {
			return files, fmt.Errorf("reading why it failed: %w", err)
		}
		return files, toll.Errorf(toll.Unavailable, "%s", why.Message)
	default:
		return files, fmt.Errorf("it said %q where %q was due; is it of a version that fits?", got, want)
	}
}

// received makes files of the descriptors in a control message.
func received(rights []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, fmt.Errorf("reading descriptors: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, fmt.Errorf("reading descriptors: %w", err)
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "handed over"))
		}
	}
	return files, nil
}

// within makes the connection fail when ctx ends, until the returned function
// is called.
func (c *Conn) within(ctx context.Context) (end func()) {
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(fired)
		_ = c.unix.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-fired
			_ = c.unix.SetDeadline(time.Time{})
		}
	}
}
