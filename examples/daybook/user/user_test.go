package user_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/examples/daybook/database"
	"github.com/tollhouse/tollhouse/examples/daybook/database/databasetest"
	"github.com/tollhouse/tollhouse/examples/daybook/user"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// eachUsers runs a test on the module over each database.
func eachUsers(t *testing.T, test func(t *testing.T, users *user.Users, db *database.DB)) {
	t.Helper()
	t.Parallel()
	databasetest.Each(t, pgserver.Database, func(t *testing.T, db *database.DB) {
		users, err := user.Open(t.Context(), db, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		test(t, users, db)
	})
}

func TestStoresPasswordsAsArgon2idWithASaltEach(t *testing.T) {
	eachUsers(t, func(t *testing.T, users *user.Users, db *database.DB) {
		for _, email := range []string{"a@example.com", "b@example.com"} {
			if _, err := users.SignUp(t.Context(), user.Application{Name: "A", Email: email, Password: "the same password"}); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := db.Query(t.Context(), `SELECT password FROM {user.user}`)
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
	})
}

func TestOfManySignUpsWithOneAddressOneWins(t *testing.T) {
	eachUsers(t, func(t *testing.T, users *user.Users, db *database.DB) {
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
	})
}

func TestStopsWaitingToHashWhenTheBrowserIsGone(t *testing.T) {
	eachUsers(t, func(t *testing.T, users *user.Users, db *database.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := users.SignIn(ctx, "a@example.com", "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestReportsAStoredHashThatCannotBeRead(t *testing.T) {
	eachUsers(t, func(t *testing.T, users *user.Users, db *database.DB) {
		for _, hash := range []string{"", "plain", "$argon2id$v=19$m=1,t=0,p=1$AAAA$AAAA", "$argon2id$v=18$m=8,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=8,t=1,p=1$!$AAAA", "$argon2id$v=19$m=8,t=1,p=1$AAAA$", "$2b$10$x$y$z"} {
			if _, err := db.Exec(t.Context(), `INSERT INTO {user.user} (id, email, name, password, created_at) VALUES ('x', 'x@example.com', 'X', $1, 0) ON CONFLICT (id) DO UPDATE SET password = excluded.password`, hash); err != nil {
				t.Fatal(err)
			}
			if _, err := users.SignIn(t.Context(), "x@example.com", "anything"); err == nil || errors.Is(err, user.ErrWrong) {
				t.Errorf("%q: got %v", hash, err)
			}
		}
	})
}

func TestLetsNobodyInWithAnAddressThatNoDatabaseHolds(t *testing.T) {
	eachUsers(t, func(t *testing.T, users *user.Users, _ *database.DB) {
		for _, email := range []string{"a\x00@example.com", "\xff@example.com", "", strings.Repeat("a", 1<<20), "a\n@example.com"} {
			if _, err := users.SignIn(t.Context(), email, "anything at all"); !errors.Is(err, user.ErrWrong) {
				t.Errorf("%.20q: %v", email, err)
			}
			if refusal := user.Examine(user.Application{Name: email, Email: email}); refusal["name"] == "" || refusal["email"] == "" {
				t.Errorf("%.20q: %v", email, refusal)
			}
		}
	})
}

func TestKeepsTheLanguageOfAUser(t *testing.T) {
	eachUsers(t, func(t *testing.T, users *user.Users, _ *database.DB) {
		u, err := users.SignUp(t.Context(), user.Application{Name: "A", Email: "a@example.com", Password: "long enough a word", Language: "fr"})
		if err != nil || u.Language != "fr" {
			t.Fatalf("%+v, %v", u, err)
		}
		if err := users.SetLanguage(t.Context(), u.ID, "es"); err != nil {
			t.Fatal(err)
		}
		if u, err = users.ByID(t.Context(), u.ID); err != nil || u.Language != "es" {
			t.Errorf("%+v, %v", u, err)
		}
	})
}
