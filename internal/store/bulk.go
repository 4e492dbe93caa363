package store

import "strings"

// bulk is one statement that takes many rows: SQLite runs it row by row,
// prepared once; PostgreSQL once for all, over unnest. The rows stand column by
// column, because that is what PostgreSQL takes and what costs no allocation
// per value.
type bulk struct {
	insert  string // "usage_event": insert into it; "" for a statement of its own
	columns []column
	// conflict follows the values of an insert, "on conflict …".
	conflict string
	// sqlite and postgres are the statement when insert is "".
	sqlite, postgres string
}

// column is one column of a bulk. Exactly one of ints, texts and blobs is used.
type column struct {
	name  string
	kind  columnKind
	ints  []int64
	texts []string
	blobs [][]byte
}

type columnKind uint8

const (
	bigints columnKind = iota
	integers
	smallints
	texts
	blobs
)

// length is how many rows the bulk holds.
func (b *bulk) length() int {
	c := &b.columns[0]
	return len(c.ints) + len(c.texts) + len(c.blobs)
}

func (b *bulk) columnNames() string {
	names := make([]string, len(b.columns))
	for i := range b.columns {
		names[i] = b.columns[i].name
	}
	return strings.Join(names, ", ")
}
