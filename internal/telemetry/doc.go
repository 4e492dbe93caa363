// Package telemetry is how the program tells about itself: structured logs, an
// access log, Prometheus metrics, and the handler of the admin listener. It
// knows nothing of the program: what it tells comes in as small structs and
// callbacks.
//
//	NewLogs    ─► *slog.Logger, *AccessLog ─► one JSON object a line
//	NewMetrics ─► *Metrics ─┐
//	Admin      ─────────────┴► Handler ─► /healthz /readyz /metrics /debug/pprof/
//
// Nothing here holds a customer, a key or a path as a metric's label: labels
// are service, endpoint, status class and reason, whose number is bounded by
// the configuration and, should that fail, by Metrics itself.
package telemetry
