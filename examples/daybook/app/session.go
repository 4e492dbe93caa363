package app

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tollhouse/tollhouse/examples/daybook/user"
)

const (
	// sessionLasts is how long a token is valid.
	sessionLasts = 48 * time.Hour
	// sessionRenews is the age at which a token in use is replaced by a new one.
	sessionRenews = time.Hour
	// issuer keeps tokens that were signed for something else out.
	issuer = "daybook"
)

// sessions issues and reads the tokens (JWT, RFC 7519, HS256) that a session
// is. There is no session in the database: signing out removes the cookie, and
// a copy of a token stays valid until it expires.
type sessions struct {
	key []byte
	now func() time.Time
}

func (s *sessions) issue(userID string) (string, error) {
	now := s.now()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Issuer:    issuer,
		Subject:   userID,
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(sessionLasts)),
	})
	signed, err := token.SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("signing a session: %w", err)
	}
	return signed, nil
}

// read returns whose token it is, and whether it should be replaced.
func (s *sessions) read(token string) (userID string, renew bool, err error) {
	var claims jwt.RegisteredClaims
	_, err = jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return s.key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithIssuer(issuer),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(s.now))
	if err != nil {
		return "", false, err
	}
	if claims.Subject == "" || claims.IssuedAt == nil {
		return "", false, errors.New("a session without user or time")
	}
	return claims.Subject, s.now().Sub(claims.IssuedAt.Time) >= sessionRenews, nil
}

// cookie is the cookie that a session lives in. Over HTTPS its name has a
// prefix that browsers hold to its promise (RFC 6265bis, section 4.1.3):
// __Host- at the root of a host; __Secure- under a path, because __Host- allows
// none. Over plain HTTP it has a plain name.
func cookie(r *http.Request, token string, lasts time.Duration) *http.Cookie {
	under := root(r)
	c := &http.Cookie{
		Name:     "daybook_session",
		Value:    token,
		Path:     cmp.Or(under, "/"),
		MaxAge:   int(lasts / time.Second),
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
	if https(r) {
		c.Secure = true
		if under == "" {
			c.Name = "__Host-" + c.Name
		} else {
			c.Name = "__Secure-" + c.Name
		}
	}
	return c
}

// enter begins a session.
func (a *App) enter(w http.ResponseWriter, r *http.Request, userID string) error {
	token, err := a.sessions.issue(userID)
	if err != nil {
		return err
	}
	http.SetCookie(w, cookie(r, token, sessionLasts))
	return nil
}

// leave ends a session.
func leave(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, cookie(r, "", -time.Second))
}

// who returns who sent a request, and whether the session should be renewed.
func (a *App) who(r *http.Request) (u user.User, renew bool, err error) {
	c, err := r.Cookie(cookie(r, "", 0).Name)
	if err != nil {
		return user.User{}, false, user.ErrUnknown
	}
	id, renew, err := a.sessions.read(c.Value)
	if err != nil {
		return user.User{}, false, user.ErrUnknown
	}
	u, err = a.users.ByID(r.Context(), id)
	return u, renew, err
}

// authTokenKey returns the key that was given, or the one in the data directory.
func authTokenKey(o Options) ([]byte, error) {
	if len(o.AuthTokenKey) > 0 {
		if len(o.AuthTokenKey) < 32 {
			return nil, fmt.Errorf("the key of the sessions (AUTH_TOKEN_KEY) has %d bytes; it needs 32: make one with openssl rand -base64 32", len(o.AuthTokenKey))
		}
		return o.AuthTokenKey, nil
	}
	if o.DatabaseURL != "" {
		return nil, errors.New("with PostgreSQL the key of the sessions must be given (AUTH_TOKEN_KEY), for all processes need the same one: make one with openssl rand -base64 32")
	}
	file := filepath.Join(o.DataDir, "auth-token-key.txt")
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
		text := base64.StdEncoding.EncodeToString(key) + "\n"
		created, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, fmt.Errorf("keeping the key of the sessions: %w", err)
		}
		_, err = created.WriteString(text)
		if err := errors.Join(err, created.Close()); err != nil {
			return nil, fmt.Errorf("keeping the key of the sessions: %w", err)
		}
		return key, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key of the sessions: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(key) < 32 {
		return nil, fmt.Errorf("the key of the sessions in %s is damaged: remove the file, and everybody signs in anew", file)
	}
	return key, nil
}
