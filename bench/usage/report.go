package main

import (
	"context"
	"time"
)

type report struct {
	settings settings
	began    time.Time
	load     loaded
	sizes    []size
	verified string
	answers  []answer
	drains   []drainRate
}
type size struct{}
type answer struct{}
type drainRate struct{}

func (r *report) print() error                                                 { return nil }
func sizes(ctx context.Context, s *server) ([]size, error)                     { return nil, nil }
func ask(ctx context.Context, s *server, m *month, runs int) ([]answer, error) { return nil, nil }
func drains(ctx context.Context, s *server, m *month, n int) ([]drainRate, error) {
	return nil, nil
}
