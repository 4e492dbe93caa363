package user

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a hash costs (OWASP's smallest recommended argon2id): 19 MiB, two
// passes, one lane. New hashes get these; old ones are checked with their own.
const (
	memory  = 19 * 1024 // KiB
	passes  = 2
	lanes   = 1
	saltLen = 16
	hashLen = 32
)

// hash makes the PHC string of a password: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func (u *Users) hash(ctx context.Context, password string) (string, error) {
	if err := u.begin(ctx); err != nil {
		return "", err
	}
	defer u.end()
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	sum := argon2.IDKey([]byte(password), salt, passes, memory, lanes, hashLen)
	text := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, lanes, text.EncodeToString(salt), text.EncodeToString(sum)), nil
}

// matches says whether a password has this hash.
func (u *Users) matches(ctx context.Context, phc, password string) (bool, error) {
	if len(password) > MaxPassword {
		return false, nil
	}
	parts := strings.Split(phc, "$")
	var version, m, t, p uint32
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("a stored password hash has an unknown form")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &m, &t, &p); err != nil || version != argon2.Version || p == 0 || p > 255 || t == 0 {
		return false, fmt.Errorf("a stored password hash has an unknown form")
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	want, wantErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || wantErr != nil || len(want) == 0 {
		return false, fmt.Errorf("a stored password hash has an unknown form")
	}
	if err := u.begin(ctx); err != nil {
		return false, err
	}
	defer u.end()
	got := argon2.IDKey([]byte(password), salt, t, m, uint8(p), uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// begin waits for a place to hash in, so that many sign-ins at once cannot take
// all memory.
func (u *Users) begin(ctx context.Context) error {
	select {
	case u.hashing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting to hash a password: %w", ctx.Err())
	}
}

func (u *Users) end() { <-u.hashing }

// nobodysHash has the cost of a real hash and belongs to no password that
// anybody knows.
var nobodysHash = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", argon2.Version, memory, passes, lanes)
