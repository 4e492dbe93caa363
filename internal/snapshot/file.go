package snapshot

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// The file:
//
//	tollhouse snapshot 3\n     the format's version, in decimal
//	gob: Head, page, page…     the last page has Last set
//	32 bytes                   SHA-256 of all before
//
// A change that an older program would misread gets a new version; a field that
// it may leave out does not.
const (
	magic     = "tollhouse snapshot "
	version   = 3 // 1 had quotas of a customer over the calendar only; 2 none per IP, and is read
	oldest    = 2
	sumLen    = sha256.Size
	headLimit = len(magic) + 12
	pageRows  = 256
	buffer    = 64 << 10
)

// Identity says whose snapshot it is. Counters of one database or time zone mean
// nothing in another.
type Identity struct {
	Database string // stands for the database's address; nothing secret
	Zone     string // the time zone of the quotas' periods
}

// Head is what a snapshot says of itself.
type Head struct {
	Identity
	WrittenAt time.Time
	ReadAt    time.Time                 // when all of it was read from the store; what this process changed or stored since is in it too
	Program   string                    // the version of the program that wrote it
	Cursors   map[string]meter.Position // how far each journal lane had been counted
}

// Counter is what was used of what a quota counts, in one of its periods.
type Counter struct {
	Of   meter.QuotaCounter
	Used int64
}

// page is some rows of the file.
type page struct {
	Customers []toll.Customer
	Keys      []toll.Key
	Counters  []Counter
	Last      bool
}

// ErrNone is Open's error when there is no snapshot.
var ErrNone = errors.New("there is no snapshot")

// File is a snapshot that was found whole. It belongs to one goroutine.
type File struct {
	Head Head
	file *os.File
	size int64 // without the checksum
	path string
}

// Open opens the snapshot at path and reads all of it once, to see that it is
// whole. ErrNone: there is none. Else an error is a *toll.Error (Unavailable)
// that says why it cannot be used: it is damaged, of another format, of another
// installation, or cannot be read.
func Open(path string, whose Identity) (_ *File, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, refuse(path, "cannot be read", err)
	}
	s := &File{file: f, path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := s.verify(); err != nil {
		return nil, err
	}
	if err := s.decode(func(*page) error { return errEnough }); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	switch {
	case s.Head.Database != whose.Database:
		return nil, refuse(path, "is of another database than the configuration names", nil)
	case s.Head.Zone != whose.Zone:
		return nil, refuse(path, fmt.Sprintf("counts quotas by the time zone %s, and the configuration says %s", s.Head.Zone, whose.Zone), nil)
	}
	return s, nil
}

var errEnough = errors.New("enough was read")

func refuse(path, why string, cause error) error {
	return &toll.Error{Code: toll.Unavailable, Message: fmt.Sprintf("the snapshot %s %s, so nothing of it is used", path, why), Cause: cause}
}

// verify holds all bytes against the checksum, after the version: a newer
// format may have another one.
func (s *File) verify() error {
	info, err := s.file.Stat()
	if err != nil {
		return refuse(s.path, "cannot be read", err)
	}
	if !info.Mode().IsRegular() {
		return refuse(s.path, "is no regular file", nil)
	}
	in := bufio.NewReaderSize(s.file, buffer)
	start, _ := in.Peek(headLimit) // a shorter file is none
	line, _, found := bytes.Cut(start, []byte("\n"))
	number, ours := bytes.CutPrefix(line, []byte(magic))
	if !found || !ours {
		return refuse(s.path, "is damaged, or is none", nil)
	}
	n, err := strconv.ParseUint(string(number), 10, 32)
	switch {
	case err != nil || n == 0:
		return refuse(s.path, "is damaged, or is none", nil)
	case n < oldest:
		return refuse(s.path, fmt.Sprintf("is of an older Tollhouse (format %d, this program reads %d to %d)", n, oldest, version), nil)
	case n > version:
		return refuse(s.path, fmt.Sprintf("is of a newer Tollhouse (format %d, this program reads %d to %d)", n, oldest, version), nil)
	}
	s.size = info.Size() - sumLen
	if s.size < int64(len(line)) {
		return refuse(s.path, "is damaged: it is cut short", nil)
	}
	sum := sha256.New()
	if _, err := io.CopyN(sum, in, s.size); err != nil {
		return refuse(s.path, "cannot be read", err)
	}
	var said [sumLen]byte
	if _, err := io.ReadFull(in, said[:]); err != nil {
		return refuse(s.path, "cannot be read", err)
	}
	if !bytes.Equal(sum.Sum(nil), said[:]) {
		return refuse(s.path, "is damaged: it does not fit its checksum", nil)
	}
	return nil
}

// decode reads the head, and then visits page by page.
func (s *File) decode(visit func(*page) error) error {
	in := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, s.size), buffer)
	if _, err := in.ReadString('\n'); err != nil {
		return refuse(s.path, "cannot be read", err)
	}
	decoder := gob.NewDecoder(in)
	s.Head = Head{}
	if err := decoder.Decode(&s.Head); err != nil {
		return refuse(s.path, "is damaged", err)
	}
	for {
		var p page
		if err := decoder.Decode(&p); err != nil {
			return refuse(s.path, "is damaged", err)
		}
		if err := visit(&p); err != nil || p.Last {
			return err
		}
	}
}

// Each visits everything in the file: customers, keys and counters, mixed. A nil
// function leaves its kind out. It can be called several times.
func (s *File) Each(customer func(toll.Customer), key func(toll.Key), counter func(Counter)) error {
	return s.decode(func(p *page) error {
		if customer != nil {
			for i := range p.Customers {
				customer(p.Customers[i])
			}
		}
		if key != nil {
			for i := range p.Keys {
				key(p.Keys[i])
			}
		}
		if counter != nil {
			for i := range p.Counters {
				counter(p.Counters[i])
			}
		}
		return nil
	})
}

// Size is the file's size in bytes.
func (s *File) Size() int64 { return s.size + sumLen }

// Close closes the file.
func (s *File) Close() error { return s.file.Close() }
