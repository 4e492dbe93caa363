package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// The format of a key, which a scanner for leaked secrets can check without
// asking us:
//
//	th_live_ RRRRRRRRRRRRRRRRRRRRRRRRRRRRRR CCCCCC      44 characters
//	prefix   30 random characters           checksum
//
// The prefix is th_live_ or th_test_. All other characters are of base 62, in
// the order 0-9 A-Z a-z. The checksum is the CRC-32 (IEEE 802.3) of the 38
// characters before it, as a number in base 62, the most significant digit
// first, filled up with 0 to six characters. The random part holds 178 bits.
const (
	livePrefix  = "th_live_"
	testPrefix  = "th_test_"
	prefixLen   = len(livePrefix)
	randomLen   = 30
	checksumLen = 6
	textLen     = prefixLen + randomLen + checksumLen
	hintLen     = 4
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// New makes a key of a mode. Its randomness is read from random (nil: the
// operating system's). It returns the text, to be shown once; its hash and its
// hint (the last four characters), to be kept. It fails when random does, or
// for a mode that is neither live nor test.
func New(mode toll.Mode, random io.Reader) (text toll.Secret, hash [32]byte, hint string, err error) {
	switch mode {
	case toll.Live:
		return textOf(livePrefix, random)
	case toll.Test:
		return textOf(testPrefix, random)
	}
	return "", hash, "", toll.FieldError("mode", "A key is live or test, not %q.", string(mode))
}

// textOf makes a text: a prefix, the random part and the checksum of both.
func textOf(prefix string, random io.Reader) (text toll.Secret, hash [32]byte, hint string, err error) {
	if random == nil {
		random = rand.Reader
	}
	length := len(prefix) + randomLen
	b := make([]byte, 0, length+checksumLen)
	b = append(b, prefix...)
	var pool [48]byte
	for len(b) < length {
		if _, err := io.ReadFull(random, pool[:]); err != nil {
			return "", hash, "", fmt.Errorf("read randomness for a key: %w", err)
		}
		for _, c := range pool {
			// 248 is the largest multiple of 62 in a byte: what lies above is
			// thrown away, or some characters would be likelier than others.
			if c < 248 && len(b) < length {
				b = append(b, base62[c%62])
			}
		}
	}
	sum := checksum(b)
	b = append(b, sum[:]...)
	return toll.Secret(b), sha256.Sum256(b), string(b[len(b)-hintLen:]), nil
}

// checksum is over 38 characters only: the byte by byte form costs little and,
// unlike crc32.ChecksumIEEE, lets its argument stay on the stack.
func checksum[T string | []byte](s T) [checksumLen]byte {
	n := ^uint32(0)
	for i := 0; i < len(s); i++ {
		n = crc32.IEEETable[byte(n)^s[i]] ^ n>>8
	}
	n = ^n
	var out [checksumLen]byte
	for i := checksumLen - 1; i >= 0; i-- {
		out[i] = base62[n%62]
		n /= 62
	}
	return out
}

// Check tells whether text has the form of a key and the right checksum: nil,
// or ErrMalformed. It says nothing about whether the key exists.
func Check(text string) error {
	if len(text) != textLen {
		return ErrMalformed
	}
	if p := text[:prefixLen]; p != livePrefix && p != testPrefix {
		return ErrMalformed
	}
	return checkAfter(prefixLen, text)
}

// checkAfter holds what comes behind a prefix against the alphabet, and the
// checksum against all before it.
func checkAfter(prefix int, text string) error {
	for i := prefix; i < len(text); i++ {
		if !isBase62(text[i]) {
			return ErrMalformed
		}
	}
	// A checksum against mistakes, no secret: it need not be compared in constant time.
	if at := len(text) - checksumLen; !checks(text, at) {
		return ErrMalformed
	}
	return nil
}

// checks tells whether the text from at on is the checksum of what is before.
func checks(text string, at int) bool {
	sum := checksum(text[:at])
	return string(sum[:]) == text[at:]
}

func isBase62(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// Hash returns the SHA-256 of a key's whole text: what is kept of it
// (toll.Key.Hash). A key holds 178 random bits, so nobody can try them out and
// neither salt nor a slow hash is needed.
func Hash(text string) [32]byte {
	if len(text) <= maxText { // on the stack: a conversion would allocate
		var b [maxText]byte
		return sha256.Sum256(b[:copy(b[:], text)])
	}
	return sha256.Sum256([]byte(text))
}
