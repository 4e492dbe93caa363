package account

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Argon2 are the costs of argon2id (RFC 9106 §3.1).
type Argon2 struct {
	Memory  uint32 // KiB; at least 8 for each of Threads
	Passes  uint32 // at least 1
	Threads uint8  // at least 1
}

// DefaultArgon2 costs 19 MiB and two passes, the least that OWASP's password
// storage sheet recommends for argon2id.
var DefaultArgon2 = Argon2{Memory: 19 * 1024, Passes: 2, Threads: 1}

// What a stored hash may ask for at most. A row must not be able to make the
// program run out of memory.
const (
	maxMemory = 1 << 20 // KiB: 1 GiB
	maxPasses = 64

	saltBytes = 16
	hashBytes = 32
)

func (a Argon2) check() error {
	switch {
	case a.Threads < 1:
		return errors.New("argon2id needs a thread at least")
	case a.Passes < 1 || a.Passes > maxPasses:
		return fmt.Errorf("argon2id takes 1 to %d passes", maxPasses)
	case a.Memory < 8*uint32(a.Threads) || a.Memory > maxMemory:
		return fmt.Errorf("argon2id takes 8 KiB for each thread to %d KiB", maxMemory)
	}
	return nil
}

// weakerThan tells whether a hash with these costs should be made again.
func (a Argon2) weakerThan(b Argon2) bool { return a.Memory < b.Memory || a.Passes < b.Passes }

// phc is a password hash with what it takes to check it, in the form of the
// PHC string format: $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH in base 64
// without padding.
type phc struct {
	costs Argon2
	salt  []byte
	hash  []byte
}

var errPHC = errors.New("not an argon2id hash in PHC form")

// parsePHC reads what String writes, and only in that spelling.
func parsePHC(s string) (phc, error) {
	parts := strings.Split(s, "$")
	if len(s) > 300 || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return phc{}, errPHC
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return phc{}, errPHC
	}
	var h phc
	var threads uint32
	for i, cost := range []struct {
		name string
		to   *uint32
	}{{"m=", &h.costs.Memory}, {"t=", &h.costs.Passes}, {"p=", &threads}} {
		digits, ok := strings.CutPrefix(costs[i], cost.name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil {
			return phc{}, errPHC
		}
		*cost.to = uint32(n)
	}
	if threads > 255 {
		return phc{}, errPHC
	}
	h.costs.Threads = uint8(threads)
	if err := h.costs.check(); err != nil {
		return phc{}, fmt.Errorf("%w: %w", errPHC, err)
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 {
		return phc{}, errPHC
	}
	if h.hash, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil || len(h.hash) < 16 || len(h.hash) > 64 {
		return phc{}, errPHC
	}
	if h.String() != s { // leading zeros, line breaks inside base 64
		return phc{}, errPHC
	}
	return h, nil
}

// String writes the PHC form.
func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.costs.Memory, h.costs.Passes, h.costs.Threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.hash))
}

// derive does the work for a password.
func (h phc) derive(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.costs.Passes, h.costs.Memory, h.costs.Threads, uint32(len(h.hash)))
}

// equal compares without telling where they differ.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
