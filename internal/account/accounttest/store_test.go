package accounttest_test

import (
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
)

func TestStoreInMemoryKeepsItsPromises(t *testing.T) {
	t.Parallel()
	accounttest.TestStore(t, func(*testing.T) account.Store { return accounttest.NewStore() })
}

func TestFilesInMemoryKeepTheirPromises(t *testing.T) {
	t.Parallel()
	accounttest.TestFiles(t, func(*testing.T) accounttest.FileStore { return accounttest.NewStore() })
}
