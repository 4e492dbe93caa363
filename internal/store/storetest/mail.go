package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func mail(n int) toll.Mail {
	return toll.Mail{
		ID: fmt.Sprintf("mail_%04d", n), To: fmt.Sprintf("ada%d@example.com", n), Language: "fr", Kind: "reset",
		Values:    map[string]string{"link": "https://console.example.com/reset/x", "name": "Ada \"the first\"\r\n<b>"},
		CreatedAt: noon.Add(time.Duration(n) * time.Second),
	}
}

// claimOne claims the one mail that is due.
func claimOne(t *testing.T, s *store.Store, now time.Time) toll.MailClaim {
	t.Helper()
	claims, err := s.ClaimMail(background, now, time.Minute, 10)
	if err != nil || len(claims) != 1 {
		t.Fatalf("claimed %d mails, %v; want one", len(claims), err)
	}
	return claims[0]
}

func keepsAMailAsItWasGivenUntilItWasSent(t *testing.T, s *store.Store) {
	bare := toll.Mail{ID: "mail_bare", To: "b@example.com", Kind: "hello", CreatedAt: noon}
	must(t, s.EnqueueMail(background, mail(1)))
	got, err := s.Mail(background, "mail_0001")
	wantSame(t, "a mail that waits", got, err, toll.PostedMail{Mail: mail(1), Status: toll.MailWaiting, NextTryAt: mail(1).CreatedAt})
	queue, err := s.MailQueue(background)
	wantSame(t, "queue", queue, err, toll.MailQueue{Waiting: 1, Oldest: mail(1).CreatedAt})

	now := noon.Add(time.Minute)
	claim := claimOne(t, s, now)
	wantSame(t, "claim", claim, nil, toll.MailClaim{Mail: mail(1), Try: 1})
	must(t, s.MailSent(background, claim, now))
	sent := mail(1)
	sent.Values = nil // what was sent is not kept: it may hold a link that opens a door
	got, err = s.Mail(background, "mail_0001")
	wantSame(t, "a mail that was sent", got, err, toll.PostedMail{Mail: sent, Status: toll.MailSent, Tries: 1, DoneAt: now})
	wantCode(t, "sent twice", s.MailSent(background, claim, now), toll.NotFound)

	must(t, s.EnqueueMail(background, bare))
	must(t, s.MailKept(background, claimOne(t, s, now), now))
	got, err = s.Mail(background, "mail_bare")
	wantSame(t, "a mail without values", got, err, toll.PostedMail{Mail: bare, Status: toll.MailKept, Tries: 1, DoneAt: now})
	must(t, s.EnqueueMail(background, mail(2)))
	must(t, s.MailKept(background, claimOne(t, s, now), now))
	if got, err = s.Mail(background, "mail_0002"); err != nil || got.Values["link"] == "" {
		t.Errorf("a kept mail lost its values: %+v, %v", got, err)
	}
	queue, err = s.MailQueue(background)
	wantSame(t, "empty queue", queue, err, toll.MailQueue{})
	_, err = s.Mail(background, "mail_none")
	wantCode(t, "a missing mail", err, toll.NotFound)
}

func writesAllMailsOrNone(t *testing.T, s *store.Store) {
	broken := mail(2)
	for what, m := range map[string]func(*toll.Mail){
		"no recipient":                func(m *toll.Mail) { m.To = "" },
		"no kind":                     func(m *toll.Mail) { m.Kind = "" },
		"a line break in the address": func(m *toll.Mail) { m.To = "a@example.com\r\nBcc: all@example.com" },
		"a NUL in the values":         func(m *toll.Mail) { m.Values = map[string]string{"name": "a\x00"} },
		"broken UTF-8 in the values":  func(m *toll.Mail) { m.Values = map[string]string{"name": "a\xff"} },
	} {
		bad := broken
		m(&bad)
		wantCode(t, what, s.EnqueueMail(background, mail(1), bad), toll.Invalid)
	}
	must(t, s.EnqueueMail(background, mail(3)))
	wantCode(t, "a taken ID", s.EnqueueMail(background, mail(1), mail(3)), toll.Conflict)
	page, err := s.Mails(background, toll.MailQuery{})
	if err != nil || len(page.Mails) != 1 || page.Mails[0].ID != "mail_0003" {
		t.Errorf("the outbox holds %+v, %v; want mail_0003 alone", page.Mails, err)
	}
}

