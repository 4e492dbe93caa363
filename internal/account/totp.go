package account

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // G505: RFC 6238's default, which authenticator apps speak; as an HMAC it is sound
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// How codes are made (RFC 6238 §4): six digits of HMAC-SHA-1, a new code each
// thirty seconds. A clock may be one step off (§5.2).
const (
	totpStep   = 30 * time.Second
	totpSlack  = 1  // steps before and after
	totpSecret = 20 // bytes (RFC 4226 §4: 160 bits)
)

var totpText = base32.StdEncoding.WithPadding(base32.NoPadding)

// totpCode is the code of a step (RFC 4226 §5.3).
func totpCode(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:])&0x7fffffff)%1_000_000)
}

// totpMatch finds the step whose code it is, the newest first; ok is false for
// a code of none.
func totpMatch(secret []byte, code string, now time.Time) (step int64, ok bool) {
	current := now.Unix() / int64(totpStep/time.Second)
	for s := current + totpSlack; s >= current-totpSlack; s-- {
		if subtle.ConstantTimeCompare([]byte(totpCode(secret, s)), []byte(code)) == 1 && !ok {
			step, ok = s, true
		}
	}
	return step, ok
}

// totpURI is what an authenticator app reads from the QR code.
func totpURI(secret []byte, issuer, name string) string {
	issuer = strings.ReplaceAll(issuer, ":", " ")
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + strings.ReplaceAll(name, ":", " ")}
	u.RawQuery = "secret=" + totpText.EncodeToString(secret) + "&issuer=" + url.PathEscape(issuer)
	return u.String()
}

// plainCode is a code as a person may have typed it: "123 456" too.
func plainCode(typed string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u00a0' || r == '\u202f' || r == '\t' {
			return -1
		}
		return r
	}, typed)
}

func isTOTP(code string) bool {
	return len(code) == 6 && strings.IndexFunc(code, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
