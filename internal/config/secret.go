package config

import (
	"errors"
	"net/url"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// minSecret is how many characters a secret has at least. Sixteen bytes of
// randomness take 22 in base64 and 32 in hex.
const minSecret = 22

// secret is a text that is not shown, best given as ${NAME} or ${file:PATH}.
type secret struct{ toll.Secret }

func (s *secret) parse(t string) error {
	if t == "" {
		return errors.New("is empty; set it, or delete the line")
	}
	s.Secret = toll.Secret(t)
	return nil
}

func (s *secret) form() form { return form{what: "a secret", example: "${file:/run/secrets/session}"} }

// databaseURL is where PostgreSQL is; it may hold a password.
type databaseURL struct{ toll.Secret }

func (d *databaseURL) parse(t string) error {
	u, err := url.Parse(t)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return errors.New("is no address of a PostgreSQL database; write postgres://USER@HOST/NAME, or delete the line to use SQLite in `data`")
	}
	if u.Path == "" || u.Path == "/" {
		return errors.New("names no database; write postgres://USER@HOST/NAME")
	}
	d.Secret = toll.Secret(t)
	return nil
}

func (d *databaseURL) form() form {
	return form{what: "an address of a database", example: "postgres://user@127.0.0.1/tollhouse", pattern: `^postgres(ql)?://`}
}

// redisURL is where Redis or Valkey is; it may hold a password.
type redisURL struct{ toll.Secret }

func (r *redisURL) parse(t string) error {
	u, err := url.Parse(t)
	if err == nil && u.Scheme == "unix" && u.Host == "" && u.Path != "" {
		r.Secret = toll.Secret(t)
		return nil
	}
	if err != nil || (u.Scheme != "redis" && u.Scheme != "rediss") || u.Hostname() == "" {
		return errors.New("is no address of a Redis; write redis://HOST:PORT, or rediss:// for TLS")
	}
	r.Secret = toll.Secret(t)
	return nil
}

func (r *redisURL) form() form {
	return form{what: "an address of a Redis", example: "redis://127.0.0.1:6379", pattern: `^(rediss?|unix)://`}
}
