// Package user is the daybook's module of people: who they are and how they
// prove it. It knows no HTTP and no other module, and it has tables of its own.
package user

import (
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"
)

// User is a person who keeps a daybook.
type User struct {
	ID        string
	Email     string // lower case; unique
	Name      string // as the person wants to be called
	CreatedAt time.Time
}

// Application is what a person fills in to become a user.
type Application struct {
	Name     string
	Email    string
	Password string
}

// Refusal says, by field (name, email, password), what is wrong with an
// application, in sentences for the person.
type Refusal map[string]string

// Error lists the fields, for a log; it holds nothing that was typed.
func (r Refusal) Error() string {
	fields := make([]string, 0, len(r))
	for _, field := range []string{"name", "email", "password"} {
		if r[field] != "" {
			fields = append(fields, field)
		}
	}
	return "refused: " + strings.Join(fields, ", ")
}

// ErrWrong says that an e-mail address and a password do not belong together.
// It does not say which of them is wrong.
var ErrWrong = errors.New("wrong e-mail address or password")

// ErrUnknown says that there is no such user.
var ErrUnknown = errors.New("unknown user")

// Shortest and longest passwords, in characters and in bytes.
const (
	MinPassword = 10
	MaxPassword = 256
)

// Users keeps the users. It is safe for concurrent use.
type Users struct {
	db      *sql.DB
	now     func() time.Time
	hashing chan struct{} // at most so many hashes at once: each takes 19 MiB
	dummy   string        // hashed for unknown addresses, so that they take as long as known ones
}

//go:embed schema.sql
var schema string

// Open makes the module's tables where they are missing.
func Open(ctx context.Context, db *sql.DB, now func() time.Time) (*Users, error) {
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, fmt.Errorf("making the user tables: %w", err)
	}
	return &Users{db: db, now: now, hashing: make(chan struct{}, 2), dummy: nobodysHash}, nil
}

// SignUp makes a user. What is wrong with the application comes back as a
// Refusal.
func (u *Users) SignUp(ctx context.Context, a Application) (User, error) {
	name, email := strings.TrimSpace(a.Name), strings.ToLower(strings.TrimSpace(a.Email))
	if refusal := examine(name, email, a.Password); len(refusal) > 0 {
		return User{}, refusal
	}
	hash, err := u.hash(ctx, a.Password)
	if err != nil {
		return User{}, err
	}
	created := User{ID: rand.Text(), Email: email, Name: name, CreatedAt: u.now().UTC().Truncate(time.Microsecond)}
	result, err := u.db.ExecContext(ctx,
		`INSERT INTO user_user (id, email, name, password, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (email) DO NOTHING`,
		created.ID, created.Email, created.Name, hash, created.CreatedAt.UnixMicro())
	if err != nil {
		return User{}, fmt.Errorf("storing a user: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil {
		return User{}, fmt.Errorf("storing a user: %w", err)
	} else if n == 0 {
		return User{}, Refusal{"email": "There is a daybook for this address already. Sign in instead."}
	}
	return created, nil
}

func examine(name, email, password string) Refusal {
	refusal := Refusal{}
	switch {
	case name == "":
		refusal["name"] = "Say how you want to be called."
	case utf8.RuneCountInString(name) > 80:
		refusal["name"] = "A name can have 80 characters."
	case !utf8.ValidString(name):
		refusal["name"] = "This name has characters that cannot be read."
	}
	if address, err := mail.ParseAddress(email); err != nil || address.Address != email || len(email) > 254 || !strings.Contains(email[strings.LastIndexByte(email, '@')+1:], ".") {
		refusal["email"] = "This is no e-mail address. It should look like name@example.com."
	}
	switch {
	case utf8.RuneCountInString(password) < MinPassword:
		refusal["password"] = fmt.Sprintf("A password needs at least %d characters. A few words in a row are good.", MinPassword)
	case len(password) > MaxPassword:
		refusal["password"] = fmt.Sprintf("A password can have %d bytes.", MaxPassword)
	}
	return refusal
}

// SignIn returns the user whom an e-mail address and a password belong to, or
// ErrWrong. It takes the same time whether or not the address is known.
func (u *Users) SignIn(ctx context.Context, email, password string) (User, error) {
	found, hash, err := u.find(ctx, `email = ?`, strings.ToLower(strings.TrimSpace(email)))
	unknown := errors.Is(err, ErrUnknown)
	if unknown {
		hash = u.dummy
	} else if err != nil {
		return User{}, err
	}
	right, err := u.matches(ctx, hash, password)
	if err != nil {
		return User{}, err
	}
	if unknown || !right {
		return User{}, ErrWrong
	}
	return found, nil
}

// ByID returns a user, or ErrUnknown.
func (u *Users) ByID(ctx context.Context, id string) (User, error) {
	found, _, err := u.find(ctx, `id = ?`, id)
	return found, err
}

func (u *Users) find(ctx context.Context, where, value string) (User, string, error) {
	var (
		found   User
		hash    string
		created int64
	)
	err := u.db.QueryRowContext(ctx, `SELECT id, email, name, password, created_at FROM user_user WHERE `+where, value).
		Scan(&found.ID, &found.Email, &found.Name, &hash, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, "", ErrUnknown
	}
	if err != nil {
		return User{}, "", fmt.Errorf("reading a user: %w", err)
	}
	found.CreatedAt = time.UnixMicro(created).UTC()
	return found, hash, nil
}
