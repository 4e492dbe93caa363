package site

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/websocket"
)

// chat gives what one says to all, over WebSocket.
type chat struct {
	server websocket.Server
	mu     sync.Mutex
	all    map[*websocket.Conn]chan string
}

const mostChatters = 100

func newChat() *chat {
	c := &chat{all: map[*websocket.Conn]chan string{}}
	c.server = websocket.Server{Handler: c.talk, Handshake: sameOrigin}
	return c
}

// ServeHTTP opens a connection.
func (c *chat) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.server.ServeHTTP(w, r) }

// sameOrigin keeps other sites from talking in a person's name: a browser sends
// cookies along with a WebSocket whoever opens it.
func sameOrigin(_ *websocket.Config, r *http.Request) error {
	if u, err := url.Parse(r.Header.Get("Origin")); err != nil || u.Host != r.Host {
		return fmt.Errorf("the origin %q is not this site", r.Header.Get("Origin"))
	}
	return nil
}

func (c *chat) talk(conn *websocket.Conn) {
	conn.MaxPayloadBytes = 4 << 10
	_ = conn.SetDeadline(time.Time{}) // the server's are for requests
	mine := make(chan string, 16)
	c.mu.Lock()
	full := len(c.all) >= mostChatters
	if !full {
		c.all[conn] = mine
	}
	c.mu.Unlock()
	if full {
		return
	}
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.all, conn)
		close(mine)
	}()
	go func() {
		for text := range mine {
			_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
			if websocket.Message.Send(conn, text) != nil {
				_ = conn.Close() // ends the reading below
				return
			}
		}
	}()
	for {
		var said struct {
			Text string `json:"text"`
		}
		if websocket.JSON.Receive(conn, &said) != nil {
			return
		}
		if text := strings.TrimSpace(said.Text); text != "" && len(text) <= 800 {
			c.tell(`<hx-partial hx-target="#chat" hx-swap="beforeend"><p>` + html.EscapeString(text) + `</p></hx-partial>`)
		}
	}
}

// tell passes over whoever does not keep up.
func (c *chat) tell(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, to := range c.all {
		select {
		case to <- text:
		default:
		}
	}
}
