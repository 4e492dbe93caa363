package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Queue is the outbox as a sender sees it. A claim is a lease; what is said of
// one that was over is a NotFound.
type Queue interface {
	ClaimMail(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]toll.MailClaim, error)
	MailSent(ctx context.Context, c toll.MailClaim, at time.Time) error
	MailKept(ctx context.Context, c toll.MailClaim, at time.Time) error
	MailFailed(ctx context.Context, c toll.MailClaim, at, next time.Time, reason string) error
	ForgetMail(ctx context.Context, before time.Time) (int64, error)
}

// The sender's patience.
const (
	lookEvery = 5 * time.Second // for what other processes wrote
	atOnce    = 5               // mails of one claim
	lifetime  = 48 * time.Hour  // after that a mail is given up: what it says is old
	Remember  = 30 * 24 * time.Hour
	tidyEvery = time.Hour
	writing   = 10 * time.Second // for the queue to take what became of a mail
)

// pauses are those after each try that failed; the last one repeats.
var pauses = []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour}

// Options are what a sender needs.
type Options struct {
	Queue   Queue         // needed
	Letters *Letters      // needed
	Carrier Carrier       // nil: mail is kept for operators to read
	Timeout time.Duration // how long the carrier may take for one mail; 0: 30 s
	// Answer takes what stands in the outbox and is no mail but a question that
	// has to be answered by one. false: it is a mail. nil: everything is.
	Answer func(ctx context.Context, c toll.MailClaim) (bool, error)
	Clock  toll.Clock   // nil: toll.SystemClock
	Log    *slog.Logger // nil: nowhere
}

// Sender sends what stands in the outbox. Any number of them may share one: a
// mail is claimed by one at a time.
type Sender struct {
	o      Options
	poked  chan struct{}
	sent   atomic.Int64
	failed atomic.Int64
	tidied time.Time
}

// NewSender makes a sender; Run starts it.
func NewSender(o Options) (*Sender, error) {
	if o.Queue == nil || o.Letters == nil {
		return nil, errors.New("send mail: a queue and letters are needed")
	}
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	return &Sender{o: o, poked: make(chan struct{}, 1)}, nil
}

// Poke tells the sender that something was written. It never blocks; a nil
// Sender does nothing.
func (s *Sender) Poke() {
	if s == nil {
		return
	}
	select {
	case s.poked <- struct{}{}:
	default:
	}
}

// Figures are how many mails this sender has sent (or kept), and how many tries
// have failed, since it began.
func (s *Sender) Figures() (sent, failed int64) { return s.sent.Load(), s.failed.Load() }

// Run sends until ctx ends. It is called once. A mail that is under way when ctx
// ends is tried again by whoever claims it after its lease.
func (s *Sender) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	away := false
	for ctx.Err() == nil {
		n, err := s.Once(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away: // once, until it works again
			s.o.Log.WarnContext(ctx, "the outbox cannot be read; mail waits", "error", err)
		}
		away = err != nil
		if n == atOnce && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-s.poked:
		}
	}
}

// Once claims a few mails that are due and deals with them, and returns how many.
func (s *Sender) Once(ctx context.Context) (int, error) {
	now := s.o.Clock()
	if now.Sub(s.tidied) >= tidyEvery {
		s.tidied = now
		if _, err := s.o.Queue.ForgetMail(ctx, now.Add(-Remember)); err != nil {
			return 0, fmt.Errorf("forget old mail: %w", err)
		}
	}
	claims, err := s.o.Queue.ClaimMail(ctx, now, atOnce*s.o.Timeout+time.Minute, atOnce)
	if err != nil {
		return 0, fmt.Errorf("claim mail: %w", err)
	}
	for _, c := range claims {
		if ctx.Err() != nil {
			break
		}
		s.deal(ctx, c)
	}
	return len(claims), nil
}

// deal decides one mail. What it became is written also when ctx ends meanwhile.
func (s *Sender) deal(ctx context.Context, c toll.MailClaim) {
	if s.o.Answer != nil {
		if answered, err := s.o.Answer(ctx, c); answered {
			if err != nil {
				s.put(ctx, c, err)
			}
			s.Poke() // the answer waits
			return
		}
	}
	letter, err := s.o.Letters.Write(c.Mail)
	if err != nil {
		s.put(ctx, c, &Refused{err})
		return
	}
	if s.o.Carrier == nil {
		s.write(ctx, c, func(ctx context.Context) error { return s.o.Queue.MailKept(ctx, c, s.o.Clock()) })
		s.sent.Add(1)
		return
	}
	if err := s.o.Carrier.Carry(ctx, c.To, c.ID, letter); err != nil {
		s.put(ctx, c, err)
		return
	}
	s.sent.Add(1)
	s.write(ctx, c, func(ctx context.Context) error { return s.o.Queue.MailSent(ctx, c, s.o.Clock()) })
}

// put puts a mail off, or gives it up when no other try can help.
func (s *Sender) put(ctx context.Context, c toll.MailClaim, cause error) {
	s.failed.Add(1)
	now := s.o.Clock()
	next := now.Add(pauses[min(c.Try, len(pauses))-1])
	var refused *Refused
	gaveUp := errors.As(cause, &refused) || next.Sub(c.CreatedAt) > lifetime
	if gaveUp {
		next = time.Time{}
		s.o.Log.WarnContext(ctx, "a mail was given up", "mail", c.ID, "kind", c.Kind, "tries", c.Try, "error", cause)
	} else {
		s.o.Log.WarnContext(ctx, "a mail could not be sent; it is tried again", "mail", c.ID, "kind", c.Kind, "tries", c.Try, "next", next, "error", cause)
	}
	s.write(ctx, c, func(ctx context.Context) error { return s.o.Queue.MailFailed(ctx, c, now, next, cause.Error()) })
}

func (s *Sender) write(ctx context.Context, c toll.MailClaim, fn func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writing)
	defer cancel()
	if err := fn(ctx); err != nil && toll.CodeOf(err) != toll.NotFound {
		s.o.Log.WarnContext(ctx, "what became of a mail could not be written; it may be sent twice", "mail", c.ID, "error", err)
	}
}
