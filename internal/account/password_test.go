package account

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/tollhouse/tollhouse/internal/toll"
)

var quick = Argon2{Memory: 8, Passes: 1, Threads: 1}

func newPasswords(t testing.TB, opts PasswordOptions) *Passwords {
	t.Helper()
	if opts.Costs == (Argon2{}) {
		opts.Costs = quick
	}
	p, err := NewPasswords(opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPasswordHasItsBounds(t *testing.T) {
	t.Parallel()
	for _, good := range []string{strings.Repeat("x", 12), strings.Repeat("ü", 12), strings.Repeat("x", 1024), "            ", "correct horse battery staple"} {
		if err := CheckPassword(toll.Secret(good)); err != nil {
			t.Errorf("%.20q: %v", good, err)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 11), strings.Repeat("ü", 11), strings.Repeat("u\u0308", 11), strings.Repeat("x", 1025), strings.Repeat("x", 12) + "\xff"} {
		var e *toll.Error
		if err := CheckPassword(toll.Secret(bad)); !errors.As(err, &e) || e.Field != "password" {
			t.Errorf("%.20q: got %v", bad, err)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the message tells the password: %v", err)
		}
	}
}

func TestAHashMatchesItsPasswordAndNoOther(t *testing.T) {
	t.Parallel()
	p := newPasswords(t, PasswordOptions{})
	hash, err := p.Hash(t.Context(), "corréct horse")
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[toll.Secret]bool{
		"corréct horse":        true,
		"corre\u0301ct horse":  true, // the same letters from another keyboard
		"corréct horse ":       false,
		"Corréct horse":        false,
		"":                     false,
		"corréct horse\x00":    false,
		"correct horse":        false,
		hash:                   false,
		"corréct horsecorréct": false,
	} {
		ok, weaker, err := p.Verify(t.Context(), hash, password)
		if err != nil || ok != want || weaker {
			t.Errorf("%q: got %t, weaker %t, %v; want %t", password.Reveal(), ok, weaker, err, want)
		}
	}
	again, err := p.Hash(t.Context(), "corréct horse")
	if err != nil || again == hash {
		t.Errorf("the same password has the same hash twice (%v): there is no salt", err)
	}
}

// A vector of the reference implementation's own tests (phc-winner-argon2,
// src/test.c: password "password", salt "somesalt").
func TestReadsAHashOfTheReferenceImplementation(t *testing.T) {
	t.Parallel()
	p := newPasswords(t, PasswordOptions{})
	const hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	ok, _, err := p.Verify(t.Context(), hash, "password")
	if err != nil || !ok {
		t.Fatalf("got %t, %v", ok, err)
	}
}

func TestSaysWhenAHashShouldBeMadeAgain(t *testing.T) {
	t.Parallel()
	old := newPasswords(t, PasswordOptions{Costs: Argon2{Memory: 16, Passes: 2, Threads: 1}})
	hash, err := old.Hash(t.Context(), "a good password")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		now  Argon2
		want bool
	}{
		{Argon2{Memory: 16, Passes: 2, Threads: 1}, false},
		{Argon2{Memory: 17, Passes: 2, Threads: 1}, true},
		{Argon2{Memory: 16, Passes: 3, Threads: 1}, true},
		{Argon2{Memory: 8, Passes: 1, Threads: 1}, false},
	} {
		p := newPasswords(t, PasswordOptions{Costs: c.now})
		ok, weaker, err := p.Verify(t.Context(), hash, "a good password")
		if err != nil || !ok || weaker != c.want {
			t.Errorf("%+v: got %t, weaker %t, %v", c.now, ok, weaker, err)
		}
		if _, weaker, _ := p.Verify(t.Context(), hash, "a wrong password"); weaker {
			t.Errorf("%+v: a wrong password would be hashed anew", c.now)
		}
	}
}

func TestAnUnknownPersonCostsTheSameWorkAndNeverMatches(t *testing.T) {
	t.Parallel()
	p := newPasswords(t, PasswordOptions{})
	var done []phc
	work := p.work
	p.work = func(h phc, password string) []byte {
		done = append(done, h)
		return make([]byte, len(h.hash)) // would equal the empty hash of nobody
	}
	ok, weaker, err := p.Verify(t.Context(), "", "whatever it is")
	if err != nil || ok || weaker {
		t.Errorf("got %t, %t, %v", ok, weaker, err)
	}
	p.work = work
	hash, err := p.Hash(t.Context(), "whatever it is")
	if err != nil {
		t.Fatal(err)
	}
	known, err := parsePHC(hash.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if len(done) != 1 || done[0].costs != known.costs || len(done[0].hash) != len(known.hash) || len(done[0].salt) != len(known.salt) {
		t.Errorf("the work for nobody was %+v, for somebody %+v", done, known.costs)
	}
}

// Not parallel: it changes what the machine seems to be.
func TestACrowdThatSignsInLeavesCoresToTheGateway(t *testing.T) {
	for cores, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 8: 4} {
		before := runtime.GOMAXPROCS(cores)
		p := newPasswords(t, PasswordOptions{})
		runtime.GOMAXPROCS(before)
		if got := cap(p.places); got != want {
			t.Errorf("with %d cores %d hash at a time, want %d", cores, got, want)
		}
	}
}

func TestHashesOnlySoManyAtATimeAndQueuesOnlySoMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPasswords(t, PasswordOptions{Parallel: 2, Queue: 3})
		var running, most atomic.Int64
		release := make(chan struct{})
		p.work = func(h phc, _ string) []byte {
			most.Store(max(most.Load(), running.Add(1)))
			<-release
			running.Add(-1)
			return h.hash
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := p.Hash(t.Context(), "a good password"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if running.Load() != 2 {
			t.Errorf("%d hash at once, want 2", running.Load())
		}
		if _, _, err := p.Verify(t.Context(), "", "x"); toll.CodeOf(err) != toll.Unavailable {
			t.Errorf("a sixth was let in with a queue of three: %v", err)
		}
		close(release)
		wg.Wait()
		if most.Load() != 2 {
			t.Errorf("%d hashed at once, want 2", most.Load())
		}
		if _, err := p.Hash(t.Context(), "a good password"); err != nil {
			t.Errorf("the places were not given back: %v", err)
		}
	})
}

func TestWaitingForAPlaceEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPasswords(t, PasswordOptions{Parallel: 1, Queue: 1})
		release := make(chan struct{})
		p.work = func(h phc, _ string) []byte { <-release; return h.hash }
		go func() { _, _ = p.Hash(t.Context(), "holds the place") }()
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		left := errors.New("the browser has left")
		answer := make(chan error)
		go func() {
			_, err := p.Hash(ctx, "waits")
			answer <- err
		}()
		synctest.Wait()
		cancel(left)
		if err := <-answer; !errors.Is(err, left) {
			t.Errorf("got %v", err)
		}
		if p.waiting.Load() != 0 {
			t.Errorf("%d still wait", p.waiting.Load())
		}
		close(release)
	})
}

func TestRefusesCostsThatWouldPanicOrBringTheMachineDown(t *testing.T) {
	t.Parallel()
	for _, costs := range []Argon2{
		{Memory: 7, Passes: 1, Threads: 1}, {Memory: 16, Passes: 0, Threads: 1}, {Memory: 16, Passes: 1, Threads: 0},
		{Memory: 16, Passes: 1, Threads: 3}, {Memory: 1<<20 + 1, Passes: 1, Threads: 1}, {Memory: 16, Passes: 65, Threads: 1},
	} {
		if _, err := NewPasswords(PasswordOptions{Costs: costs}); err == nil {
			t.Errorf("%+v was taken", costs)
		}
	}
}

func TestADamagedHashIsAnErrorAndNotAWrongPassword(t *testing.T) {
	t.Parallel()
	p := newPasswords(t, PasswordOptions{})
	for _, damaged := range []toll.Secret{
		"x", "$2y$10$abcdefghijklmnopqrstuv", "$argon2i$v=19$m=16,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=16$m=16,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=16,t=4294967295,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=16,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=16,t=2,p=0$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=16,t=2,p=257$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=16,t=2,p=1$c29t$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=16,t=2,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=16,t=2,p=1$$",
		"$argon2id$v=19$m=016,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	} {
		if ok, _, err := p.Verify(t.Context(), damaged, "password"); err == nil || ok {
			t.Errorf("%s: got %t, %v", damaged.Reveal(), ok, err)
		} else if strings.Contains(err.Error(), damaged.Reveal()) && len(damaged) > 1 {
			t.Errorf("the error tells the hash: %v", err)
		}
	}
}

func FuzzParsePHC(f *testing.F) {
	for _, seed := range []string{
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=1,p=1$$", "$$$$$", "",
		"$argon2id$v=19$m=+8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAB",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			return
		}
		if h.String() != s || h.costs.check() != nil || len(h.salt) < 8 || len(h.hash) < 16 {
			t.Fatalf("%q was read as %q", s, h.String())
		}
	})
}

func BenchmarkHash(b *testing.B) {
	p := newPasswords(b, PasswordOptions{Costs: DefaultArgon2})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Hash(b.Context(), "correct horse battery staple"); err != nil {
			b.Fatal(err)
		}
	}
}
