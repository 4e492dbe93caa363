package store_test

import (
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
)

func TestKeepsThePromisesOfTheAccountOffice(t *testing.T) {
	t.Parallel()
	storetest.EachEngine(t, func(t *testing.T, open storetest.Opener) {
		accounttest.TestStore(t, func(t *testing.T) account.Store { return open(t) })
	})
}

func TestKeepsThePromisesOfModelsSupportAndImports(t *testing.T) {
	t.Parallel()
	storetest.EachEngine(t, func(t *testing.T, open storetest.Opener) {
		accounttest.TestFiles(t, func(t *testing.T) accounttest.FileStore { return open(t) })
	})
}
