package account

import (
	"net/mail"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// maxEmail is the longest address that can be delivered to (RFC 5321 §4.5.3.1.3
// allows 256 octets for the path with its angle brackets), in bytes.
const maxEmail = 254

// CleanEmail returns an e-mail address as it is kept: without space around it,
// in lower case, in Unicode form C. It takes an addr-spec of RFC 5322 §3.4.1
// with international characters (RFC 6532), and none of the rarities: no
// display name, no quoted local part, no comment, no address literal.
func CleanEmail(email string) (string, error) {
	bad := func() (string, error) {
		return "", toll.FieldError("email", "This is not an e-mail address. It looks like name@example.com.")
	}
	email = strings.TrimSpace(email)
	if email == "" {
		return "", toll.FieldError("email", "Give an e-mail address.")
	}
	if len(email) > maxEmail {
		return "", toll.FieldError("email", "The e-mail address is too long: it may have at most %d bytes.", maxEmail)
	}
	address, err := mail.ParseAddress(email)
	if err != nil || address.Name != "" || address.Address != email || strings.ContainsAny(email, "[]\"\\ ") {
		return bad()
	}
	email = norm.NFC.String(strings.ToLower(email))
	if again, err := mail.ParseAddress(email); err != nil || again.Address != email || len(email) > maxEmail {
		return bad()
	}
	return email, nil
}
