package user_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/tollhouse/tollhouse/examples/daybook/user"
)

func newUsers(t *testing.T) (*user.Users, *sql.DB) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "user.sqlite")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	users, err := user.Open(t.Context(), db, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return users, db
}

func TestStoresPasswordsAsArgon2idWithASaltEach(t *testing.T) {
	t.Parallel()
	users, db := newUsers(t)
	for _, email := range []string{"a@example.com", "b@example.com"} {
		if _, err := users.SignUp(t.Context(), user.Application{Name: "A", Email: email, Password: "the same password"}); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.QueryContext(t.Context(), `SELECT password FROM user_user`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := map[string]bool{}
	for rows.Next() {
		var hash string
		if err := rows.Scan(&hash); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(hash, "password") {
			t.Errorf("a password is stored as %q", hash)
		}
		seen[hash] = true
	}
	if err := rows.Err(); err != nil || len(seen) != 2 {
		t.Errorf("two users with one password have %d hashes (%v)", len(seen), err)
	}
}

func TestOfManySignUpsWithOneAddressOneWins(t *testing.T) {
	t.Parallel()
	users, _ := newUsers(t)
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = users.SignUp(t.Context(), user.Application{Name: "A", Email: "A@example.com", Password: "long enough a word"})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		var refusal user.Refusal
		switch {
		case err == nil:
			won++
		case !errors.As(err, &refusal) || refusal["email"] == "":
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of them won", won)
	}
}

func TestStopsWaitingToHashWhenTheBrowserIsGone(t *testing.T) {
	t.Parallel()
	users, _ := newUsers(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := users.SignIn(ctx, "a@example.com", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestReportsAStoredHashThatCannotBeRead(t *testing.T) {
	t.Parallel()
	users, db := newUsers(t)
	for _, hash := range []string{"", "plain", "$argon2id$v=19$m=1,t=0,p=1$AAAA$AAAA", "$argon2id$v=18$m=8,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=8,t=1,p=1$!$AAAA", "$argon2id$v=19$m=8,t=1,p=1$AAAA$", "$2b$10$x$y$z"} {
		if _, err := db.ExecContext(t.Context(), `INSERT OR REPLACE INTO user_user (id, email, name, password, created_at) VALUES ('x', 'x@example.com', 'X', ?, 0)`, hash); err != nil {
			t.Fatal(err)
		}
		if _, err := users.SignIn(t.Context(), "x@example.com", "anything"); err == nil || errors.Is(err, user.ErrWrong) {
			t.Errorf("%q: got %v", hash, err)
		}
	}
}
