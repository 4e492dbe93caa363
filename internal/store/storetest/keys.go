package storetest

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func keepsAKeyAsItWasGiven(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	full := key(1, "cus_0001")
	full.Mode, full.ExpiresAt, full.RevokedAt, full.LastUsedAt = toll.Test, noon.AddDate(1, 0, 0), noon.AddDate(0, 1, 0), noon.Truncate(time.Minute)
	full.ReplacedBy, full.Version = "key_0002", 4
	full.Methods, full.Origins = []string{"GET", "POST"}, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	full.Limits = []toll.Policy{{Name: "key", Kind: toll.RateLimit, Partition: toll.PerKey, Count: 5, Window: time.Second}}
	bare := toll.Key{ID: "key_bare", CustomerID: "cus_0001", Mode: toll.Live, CreatedAt: noon}
	for _, k := range []toll.Key{full, bare} {
		must(t, s.CreateKey(background, k, tolltest.Entry()))
		got, err := s.Key(background, k.ID)
		wantSame(t, "key", got, err, k)
	}
	_, err := s.Key(background, "key_none")
	wantCode(t, "a missing key", err, toll.NotFound)
}

func refusesAKeyThatIsThereOrBelongsToNobody(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	must(t, s.CreateKey(background, key(1, "cus_0001"), tolltest.Entry()))
	wantCode(t, "the same ID", s.CreateKey(background, key(1, "cus_0001"), tolltest.Entry()), toll.Conflict)
	sameText := key(2, "cus_0001")
	sameText.Hash = key(1, "").Hash
	wantCode(t, "the same text", s.CreateKey(background, sameText, tolltest.Entry()), toll.Conflict)
	wantCode(t, "nobody's", s.CreateKey(background, key(3, "cus_none"), tolltest.Entry()), toll.NotFound)
	odd := key(4, "cus_0001")
	odd.Mode = "maybe"
	wantCode(t, "an unknown mode", s.CreateKey(background, odd, tolltest.Entry()), toll.Invalid)
}

func listsTheKeysOfACustomerNewestFirst(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	must(t, s.CreateCustomer(background, customer(2), tolltest.Entry()))
	for _, n := range []int{2, 4, 1, 3} {
		must(t, s.CreateKey(background, key(n, "cus_0001"), tolltest.Entry()))
	}
	must(t, s.CreateKey(background, key(5, "cus_0002"), tolltest.Entry()))
	got, err := s.KeysOf(background, "cus_0001")
	wantSame(t, "keys", got, err, []toll.Key{key(4, "cus_0001"), key(3, "cus_0001"), key(2, "cus_0001"), key(1, "cus_0001")})
	got, err = s.KeysOf(background, "cus_none")
	wantSame(t, "nobody's keys", got, err, nil)
}

func changesAKeyButNotItsLastUse(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	k := key(1, "cus_0001")
	k.LastUsedAt = noon
	must(t, s.CreateKey(background, k, tolltest.Entry()))
	k.Name, k.Services, k.ExpiresAt, k.RevokedAt, k.ReplacedBy = "renamed", nil, noon.AddDate(1, 0, 0), noon, "key_0002"
	k.Methods, k.Origins = []string{"GET"}, []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32")}
	k.LastUsedAt = time.Time{}
	got, err := s.UpdateKey(background, k, tolltest.Entry())
	want := k
	want.LastUsedAt, want.Version = noon, 2
	wantSame(t, "changed", got, err, want)
	_, err = s.UpdateKey(background, k, tolltest.Entry())
	wantCode(t, "a stale change", err, toll.Conflict)
	_, err = s.UpdateKey(background, key(9, "cus_0001"), tolltest.Entry())
	wantCode(t, "a missing key", err, toll.NotFound)
	got, err = s.Key(background, k.ID)
	wantSame(t, "after all that", got, err, want)
}

func replacesAKeyWhollyOrNotAtAll(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	old, other := key(1, "cus_0001"), key(2, "cus_0001")
	must(t, s.CreateKey(background, old, tolltest.Entry()))
	must(t, s.CreateKey(background, other, tolltest.Entry()))
	ending := old
	ending.ExpiresAt, ending.ReplacedBy = noon.Add(time.Hour), "key_0003"
	unchanged := func(what string) {
		t.Helper()
		got, err := s.Key(background, old.ID)
		wantSame(t, what+": the old key", got, err, old)
		keys, err := s.KeysOf(background, "cus_0001")
		wantSame(t, what+": all keys", keys, err, []toll.Key{other, old})
	}
	wantCode(t, "the next is there already", s.ReplaceKey(background, ending, other, tolltest.Entry()), toll.Conflict)
	unchanged("the next is there already")
	wantCode(t, "the next is nobody's", s.ReplaceKey(background, ending, key(3, "cus_none"), tolltest.Entry()), toll.NotFound)
	unchanged("the next is nobody's")
	stale := ending
	stale.Version = 7
	wantCode(t, "the old is stale", s.ReplaceKey(background, stale, key(3, "cus_0001"), tolltest.Entry()), toll.Conflict)
	unchanged("the old is stale")
	gone := ending
	gone.ID = "key_none"
	wantCode(t, "the old is not there", s.ReplaceKey(background, gone, key(3, "cus_0001"), tolltest.Entry()), toll.NotFound)
	unchanged("the old is not there")

	must(t, s.ReplaceKey(background, ending, key(3, "cus_0001"), tolltest.Entry()))
	ending.Version = 2
	keys, err := s.KeysOf(background, "cus_0001")
	wantSame(t, "after the roll", keys, err, []toll.Key{key(3, "cus_0001"), other, ending})
}

func visitsEachKeyOnce(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	var want []string
	for n := range 5 {
		must(t, s.CreateKey(background, key(n, "cus_0001"), tolltest.Entry()))
		want = append(want, key(n, "").ID)
	}
	var seen []string
	must(t, s.EachKey(background, func(k toll.Key) error { seen = append(seen, k.ID); return nil }))
	if !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
	stop := errors.New("stop")
	if err := s.EachKey(background, func(toll.Key) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the visitor's own error", err)
	}
}
