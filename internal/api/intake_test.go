package api

import (
	"context"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// intake is a store and a gate for events from outside, in memory.
type intake struct {
	mu     sync.Mutex
	stored map[[2]string]meter.Outside
	quota  map[string]int64 // by customer and unit
	broken error
}

func (k *intake) TakeOutside(_ context.Context, events []meter.Outside, partial bool) ([]meter.Fate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return nil, k.broken
	}
	next := map[[2]string]meter.Outside{}
	fates, differs := make([]meter.Fate, len(events)), false
	for i, e := range events {
		at := [2]string{e.Source, e.ID}
		was, there := k.stored[at]
		if new, again := next[at]; !there && again {
			was, there = new, true
		}
		switch {
		case !there:
			fates[i], next[at] = meter.Stored, e
		case was.Content == e.Content:
			fates[i] = meter.Repeated
		default:
			fates[i], differs = meter.Differs, true
		}
	}
	if differs && !partial {
		for i := range fates {
			if fates[i] != meter.Differs {
				fates[i] = meter.NotTaken
			}
		}
		return fates, nil
	}
	if k.stored == nil {
		k.stored = map[[2]string]meter.Outside{}
	}
	for at, e := range next {
		k.stored[at] = e
	}
	return fates, nil
}

func (k *intake) PlanOf(customer string) (plan, version string, known bool) {
	switch customer {
	case "cus_own", "cus_foreign":
		return "pro", "pro@1", true
	case "cus_planless":
		return "gone", "", true
	}
	return "", "", false
}

func (k *intake) PrepareOutside(context.Context, string, time.Time) {}

func (k *intake) CountOutside(customer string, _, _ time.Time, units []toll.Amount) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.quota == nil {
		k.quota = map[string]int64{}
	}
	for _, u := range units {
		k.quota[customer+" "+u.Unit] += u.Count
	}
}
