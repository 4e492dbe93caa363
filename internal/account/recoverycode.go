package account

import (
	"crypto/sha256"
	"strings"
)

// recoveryCodes is how many a person gets at a time.
const recoveryCodes = 10

// recoveryLetters are those that cannot be mistaken for one another, 32 of them.
const recoveryLetters = "0123456789abcdefghjkmnpqrstvwxyz"

// newRecoveryCodes makes codes of 120 random bits each, and what is kept of
// them. From 112 bits on a plain hash protects them.
func newRecoveryCodes(personID string) (texts []string, hashes [][32]byte) {
	for range recoveryCodes {
		var b strings.Builder
		for i, c := range random(24) {
			if i > 0 && i%4 == 0 {
				b.WriteByte('-')
			}
			b.WriteByte(recoveryLetters[c&31])
		}
		texts = append(texts, b.String())
		hashes = append(hashes, recoveryHash(personID, plainCode(b.String())))
	}
	return texts, hashes
}

// recoveryHash is what is kept of a code: of this person, in lower case.
func recoveryHash(personID, code string) [32]byte {
	return sha256.Sum256([]byte("tollhouse recovery code\x00" + personID + "\x00" + strings.ToLower(code)))
}
