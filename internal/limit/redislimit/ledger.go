package redislimit

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var (
	//go:embed counter.lua
	counterText string
	//go:embed present.lua
	presentText string

	counterScript = redis.NewScript(counterText)
	presentScript = redis.NewScript(presentText)
)

// Ledger is a limit.Ledger in a Redis server. It is safe for concurrent use.
type Ledger struct {
	client redis.UniversalClient
	skew   time.Duration // of the server's clock, for tests that cannot wait
}

// Open makes a ledger in the server at an address like redis://HOST:PORT/DB,
// rediss:// for TLS, or unix:///PATH. It does not connect: a server that is
// away is no reason not to start. An error never holds the address, which may
// hold a password.
func Open(address string) (*Ledger, error) {
	o, err := redis.ParseURL(address)
	if err != nil {
		var wrong *url.Error
		if errors.As(err, &wrong) {
			err = wrong.Err
		}
		return nil, toll.Errorf(toll.Invalid, "redis: its address cannot be read: %w", err)
	}
	silence.Do(func() { redis.SetLogger(quiet{}) })
	o.MaxRetries = -1 // the pool knows when to ask again, and what must be said anew
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = time.Second, time.Second, time.Second
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	return &Ledger{client: redis.NewClient(o)}, nil
}

// quiet drops what the client would write to stderr by itself: its errors come
// back to us, and are logged once.
type quiet struct{}

var silence sync.Once

func (quiet) Printf(context.Context, string, ...any) {}

// Close lets go of the connections.
func (l *Ledger) Close() error { return l.client.Close() }

// Present is limit.Ledger's.
func (l *Ledger) Present(ctx context.Context, replica string) (int, error) {
	n, err := presentScript.Run(ctx, l.client, []string{"tollhouse:replicas"},
		replica, limit.DeadAfter.Microseconds(), l.skew.Microseconds()).Int()
	if err != nil {
		return 0, fmt.Errorf("telling Redis that this replica is there: %w", err)
	}
	return n, nil
}

// Exchange is limit.Ledger's. All asks go in one round trip; the first after a
// server's start takes another, for it has to be given the scripts.
func (l *Ledger) Exchange(ctx context.Context, asks []limit.Ask, grants []limit.Grant) error {
	results := make([]*redis.Cmd, len(asks))
	_, err := l.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := range asks {
			keys, args := l.call(&asks[i])
			results[i] = counterScript.EvalSha(ctx, pipe, keys, args...)
		}
		return nil
	})
	if err != nil && !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return fmt.Errorf("exchanging %d counters with Redis: %w", len(asks), err)
	}
	for i := range asks {
		reply, err := results[i].Slice()
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			keys, args := l.call(&asks[i])
			reply, err = counterScript.Eval(ctx, l.client, keys, args...).Slice()
		}
		if err == nil {
			grants[i], err = read(reply)
		}
		if err != nil {
			return fmt.Errorf("exchanging a counter with Redis: %w", err)
		}
	}
	return nil
}

// kinds are the kinds of counter as keys name them, and how long one is kept
// when nobody touches it: a quota beyond its month, the others beyond any lease.
var kinds = map[toll.PolicyKind]struct {
	name string
	keep time.Duration
}{
	toll.Quota:            {"quota", 40 * 24 * time.Hour},
	toll.RateLimit:        {"rate", time.Minute}, // once it is whole
	toll.ConcurrencyLimit: {"places", time.Hour},
}

// call is the key and the arguments of an ask.
func (l *Ledger) call(a *limit.Ask) (keys []string, args []any) {
	kind, sure := kinds[a.Kind], 0
	if a.Sure {
		sure = 1
	}
	return []string{key(kind.name, a.Counter)}, []any{
		kind.name, a.Replica, a.Seq, a.Need, a.Spare, max(1, a.Replicas),
		a.Limit, a.Have, a.Used, a.Acked, a.Generation, a.Known, a.Floor, sure,
		a.Count, a.Window.Microseconds(), a.Age.Microseconds(),
		limit.DeadAfter.Microseconds(), kind.keep.Milliseconds(), l.skew.Microseconds(),
		a.Replica + "." + strconv.FormatInt(a.Seq, 10),
	}
}

// key names a counter: tollhouse:{WHO}:KIND:PERIOD:WHAT. Only WHO decides where
// a cluster keeps it; it is quoted, for a brace in it would end the tag.
func key(kind string, c limit.Counter) string {
	return "tollhouse:{" + url.QueryEscape(c.Who) + "}:" + kind + ":" + strconv.FormatInt(c.Period, 10) + ":" + c.What
}

// read turns the script's reply into a grant.
func read(reply []any) (limit.Grant, error) {
	r := reader{reply: reply}
	g := limit.Grant{
		Now: r.number(), Generation: r.text(), Granted: r.number(),
		Stale: r.number() == 1, Unseeded: r.number() == 1,
		Leased: r.number(), Used: r.number(), Moment: r.number(), Wait: r.number(),
	}
	return g, r.err
}

// reader takes a reply apart, and keeps the first error.
type reader struct {
	reply []any
	err   error
}

func next[T any](r *reader) (v T) {
	if len(r.reply) > 0 {
		if got, ok := r.reply[0].(T); ok {
			r.reply = r.reply[1:]
			return got
		}
	}
	if r.err == nil {
		r.err = errors.New("the script's reply is not what it should be; is another Tollhouse at work there?")
	}
	return v
}

func (r *reader) number() int64 { return next[int64](r) }
func (r *reader) text() string  { return next[string](r) }
