package mail_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/mail"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// hand is a carrier that answers as it is told.
type hand struct {
	mu      sync.Mutex
	carried []string
	say     func(try int) error
}

func (h *hand) Carry(_ context.Context, to, id string, _ mail.Letter) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.carried = append(h.carried, id+" to "+to)
	if h.say == nil {
		return nil
	}
	return h.say(len(h.carried))
}

type office struct {
	t     *testing.T
	now   time.Time
	queue interface {
		mail.Queue
		EnqueueMail(context.Context, ...toll.Mail) error
		Mail(context.Context, string) (toll.PostedMail, error)
	}
}

func newOffice(t *testing.T) *office { return &office{t: t, now: noon, queue: storetest.Open(t)} }

func (o *office) sender(c mail.Carrier, answer func(context.Context, toll.MailClaim) (bool, error)) *mail.Sender {
	o.t.Helper()
	letters, err := mail.NewLetters("Acme", nil)
	if err != nil {
		o.t.Fatal(err)
	}
	s, err := mail.NewSender(mail.Options{Queue: o.queue, Letters: letters, Carrier: c, Answer: answer, Clock: func() time.Time { return o.now }})
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

func (o *office) write(id, kind string) {
	o.t.Helper()
	if err := o.queue.EnqueueMail(o.t.Context(), toll.Mail{ID: id, To: "ada@example.com", Kind: kind, CreatedAt: o.now}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) once(s *mail.Sender, want int) {
	o.t.Helper()
	if n, err := s.Once(o.t.Context()); err != nil || n != want {
		o.t.Fatalf("dealt with %d mails, %v; want %d", n, err, want)
	}
}

func (o *office) status(id string) toll.PostedMail {
	o.t.Helper()
	m, err := o.queue.Mail(o.t.Context(), id)
	if err != nil {
		o.t.Fatal(err)
	}
	return m
}

func TestSendsWhatStandsInTheOutboxOnce(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), &hand{}
	o.write("mail_1", "test")
	s := o.sender(h, nil)
	o.once(s, 1)
	o.once(s, 0)
	if m := o.status("mail_1"); m.Status != toll.MailSent || len(h.carried) != 1 || h.carried[0] != "mail_1 to ada@example.com" {
		t.Errorf("%+v after %q", m, h.carried)
	}
}

func TestTriesAgainWithPausesAndGivesUpAfterTwoDays(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), &hand{say: func(int) error { return errors.New("421 come back") }}
	o.write("mail_1", "test")
	s := o.sender(h, nil)
	o.once(s, 1)
	o.now = o.now.Add(29 * time.Second)
	o.once(s, 0)
	for range 40 {
		o.now = o.now.Add(6 * time.Hour)
		if _, err := s.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	m := o.status("mail_1")
	if m.Status != toll.MailFailed || m.LastError != "421 come back" || m.DoneAt.Sub(noon) > 48*time.Hour || len(h.carried) < 8 {
		t.Errorf("%+v after %d tries", m, len(h.carried))
	}
}

func TestGivesUpAtOnceWhatIsRefusedForGood(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), &hand{say: func(int) error { return &mail.Refused{Cause: errors.New("550 nobody")} }}
	o.write("mail_1", "test")
	o.write("mail_2", "no such kind")
	o.once(o.sender(h, nil), 2)
	for _, id := range []string{"mail_1", "mail_2"} {
		if m := o.status(id); m.Status != toll.MailFailed || m.LastError == "" {
			t.Errorf("%+v", m)
		}
	}
	if len(h.carried) != 1 {
		t.Errorf("carried %q", h.carried)
	}
}

func TestKeepsMailWithoutAServer(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.write("mail_1", "test")
	o.once(o.sender(nil, nil), 1)
	if m := o.status("mail_1"); m.Status != toll.MailKept {
		t.Errorf("%+v", m)
	}
}

func TestAQuestionIsAnsweredAndNeverSent(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), &hand{}
	o.write("mail_1", "ask.reset")
	away := true
	s := o.sender(h, func(_ context.Context, c toll.MailClaim) (bool, error) {
		if away {
			return true, errors.New("the database is away")
		}
		return true, o.queue.MailSent(t.Context(), c, o.now)
	})
	o.once(s, 1)
	away = false
	o.now = o.now.Add(time.Minute)
	o.once(s, 1)
	if m := o.status("mail_1"); len(h.carried) != 0 || m.Tries != 2 {
		t.Errorf("carried %q; %+v", h.carried, m)
	}
}

// A sender that dies between the server's yes and its note sends again, under
// the same name, after the lease.
func TestSendsAgainAfterACrashUnderTheSameName(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), &hand{}
	o.write("mail_1", "test")
	if _, err := o.queue.ClaimMail(t.Context(), o.now, time.Minute, 1); err != nil { // and then it dies
		t.Fatal(err)
	}
	s := o.sender(h, nil)
	o.once(s, 0)
	o.now = o.now.Add(time.Minute)
	o.once(s, 1)
	if len(h.carried) != 1 || h.carried[0] != "mail_1 to ada@example.com" {
		t.Errorf("carried %q", h.carried)
	}
}

func TestManySendersSendEachMailOnce(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), &hand{}
	const mails = 30
	for i := range mails {
		o.write("mail_"+string(rune('A'+i)), "test")
	}
	var wg sync.WaitGroup
	for range 4 {
		s := o.sender(h, nil)
		wg.Go(func() {
			for n := 1; n > 0; {
				var err error
				if n, err = s.Once(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if len(h.carried) != mails {
		t.Errorf("carried %d mails, want %d", len(h.carried), mails)
	}
}
