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
	"unicode"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/examples/daybook/database"
)

// User is a person who keeps a daybook.
type User struct {
	ID        string
	Email     string // lower case; unique
	Name      string // as the person wants to be called
	Language  string // en, fr, es; "" when none was chosen
	CreatedAt time.Time
}

// Application is what a person fills in to become a user.
type Application struct {
	Name     string
	Email    string
	Password string
	Language string
}

// Problem names what is wrong with a field. The words for it are the pages'.
type Problem string

// The problems.
const (
	Missing    Problem = "missing"
	Unreadable Problem = "unreadable" // characters that are none
	TooLong    Problem = "long"
	TooShort   Problem = "short"
	NoAddress  Problem = "none"  // it is no e-mail address
	Taken      Problem = "taken" // somebody has it
)

// Refusal says, by field (name, email, password), what is wrong with an
// application.
type Refusal map[string]Problem

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

// Longest names, in characters; shortest and longest passwords, in characters
// and in bytes.
const (
	MaxName     = 80
	MinPassword = 10
	MaxPassword = 256
)

// Users keeps the users. It is safe for concurrent use.
type Users struct {
	db      *database.DB
	now     func() time.Time
	hashing chan struct{} // at most so many hashes at once: each takes 19 MiB
	dummy   string        // hashed for unknown addresses, so that they take as long as known ones
}

var (
	//go:embed schema/1-user.sql
	first string
	//go:embed schema/2-language.sql
	second string
)

// Open makes the module's tables where they are missing.
func Open(ctx context.Context, db *database.DB, now func() time.Time) (*Users, error) {
	if err := db.Migrate(ctx, "user", first, second); err != nil {
		return nil, err
	}
	return &Users{db: db, now: now, hashing: make(chan struct{}, 2), dummy: nobodysHash}, nil
}

// SignUp makes a user. What is wrong with the application comes back as a
// Refusal.
func (u *Users) SignUp(ctx context.Context, a Application) (User, error) {
	if refusal := Examine(a); len(refusal) > 0 {
		return User{}, refusal
	}
	hash, err := u.hash(ctx, a.Password)
	if err != nil {
		return User{}, err
	}
	created := User{ID: rand.Text(), Email: address(a.Email), Name: strings.TrimSpace(a.Name), Language: a.Language, CreatedAt: u.now().UTC().Truncate(time.Microsecond)}
	made, err := u.db.Exec(ctx,
		`INSERT INTO {user.user} (id, email, name, password, language, created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email) DO NOTHING`,
		created.ID, created.Email, created.Name, hash, created.Language, created.CreatedAt.UnixMicro())
	if err != nil {
		return User{}, fmt.Errorf("storing a user: %w", err)
	}
	if made == 0 {
		return User{}, Refusal{"email": Taken}
	}
	return created, nil
}

// address is an e-mail address as it is stored.
func address(typed string) string { return strings.ToLower(strings.TrimSpace(typed)) }

// readable tells that a text is one that every database can hold.
func readable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// Examine says what is wrong with an application, as far as it shows without
// asking who is there already: it is cheap, and tells nobody anything.
func Examine(a Application) Refusal {
	refusal := Refusal{}
	name, email := strings.TrimSpace(a.Name), address(a.Email)
	switch {
	case name == "":
		refusal["name"] = Missing
	case utf8.RuneCountInString(name) > MaxName:
		refusal["name"] = TooLong
	case !readable(name):
		refusal["name"] = Unreadable
	}
	if parsed, err := mail.ParseAddress(email); err != nil || parsed.Address != email || len(email) > 254 || !readable(a.Email) || !strings.Contains(email[strings.LastIndexByte(email, '@')+1:], ".") {
		refusal["email"] = NoAddress
	}
	switch {
	case utf8.RuneCountInString(a.Password) < MinPassword:
		refusal["password"] = TooShort
	case len(a.Password) > MaxPassword:
		refusal["password"] = TooLong
	}
	return refusal
}

// SignIn returns the user whom an e-mail address and a password belong to, or
// ErrWrong. It takes the same time whether or not the address is known.
func (u *Users) SignIn(ctx context.Context, email, password string) (User, error) {
	found, hash, err := User{}, "", ErrUnknown
	if readable(email) { // nobody else can have signed up
		found, hash, err = u.find(ctx, `email = $1`, address(email))
	}
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
	found, _, err := u.find(ctx, `id = $1`, id)
	return found, err
}

// SetLanguage keeps the language that a user has chosen.
func (u *Users) SetLanguage(ctx context.Context, id, language string) error {
	if _, err := u.db.Exec(ctx, `UPDATE {user.user} SET language = $2 WHERE id = $1`, id, language); err != nil {
		return fmt.Errorf("keeping a user's language: %w", err)
	}
	return nil
}

func (u *Users) find(ctx context.Context, where, value string) (User, string, error) {
	var (
		found   User
		hash    string
		created int64
	)
	err := u.db.QueryRow(ctx, `SELECT id, email, name, password, language, created_at FROM {user.user} WHERE `+where, value).
		Scan(&found.ID, &found.Email, &found.Name, &hash, &found.Language, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, "", ErrUnknown
	}
	if err != nil {
		return User{}, "", fmt.Errorf("reading a user: %w", err)
	}
	found.CreatedAt = time.UnixMicro(created).UTC()
	return found, hash, nil
}
