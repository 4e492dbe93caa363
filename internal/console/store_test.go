package console

import (
	"context"
	"fmt"
	"html"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
)

func TestOperatorsSeeTheAgeOfTheLocalSnapshot(t *testing.T) {
	t.Parallel()
	state := StoreState{Kept: true}
	w := newWorld(t, func(o *Options) { o.Store = func() StoreState { return state } })
	state.Snapshot = w.now.Add(-3 * time.Minute)
	operator := w.as("viewer@house.example")
	if body := operator.get("/customers").Body.String(); !strings.Contains(body, "Local snapshot") || !strings.Contains(body, "3 minutes ago") {
		t.Error("the age is not on the page")
	}
	state.Snapshot = time.Time{}
	if body := operator.get("/customers").Body.String(); !strings.Contains(body, "There is no local snapshot") {
		t.Error("that there is none is not on the page")
	}
	state.Kept = false
	if body := operator.get("/customers").Body.String(); strings.Contains(body, "snapshot") {
		t.Error("it is said where none is kept")
	}
}

// silentBooks are a database that says nothing until the page gives up.
type silentBooks struct{ meter.Questions }

func (silentBooks) Series(ctx context.Context, _ meter.Question) ([]meter.Point, error) {
	ctx, cancel := context.WithTimeout(ctx, 0) // as when the page's time is over
	defer cancel()
	<-ctx.Done()
	return nil, fmt.Errorf("reading usage: %w", ctx.Err())
}

func TestAPageWithoutItsDatabaseSaysSo(t *testing.T) {
	t.Parallel()
	state := StoreState{}
	w := newWorld(t, func(o *Options) {
		o.Store = func() StoreState { return state }
		o.Questions = silentBooks{o.Questions}
	})
	customer := w.as("owner@acme.example")
	answer := customer.get("/usage")
	if answer.Code != 503 || !strings.Contains(answer.Body.String(), "Not available just now") {
		t.Errorf("a database that says nothing: %d", answer.Code)
	}
	state = StoreState{Away: true, Kept: true, Snapshot: w.now}
	answer = customer.get("/usage")
	if body := html.UnescapeString(answer.Body.String()); answer.Code != 503 || !strings.Contains(body, "The database is away. API calls are answered all the same") {
		t.Errorf("away: %d %s", answer.Code, body)
	}
}
