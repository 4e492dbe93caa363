// Package metertest holds what the tests of everything that stores or drains
// usage share: an in-memory store that is obviously right (Memory), and the
// conformance suite that every store passes (TestSink).
//
//	func TestMeterConformance(t *testing.T) {
//		metertest.TestSink(t, func(t *testing.T) metertest.Store { return open(t) })
//	}
package metertest

import "github.com/tollhouse/tollhouse/internal/meter"

// Store is what the suite tests: the sink that the drainer fills, the
// questions that are asked of it, and what operators settle in it.
type Store interface {
	meter.Sink
	meter.Questions
	meter.Settler
}
