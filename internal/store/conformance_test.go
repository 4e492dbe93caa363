package store_test

import (
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/meter/metertest"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
)

func TestKeepsThePromisesOfTheMeter(t *testing.T) {
	t.Parallel()
	storetest.EachEngine(t, func(t *testing.T, open storetest.Opener) {
		metertest.TestSink(t, func(t *testing.T) metertest.Store { return open(t) })
	})
}

func TestKeepsThePromisesOfTheStore(t *testing.T) {
	t.Parallel()
	storetest.EachEngine(t, storetest.TestStore)
}

func TestKeepsThePromisesOfTheOffice(t *testing.T) {
	t.Parallel()
	storetest.EachEngine(t, func(t *testing.T, open storetest.Opener) {
		accounttest.TestStore(t, func(t *testing.T) account.Store { return open(t) })
	})
}
