package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestTellsADatabaseThatIsAwayFromOneThatMustBePutRight(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // no server has a socket there
	_, err := store.Open(background, store.Options{URL: toll.Secret("postgres://user@/db?host=" + dir)})
	if !errors.Is(err, store.ErrAway) {
		t.Errorf("nobody listens: %v", err)
	}
	server := pgserver.Shared(t)
	for what, url := range map[string]string{
		"a wrong password":          server.PasswordURL("wrong", "postgres"),
		"a database that is not":    server.URL("nowhere"),
		"a URL that is not one":     "mysql://here",
		"rights that are not given": server.PasswordURL(pgserver.Password, "postgres"),
	} {
		s, err := store.Open(background, store.Options{URL: toll.Secret(url)})
		if err == nil {
			_ = s.Close()
			continue // these rights are given
		}
		if errors.Is(err, store.ErrAway) {
			t.Errorf("%s: taken for an outage: %v", what, err)
		}
	}
}

func TestAnswersNothingBeforeItIsPrepared(t *testing.T) {
	t.Parallel()
	s, err := store.Await(store.Options{URL: toll.Secret(pgserver.Database(t))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	began := time.Now()
	_, err = s.Customer(background, "cus_0001")
	if toll.CodeOf(err) != toll.Unavailable || !errors.Is(err, store.ErrAway) {
		t.Errorf("before: %v", err)
	}
	t.Logf("refused after %s", time.Since(began))
	for range 2 { // the second does nothing
		if err := s.Prepare(background); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = s.Customer(background, "cus_0001"); toll.CodeOf(err) != toll.NotFound {
		t.Errorf("after: %v", err)
	}
	if _, err := store.Await(store.Options{Dir: t.TempDir()}); toll.CodeOf(err) != toll.Invalid {
		t.Errorf("SQLite: %v", err)
	}
}
