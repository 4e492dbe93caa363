package account_test

import (
	"bytes"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestWhatIsSealedOpensInItsPlaceAlone(t *testing.T) {
	t.Parallel()
	v := vault(t)
	text := []byte("twenty bytes of a key")
	sealed := v.Seal("totp mem_1", text)
	if bytes.Contains(sealed, text) || bytes.Equal(sealed, v.Seal("totp mem_1", text)) {
		t.Error("it is not sealed, or the same each time")
	}
	got, err := v.Open("totp mem_1", sealed)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("opened %q, %v", got, err)
	}
	if _, err := v.Open("totp mem_2", sealed); err == nil {
		t.Error("it opens for another person")
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := v.Open("totp mem_1", changed); err == nil {
			t.Errorf("it opens with byte %d changed", i)
		}
	}
	for n := range len(sealed) {
		if _, err := v.Open("totp mem_1", sealed[:n]); err == nil {
			t.Errorf("it opens cut to %d bytes", n)
		}
	}
	const next = toll.Secret("another secret for tests, of thirty-two bytes")
	with, err := account.NewVault(next, accounttest.Secret)
	must(t, err)
	if got, err := with.Open("totp mem_1", sealed); err != nil || !bytes.Equal(got, text) {
		t.Errorf("with the secret of before: %q, %v", got, err)
	}
	if _, err := account.NewVault("short"); err == nil {
		t.Error("a short secret makes a vault")
	}
}