func givesAMailToOneOfManySenders(t *testing.T, s *store.Store) {
	const mails, senders = 40, 8
	for n := range mails {
		must(t, s.EnqueueMail(background, mail(n)))
	}
	now := noon.Add(time.Hour)
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for {
				claims, err := s.ClaimMail(background, now, time.Minute, 3)
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				if len(claims) == 0 {
					return // on PostgreSQL: others hold what was looked at; on the way out nothing is left either
				}
				mu.Lock()
				for _, c := range claims {
					got[c.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	rest, err := s.ClaimMail(background, now, time.Minute, mails) // what a sender left that met another
	must(t, err)
	for _, c := range rest {
		got[c.ID]++
	}
	if len(got) != mails {
		t.Errorf("%d of %d mails were claimed", len(got), mails)
	}
	for id, n := range got {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
}

func givesAMailAgainWhenTheLeaseIsOver(t *testing.T, s *store.Store) {
	must(t, s.EnqueueMail(background, mail(1)))
	now := noon.Add(time.Hour)
	early, err := s.ClaimMail(background, noon, time.Minute, 10)
	wantSame(t, "before it is due", early, err, nil)
	first := claimOne(t, s, now)
	none, err := s.ClaimMail(background, now.Add(59*time.Second), time.Minute, 10)
	wantSame(t, "during the lease", none, err, nil)
	second := claimOne(t, s, now.Add(time.Minute))
	if second.ID != first.ID || first.Try != 1 || second.Try != 2 {
		t.Errorf("claimed %s as try %d, then %s as try %d", first.ID, first.Try, second.ID, second.Try)
	}
	wantCode(t, "the one that was too slow says sent", s.MailSent(background, first, now), toll.NotFound)
	wantCode(t, "the one that was too slow says failed", s.MailFailed(background, first, now, now, "x"), toll.NotFound)
	must(t, s.MailSent(background, second, now))
	none, err = s.ClaimMail(background, now.Add(time.Hour), time.Minute, 10)
	wantSame(t, "after it was sent", none, err, nil)
}

func putsAMailOffAndGivesItUp(t *testing.T, s *store.Store) {
	must(t, s.EnqueueMail(background, mail(1)))
	now := noon.Add(time.Hour)
	next := now.Add(10 * time.Minute)
	must(t, s.MailFailed(background, claimOne(t, s, now), now, next, "421 come back\x00 later\xff"))
	got, err := s.Mail(background, "mail_0001")
	wantSame(t, "put off", got, err, toll.PostedMail{Mail: mail(1), Status: toll.MailWaiting, Tries: 1, NextTryAt: next, LastError: "421 come back\uFFFD later\uFFFD"})
	none, err := s.ClaimMail(background, next.Add(-time.Second), time.Minute, 10)
	wantSame(t, "during the pause", none, err, nil)
	must(t, s.RetryMail(background, "mail_0001", now, tolltest.Entry()))
	must(t, s.MailFailed(background, claimOne(t, s, now), now, time.Time{}, "550 nobody here"))
	got, err = s.Mail(background, "mail_0001")
	lost := mail(1)
	lost.Values = nil
	wantSame(t, "given up", got, err, toll.PostedMail{Mail: lost, Status: toll.MailFailed, Tries: 2, DoneAt: now, LastError: "550 nobody here"})
	wantCode(t, "trying again what was given up", s.RetryMail(background, "mail_0001", now, tolltest.Entry()), toll.NotFound)
	queue, err := s.MailQueue(background)
	wantSame(t, "queue", queue, err, toll.MailQueue{Failed: 1})
}

func listsMailsNewestFirst(t *testing.T, s *store.Store) {
	for n := range 7 {
		m := mail(n)
		m.CreatedAt = noon.Add(time.Duration(n/2) * time.Second) // pairs of the same moment
		must(t, s.EnqueueMail(background, m))
	}
	var got []string
	q := toll.MailQuery{Limit: 3}
	for {
		page, err := s.Mails(background, q)
		must(t, err)
		for _, m := range page.Mails {
			got = append(got, m.ID)
		}
		if q.Before = page.Next; q.Before == "" {
			break
		}
	}
	want := []string{"mail_0006", "mail_0005", "mail_0004", "mail_0003", "mail_0002", "mail_0001", "mail_0000"}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	page, err := s.Mails(background, toll.MailQuery{Status: toll.MailSent})
	if err != nil || len(page.Mails) != 0 {
		t.Errorf("sent are %+v, %v; want none", page.Mails, err)
	}
	for what, q := range map[string]toll.MailQuery{
		"no cursor": {Before: "x"}, "a cursor without an ID": {Before: "12"}, "a limit too high": {Limit: 501}, "a limit below zero": {Limit: -1},
	} {
		_, err := s.Mails(background, q)
		wantCode(t, what, err, toll.Invalid)
	}
}

func forgetsMailThatIsDone(t *testing.T, s *store.Store) {
	must(t, s.EnqueueMail(background, mail(1)))
	now := noon.Add(time.Hour)
	must(t, s.MailSent(background, claimOne(t, s, now), now))
	must(t, s.EnqueueMail(background, mail(2)))
	n, err := s.ForgetMail(background, now)
	wantSame(t, "too early", n, err, 0)
	n, err = s.ForgetMail(background, now.Add(time.Second))
	wantSame(t, "in time", n, err, 1)
	if _, err := s.Mail(background, "mail_0002"); err != nil {
		t.Errorf("what waits was forgotten: %v", err)
	}
}
