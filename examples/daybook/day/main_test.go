package day_test

import (
	"os"
	"testing"

	"github.com/tollhouse/tollhouse/examples/daybook/database/databasetest"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Main(m)) }
