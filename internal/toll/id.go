package toll

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"
)

// ULID is a 128-bit identifier that sorts by time: 48 bits of Unix
// milliseconds and 80 random bits (https://github.com/ulid/spec).
type ULID [16]byte

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Time returns the moment that is coded in the identifier, to the millisecond.
func (u ULID) Time() time.Time {
	ms := uint64(u[0])<<40 | uint64(u[1])<<32 | uint64(u[2])<<24 | uint64(u[3])<<16 | uint64(u[4])<<8 | uint64(u[5])
	return time.UnixMilli(int64(ms)).UTC()
}

// IsZero tells whether the identifier was never set.
func (u ULID) IsZero() bool { return u == ULID{} }

// Compare orders identifiers as their bytes and their text do.
func (u ULID) Compare(v ULID) int {
	for i := range u {
		if u[i] != v[i] {
			if u[i] < v[i] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// AppendText appends the 26 characters of Crockford's base 32 (upper case) to b.
func (u ULID) AppendText(b []byte) ([]byte, error) {
	hi := binary.BigEndian.Uint64(u[:8])
	lo := binary.BigEndian.Uint64(u[8:])
	var out [26]byte
	for i := 25; i >= 0; i-- {
		out[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return append(b, out[:]...), nil
}

// String returns the 26 characters of Crockford's base 32.
func (u ULID) String() string {
	b, _ := u.AppendText(make([]byte, 0, 26))
	return string(b)
}

// ErrULID is what ParseULID answers for a text that is no ULID.
var ErrULID = errors.New("not a ULID: it takes 26 characters of Crockford's base 32")

// ParseULID reads 26 characters of Crockford's base 32; lower case is accepted.
func ParseULID(s string) (ULID, error) {
	var u ULID
	if len(s) != 26 || s[0] > '7' {
		return u, ErrULID
	}
	var hi, lo uint64
	for i := 0; i < 26; i++ {
		v := crockfordValue(s[i])
		if v > 31 {
			return u, ErrULID
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	binary.BigEndian.PutUint64(u[:8], hi)
	binary.BigEndian.PutUint64(u[8:], lo)
	return u, nil
}

func crockfordValue(c byte) byte {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	for i := 0; i < len(crockford); i++ {
		if crockford[i] == c {
			return byte(i)
		}
	}
	return 0xff
}

// IDs makes identifiers. It is safe for concurrent use. Within one
// millisecond the identifiers of one source still ascend.
type IDs struct {
	mu      sync.Mutex
	entropy io.Reader
	last    ULID
	pool    [800]byte
	at      int
}

// NewIDs returns a source of identifiers that reads its randomness from
// entropy (nil: crypto/rand). A test gives a seeded reader.
func NewIDs(entropy io.Reader) *IDs {
	if entropy == nil {
		entropy = rand.Reader
	}
	return &IDs{entropy: entropy, at: 800}
}

// New makes the identifier for a moment. It panics when randomness fails,
// because nothing safe can follow.
func (s *IDs) New(now time.Time) ULID {
	s.mu.Lock()
	defer s.mu.Unlock()
	ms := uint64(now.UnixMilli())
	var u ULID
	u[0], u[1], u[2], u[3], u[4], u[5] = byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms)
	if [6]byte(u[:6]) == [6]byte(s.last[:6]) {
		u = s.last
		for i := 15; i >= 6; i-- { // ascend within the millisecond
			u[i]++
			if u[i] != 0 {
				break
			}
		}
	} else {
		if s.at+10 > len(s.pool) {
			if _, err := io.ReadFull(s.entropy, s.pool[:]); err != nil {
				panic("toll: no randomness: " + err.Error())
			}
			s.at = 0
		}
		copy(u[6:], s.pool[s.at:s.at+10])
		s.at += 10
	}
	s.last = u
	return u
}

// NewID makes a prefixed text identifier such as "cus_01J9…". The prefixes in
// use: cus (customer), key, mem (member), op (operator), ses (session).
func (s *IDs) NewID(prefix string, now time.Time) string {
	b := make([]byte, 0, len(prefix)+27)
	b = append(append(b, prefix...), '_')
	b, _ = s.New(now).AppendText(b)
	return string(b)
}
