package edge

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newACMELog hands certmagic's log to ours. What people have to know is told by
// authority.event; the rest is for those who look for a mistake.
func newACMELog(log *slog.Logger) *zap.Logger { return zap.New(&acmeLog{to: log}) }

// acmeLog is a zapcore.Core over slog.
type acmeLog struct {
	to     *slog.Logger
	fields []zapcore.Field
}

// toldAnyway are certmagic's errors that authority.event tells of with the host.
var toldAnyway = map[string]bool{
	"could not get certificate from issuer": true, "will retry": true, "job failed": true, "validating authorization": true,
	"challenge failed": true, "tls-alpn challenge": true,
}

func (l *acmeLog) level(e zapcore.Entry) slog.Level {
	if e.Level >= zapcore.ErrorLevel && !toldAnyway[e.Message] {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Enabled tells zap whether to make the entry at all.
func (l *acmeLog) Enabled(level zapcore.Level) bool {
	return level >= zapcore.ErrorLevel || l.to.Enabled(context.Background(), slog.LevelDebug)
}

// With adds fields to every entry.
func (l *acmeLog) With(fields []zapcore.Field) zapcore.Core {
	return &acmeLog{to: l.to, fields: append(append([]zapcore.Field{}, l.fields...), fields...)}
}

// Check takes the entries that are enabled.
func (l *acmeLog) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if l.Enabled(e.Level) {
		return checked.AddCore(e, l)
	}
	return checked
}

// Write hands an entry over.
func (l *acmeLog) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range append(l.fields[:len(l.fields):len(l.fields)], fields...) {
		f.AddTo(values)
	}
	l.to.LogAttrs(context.Background(), l.level(e), "certificates: "+e.Message, slog.Any("about", values.Fields))
	return nil
}

// Sync has nothing to do: slog holds nothing back.
func (l *acmeLog) Sync() error { return nil }
