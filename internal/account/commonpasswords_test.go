package account_test

import (
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestRefusesPasswordsThatAreTriedFirst(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"qwertyuiop123", "Password1234", "password!!!!!", "ILOVEYOU2026", "dragondragon", "1234567890123", "StarTrek2026!"} {
		if err := account.CheckPassword(toll.Secret(password)); err == nil {
			t.Errorf("%s may be chosen", password)
		}
	}
	for _, password := range []string{"correct horse battery", "k7mq2-x0vpd-3hs9t-wn5ae", "dragon eats 7 pies", "1x2y3z4a5b6c"} {
		if err := account.CheckPassword(toll.Secret(password)); err != nil {
			t.Errorf("%s: %v", password, err)
		}
	}
	wantField(t, account.CheckPassword("ann@example.com", "Ann", "Ann@Example.com"), "password")
}
