package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Changed is told of customers and keys that were changed, by whatever process.
// The same change may be told several times, and an older one after a newer:
// Version says which is which.
type Changed interface {
	CustomerChanged(toll.Customer)
	KeyChanged(toll.Key)
}

// Watch hears of changes that other processes make to customers and keys of a
// PostgreSQL database, by LISTEN. It takes one of the store's connections, which
// must be to the server itself: a pooler in between that hands out another
// connection for each transaction passes nothing on.
type Watch struct {
	store *Store
	conn  *sql.Conn // nil: not listening
}

const (
	listenAgain = 500 * time.Millisecond // between two tries
	listenProbe = 5 * time.Second        // how long a silent connection is believed
)

// Watch begins to listen, so that what is read from the store afterwards and
// what Run tells have no gap between them. It returns nil for SQLite, whose file
// has one owner. A server that cannot be listened to now is tried again by Run.
func (s *Store) Watch(ctx context.Context) *Watch {
	if _, ok := s.engine.(*postgresEngine); !ok {
		return nil
	}
	w := &Watch{store: s}
	_ = w.listen(ctx) // Run tries again, and tells the log
	return w
}

func (w *Watch) listen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := w.store.reader.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	if _, err := conn.ExecContext(ctx, `listen tollhouse_changes`); err != nil {
		return errors.Join(fmt.Errorf("listening: %w", err), conn.Close())
	}
	w.conn = conn
	return nil
}

// Run tells of changes until ctx ends. While it cannot listen it tries again;
// whenever it listens again it tells of every customer and key, for some may
// have been changed meanwhile. It is called once; a nil Watch returns at once.
func (w *Watch) Run(ctx context.Context, changed Changed, log *slog.Logger) {
	if w == nil {
		return
	}
	deaf := w.conn == nil
	for ctx.Err() == nil {
		err := w.hear(ctx, changed, deaf, log)
		w.drop()
		if ctx.Err() != nil {
			return
		}
		if !deaf {
			log.Warn("changes of customers and keys by other replicas are not heard of; listening again", "error", err)
		}
		deaf = true
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
	w.drop()
}

// drop closes the connection itself: one that listens must not go back to the pool.
func (w *Watch) drop() {
	if w.conn == nil {
		return
	}
	_ = w.conn.Raw(func(driver any) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return driver.(*stdlib.Conn).Conn().Close(ctx)
	})
	_ = w.conn.Close() // broken, or closed just now
	w.conn = nil
}

// hear listens until the connection fails. deaf: changes may have been missed.
func (w *Watch) hear(ctx context.Context, changed Changed, deaf bool, log *slog.Logger) error {
	if w.conn == nil {
		if err := w.listen(ctx); err != nil {
			return err
		}
	}
	if deaf {
		if err := w.tellAll(ctx, changed); err != nil {
			return err
		}
		log.Info("changes of customers and keys by other replicas are heard of again")
	}
	return w.conn.Raw(func(driver any) error {
		conn := driver.(*stdlib.Conn).Conn()
		for {
			heard, err := next(ctx, conn)
			if err != nil {
				return err
			}
			if err := w.tell(ctx, changed, heard); err != nil {
				return err
			}
		}
	})
}

// next waits for a change, and makes sure now and then that the server is there.
func next(ctx context.Context, conn *pgx.Conn) (string, error) {
	for {
		waiting, cancel := context.WithTimeout(ctx, listenProbe)
		heard, err := conn.WaitForNotification(waiting)
		cancel()
		if err == nil {
			return heard.Payload, nil
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return "", fmt.Errorf("waiting: %w", err)
		}
		asking, cancel := context.WithTimeout(ctx, listenProbe)
		_, err = conn.Exec(asking, `select 1`)
		cancel()
		if err != nil {
			return "", fmt.Errorf("asking whether the server is there: %w", err)
		}
	}
}

// tell reads what was changed and tells of it.
func (w *Watch) tell(ctx context.Context, changed Changed, heard string) (err error) {
	table, id, _ := strings.Cut(heard, " ")
	switch table {
	case "customer":
		var c toll.Customer
		if c, err = w.store.Customer(ctx, id); err == nil {
			changed.CustomerChanged(c)
		}
	case "api_key":
		var k toll.Key
		if k, err = w.store.Key(ctx, id); err == nil {
			changed.KeyChanged(k)
		}
	}
	var known *toll.Error
	if errors.As(err, &known) && known.Code == toll.NotFound {
		return nil // it is gone, or another installation's in the same database
	}
	return err
}

func (w *Watch) tellAll(ctx context.Context, changed Changed) error {
	err := w.store.EachCustomer(ctx, func(c toll.Customer) error {
		changed.CustomerChanged(c)
		return nil
	})
	if err != nil {
		return err
	}
	return w.store.EachKey(ctx, func(k toll.Key) error {
		changed.KeyChanged(k)
		return nil
	})
}
