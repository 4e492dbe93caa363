package account

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Vault seals what must be read again but not by whoever reads the database
// alone, such as the keys of authenticator apps: AES-256-GCM (NIST SP 800-38D)
// with a key of the installation's secret (HKDF, RFC 5869). It is safe for
// concurrent use.
type Vault struct {
	keys []vaultKey // the first seals, all open
}

type vaultKey struct {
	mark [4]byte // names the key, and tells nothing of it
	aead cipher.AEAD
	root []byte // what pseudonyms are made of
}

// vaultFormat is the first byte of what is sealed.
const vaultFormat = 1

// NewVault makes a vault of the installation's secret, and of those that it had
// before: what they sealed can still be opened. Each has MinSecret bytes at
// least.
func NewVault(secret toll.Secret, before ...toll.Secret) (*Vault, error) {
	v := &Vault{}
	for i, s := range append([]toll.Secret{secret}, before...) {
		if len(s) < MinSecret {
			return nil, fmt.Errorf("open the vault: secret %d has %d bytes: it takes at least %d", i+1, len(s), MinSecret)
		}
		key, err := hkdf.Key(sha256.New, []byte(s.Reveal()), nil, "tollhouse: what is kept sealed", 32+4+32)
		if err != nil {
			return nil, fmt.Errorf("open the vault: %w", err)
		}
		block, err := aes.NewCipher(key[:32])
		if err != nil {
			return nil, fmt.Errorf("open the vault: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("open the vault: %w", err)
		}
		v.keys = append(v.keys, vaultKey{mark: [4]byte(key[32:36]), aead: aead, root: key[36:]})
	}
	return v, nil
}

// Seal seals a text for one place: what it says about whom. Sealed for one
// place, it opens in no other.
func (v *Vault) Seal(place string, text []byte) []byte {
	k := &v.keys[0]
	out := append([]byte{vaultFormat}, k.mark[:]...)
	return k.aead.Seal(out, nil, text, []byte(place))
}

// errSealed is what Open answers when no secret of this program's fits.
var errSealed = errors.New("it was sealed with another secret (secrets.session), or was changed since")

// Open gives back what was sealed for a place.
func (v *Vault) Open(place string, sealed []byte) ([]byte, error) {
	if len(sealed) < 5 || sealed[0] != vaultFormat {
		return nil, errSealed
	}
	for i := range v.keys {
		if k := &v.keys[i]; [4]byte(sealed[1:5]) == k.mark {
			if text, err := k.aead.Open(nil, nil, sealed[5:], []byte(place)); err == nil {
				return text, nil
			}
		}
	}
	return nil, errSealed
}

// pseudonym makes bytes that look random and are the same each time, 32 at most.
func (v *Vault) pseudonym(of string, n int) []byte {
	mac := hmac.New(sha256.New, v.keys[0].root)
	mac.Write([]byte(of))
	return mac.Sum(nil)[:n]
}

// random returns so many random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
