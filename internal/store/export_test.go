package store

import "testing"

// Settings reads what the writing connection of a SQLite store runs with.
func (s *Store) Settings(t *testing.T) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for name, query := range map[string]string{
		"journal_mode": `pragma journal_mode`, "synchronous": `pragma synchronous`, "foreign_keys": `pragma foreign_keys`,
		"busy_timeout": `pragma busy_timeout`, "sqlite_version": `select sqlite_version()`,
	} {
		var value string
		if err := s.writer.QueryRow(query).Scan(&value); err != nil {
			t.Fatal(err)
		}
		settings[name] = value
	}
	return settings
}
