package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

var background = context.Background()

// wantUnusable holds an error of Open to what its reader needs: the code, one
// sentence that names the place and a cure, and nothing of a stack.
func wantUnusable(t *testing.T, s *store.Store, err error, parts ...string) {
	t.Helper()
	var e *toll.Error
	if s != nil || !errors.As(err, &e) || e.Code != toll.Unavailable {
		t.Fatalf("got %v, %v; want an Unavailable error", s, err)
	}
	if strings.Contains(e.Message, "\n") || !strings.HasSuffix(e.Message, ".") && !strings.Contains(e.Message, "createdb") {
		t.Errorf("not one sentence: %q", e.Message)
	}
	for _, part := range parts {
		if !strings.Contains(e.Message, part) {
			t.Errorf("the message does not say %q: %q", part, e.Message)
		}
	}
}

func customerOf(id string) toll.Customer {
	return toll.Customer{ID: id, Name: "Customer " + id, Status: toll.CustomerActive, CreatedAt: time.Unix(1_790_000_000, 0).UTC()}
}

// filled makes a database with some hundred customers and returns its file.
func filled(t *testing.T) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	s, err := store.Open(background, store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		c := customerOf("cus_" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + string(rune('a'+i/26)))
		if err := s.CreateCustomer(background, c, tolltest.Entry()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, store.FileName)
}

func TestMakesTheDirectoryAndAFileThatOnlyItsOwnerReads(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"deep/er", "with space", "100%", "a?b=c&d#e", "ünï 数据", "file:x", "it's;"} {
		dir := filepath.Join(t.TempDir(), name)
		s := storetest.OpenWith(t, store.Options{Dir: dir})
		if err := s.CreateCustomer(background, customerOf("cus_1"), tolltest.Entry()); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, store.FileName): 0o600, filepath.Join(dir, store.FileName+"-wal"): 0o600} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if info.Mode().Perm() != want {
				t.Errorf("%s has the rights %v, want %v", path, info.Mode().Perm(), want)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 3 {
			t.Errorf("%s: left behind: %v, %v", name, entries, err)
		}
	}
}

func TestRefusesADirectoryThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(background, store.Options{Dir: filepath.Join(file, "below")})
	wantUnusable(t, s, err, filepath.Join(file, "below"), "--data")

	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, store.FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(background, store.Options{Dir: taken})
	wantUnusable(t, s, err, filepath.Join(taken, store.FileName), "is a directory", "move it away")

	_, err = store.Open(background, store.Options{})
	if toll.CodeOf(err) != toll.Invalid {
		t.Errorf("no database named: got %v, want Invalid", err)
	}
}

func TestRefusesADirectoryWithoutRights(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	dir := filepath.Join(above, "shut")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	tolltest.Unprivileged(t, above, func() {
		s, err := store.Open(background, store.Options{Dir: dir})
		wantUnusable(t, s, err, dir, "right")
	})
}

func TestRefusesADamagedFileAndLeavesItAsItIs(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"no database":            func([]byte) []byte { return []byte(strings.Repeat("not a database at all\n", 300)) },
		"shorter than a header":  func([]byte) []byte { return []byte("SQLite") },
		"only a header":          func(b []byte) []byte { return b[:100] },
		"cut in the middle":      func(b []byte) []byte { return b[:len(b)/2/4096*4096] },
		"cut within a page":      func(b []byte) []byte { return b[:len(b)-1000] },
		"a page of zeros":        func(b []byte) []byte { clear(b[2*4096 : 3*4096]); return b },
		"noise in many pages":    func(b []byte) []byte { return noise(b, 4096) },
		"a head that is spoiled": func(b []byte) []byte { return noise(b[:len(b):len(b)], 0)[:len(b)] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, file := filled(t)
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			damaged := damage(whole)
			if err := os.WriteFile(file, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(background, store.Options{Dir: dir})
			wantUnusable(t, s, err, file, "backup", "move it away")
			after, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(after, damaged) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

// noise spoils every page after from, with a fixed pattern.
func noise(b []byte, from int) []byte {
	for i := from; i < len(b); i++ {
		if i%4096 >= 16 && i%3 == 0 {
			b[i] ^= byte(i*31 + 7)
		}
	}
	return b
}

func TestFindsDamageInWhatOpenDidNotRead(t *testing.T) {
	t.Parallel()
	dir, file := filled(t)
	if err := storetest.OpenWith(t, store.Options{Dir: dir}).Check(background); err != nil {
		t.Fatalf("a whole database: %v", err)
	}
	s := storetest.OpenWith(t, store.Options{Dir: dir}) // which has read next to nothing yet
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	junk := bytes.Repeat([]byte{0xa5}, 4096)
	for page := int64(2); page < info.Size()/4096; page++ {
		if _, err := f.WriteAt(junk, page*4096); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Check(background); toll.CodeOf(err) != toll.Unavailable || !strings.Contains(toll.SafeMessage(err), "damaged") {
		t.Errorf("a damaged database: %v", err)
	}
	err = s.EachCustomer(background, func(toll.Customer) error { return nil })
	if toll.CodeOf(err) != toll.Unavailable || strings.Contains(toll.SafeMessage(err), dir) {
		t.Errorf("reading what is damaged: %v", err)
	}
}

func execSQLite(t *testing.T, file string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestRefusesANewerSchemaAndChangesNothing(t *testing.T) {
	t.Parallel()
	dir, file := filled(t)
	execSQLite(t, file, `insert into goose_db_version (version_id, is_applied) values (9999, 1)`, `pragma journal_mode = delete`)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(background, store.Options{Dir: dir})
	wantUnusable(t, s, err, file, "newer", "9999", "Nothing was changed")
	after, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestRefusesTheDatabaseOfAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, store.FileName)
	execSQLite(t, file, `create table customer (name text)`)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(background, store.Options{Dir: dir})
	wantUnusable(t, s, err, file, "another program")
	after, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestSaysWhoHoldsADatabaseThatIsLocked(t *testing.T) {
	t.Parallel()
	dir, file := filled(t)
	other, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	for _, statement := range []string{`pragma locking_mode = exclusive`, `begin immediate`, `update customer set demo = 1`} {
		if _, err := other.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	s, err := store.Open(background, store.Options{Dir: dir})
	wantUnusable(t, s, err, file, "held by another program")
}

// TestLetsManyOpenANewDatabaseAtOnce: the server and a command may start together.
func TestLetsManyOpenANewDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			s, err := store.Open(background, store.Options{Dir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.CreateCustomer(background, customerOf("cus_"+string(rune('a'+i))), tolltest.Entry()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := storetest.OpenWith(t, store.Options{Dir: dir})
	page, err := s.Customers(background, toll.CustomerQuery{})
	if err != nil || len(page.Customers) != 6 {
		t.Errorf("%d customers, %v; want 6", len(page.Customers), err)
	}
}

func TestRunsARecentSQLiteThatSurvivesPowerLoss(t *testing.T) {
	t.Parallel()
	settings := storetest.Open(t).Settings(t)
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"} {
		if settings[name] != want {
			t.Errorf("%s is %q, want %q", name, settings[name], want)
		}
	}
	if settings["sqlite_version"] < "3.53" {
		t.Errorf("SQLite is %s, want 3.53 or newer", settings["sqlite_version"])
	}
}
