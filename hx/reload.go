package hx

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed reload.js
var reloadScript []byte

// Reload loads open pages anew while a program is developed: when a watched
// file changes, or the program was started again. Pages include its script,
// <script src="/dev/reload.js"></script>, which a policy of 'self' allows. Do
// not serve it in production. It is safe for concurrent use.
type Reload struct{ hub *Hub }

// NewReload opens it.
func NewReload() *Reload {
	return &Reload{hub: NewHub(HubOptions{Retry: 300 * time.Millisecond, Events: 16, Clients: 100})}
}

// ServeHTTP answers its script and stream, at whatever path ends in "reload.js"
// and "events": mount it at a folder, "/dev/".
func (l *Reload) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path.Base(r.URL.Path) {
	case "reload.js":
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Cache-Control", NoStore.String())
		_, _ = w.Write(reloadScript)
	case "events":
		_ = l.hub.Serve(w, r, "files") // a page that leaves is no news
	default:
		http.NotFound(w, r)
	}
}

// Drain ends the streams of open pages; see Hub.Drain.
func (l *Reload) Drain(ctx context.Context) error { return l.hub.Drain(ctx) }

// Watch looks at the files of some folders (os.DirFS) every so often and tells
// open pages of a change, until ctx ends; it returns ctx's error. every is at
// least 50 milliseconds. A folder that cannot be read is an error at the start,
// and passed over later, for editors move files about.
func (l *Reload) Watch(ctx context.Context, every time.Duration, folders ...fs.FS) error {
	before, err := stamps(folders)
	if err != nil {
		return fmt.Errorf("hx: watching files: %w", err)
	}
	tick := time.NewTicker(max(every, 50*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now, err := stamps(folders)
		if err != nil {
			continue
		}
		if name := changed(before, now); name != "" {
			if _, err := l.hub.Publish("files", StreamEvent{Name: name, Data: "changed"}); errors.Is(err, ErrDraining) {
				return err
			}
		}
		before = now
	}
}

type stamp struct {
	folder int
	name   string
}

func stamps(folders []fs.FS) (map[stamp]string, error) {
	all := map[stamp]string{}
	for i, folder := range folders {
		err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			all[stamp{i, name}] = fmt.Sprint(info.Size(), info.ModTime().UnixNano())
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// changed is the event that tells of what changed: "style" when it is style
// sheets only, "" for nothing.
func changed(before, now map[stamp]string) string {
	event := ""
	note := func(s stamp) {
		if !strings.HasSuffix(s.name, ".css") {
			event = "reload"
		} else if event == "" {
			event = "style"
		}
	}
	for s, is := range now {
		if before[s] != is {
			note(s)
		}
	}
	for s := range before {
		if _, there := now[s]; !there {
			note(s)
		}
	}
	return event
}
