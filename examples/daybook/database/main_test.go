package database_test

import (
	"os"
	"testing"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

func TestMain(m *testing.M) { os.Exit(pgserver.Main(m)) }
