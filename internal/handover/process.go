package handover

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// Process is a new program that was started to take over.
type Process struct {
	Conn  *Conn
	cmd   *exec.Cmd
	ended chan struct{}
	err   error
}

// Launch starts a program with one end of a socket pair, in this process's
// directory and environment and with its output.
func Launch(binary string, args []string) (*Process, error) {
	conn, theirs, err := Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	p := &Process{Conn: conn, cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = os.Stdout, os.Stderr
	p.cmd.ExtraFiles = []*os.File{theirs} // the first of them is 3
	p.cmd.Env = append(os.Environ(), variable+"="+strconv.Itoa(3))
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", binary, err), conn.Close())
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// PID is the process's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended; Status says how.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Status says how the process ended, in words: "exit status 1".
func (p *Process) Status() string {
	<-p.ended
	return p.cmd.ProcessState.String()
}

// End ends the process, whatever it does, and returns when it has ended: from
// then on it holds nothing.
func (p *Process) End() error {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
	return p.Conn.Close() // after the kill: see Heir.Counters
}
