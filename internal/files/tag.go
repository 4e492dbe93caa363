package files

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// tags remember the entity tags of files. A tag is made of what is in a file
// and not of its times: those are the same in every release that was built
// reproducibly, and differ between machines that serve the same.
type tags struct {
	known sync.Map // variant's name to tagged
	count atomic.Int64
}

type tagged struct {
	size     int64
	modified time.Time
	tag      string
}

const (
	// maxHashed is the largest file that is read for its tag; larger ones get one
	// of their size and time.
	maxHashed = 8 << 20
	// maxTags is how many are remembered before all are forgotten.
	maxTags = 20_000
)

// of gives the entity tag of a variant (RFC 9110 §8.8.3): another for each
// coding, because the bytes are others.
func (t *tags) of(v variant, file *os.File, is fs.FileInfo) (string, error) {
	if found, ok := t.known.Load(v.name); ok {
		if k := found.(tagged); k.size == is.Size() && k.modified.Equal(is.ModTime()) {
			return k.tag, nil
		}
	}
	text := strconv.FormatInt(is.Size(), 36) + "-" + strconv.FormatInt(is.ModTime().UnixNano(), 36)
	if is.Size() <= maxHashed {
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(file, 0, is.Size())); err != nil {
			return "", err
		}
		text = base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15])
	}
	if v.coding != "" {
		text += "-" + string(v.coding)
	}
	k := tagged{size: is.Size(), modified: is.ModTime(), tag: `"` + text + `"`}
	if t.count.Add(1) > maxTags {
		t.known.Clear()
		t.count.Store(1)
	}
	t.known.Store(v.name, k)
	return k.tag, nil
}
