package app

import (
	"errors"
	"io/fs"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/telemetry"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// openAccessLog opens the file of a configuration's access log; nil where it
// has none, or the same as one that is open already.
func openAccessLog(to config.AccessLog, open *accessFile) (*accessFile, error) {
	if to.File == "" || to.Off {
		return nil, nil
	}
	if open != nil && open.name == to.File {
		return open, nil
	}
	file, err := telemetry.OpenLogFile(to.File)
	if err != nil {
		cause := err
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			cause = p.Err
		}
		return nil, toll.FieldError("access_log.to", "the access log %s cannot be opened (%w); make its directory, let this user write to it, or name another file", to.File, cause)
	}
	return &accessFile{to.File, file}, nil
}

// accessFile is the file of the access log.
type accessFile struct {
	name string
	*telemetry.LogFile
}

// switchAccessLog makes a configuration's access log hold, in a file that is
// open already.
func (a *App) switchAccessLog(to config.AccessLog, file *accessFile) {
	settings := telemetry.AccessSettings{Off: to.Off, Share: to.Sample}
	if file != nil {
		settings.To = file.LogFile
	}
	if err := a.access.Switch(settings); err != nil {
		a.log.Warn("the access log", "error", err)
	}
	if was := a.accessFile.Swap(file); was != nil && was != file {
		_ = was.Close() // what was to be written is
	}
}

// line is what the access log says of a request.
func line(s *edge.Seen) telemetry.Access {
	p := s.Pass
	out := telemetry.Access{
		Arrived: s.Request.Arrived, Decided: p.Decided, RequestID: s.Request.ID, Method: s.Request.Method,
		Host: s.Request.Host, Path: s.Path, Status: s.Status, Client: s.Request.Client,
		BytesIn: s.BytesIn, BytesOut: s.BytesOut, Latency: s.Latency,
		UpstreamTime: s.UpstreamTime, Upstream: s.Upstream, Retries: max(0, s.Tries-1), Cache: s.Cache,
		Protocol: s.Request.Protocol, TLS: s.Request.TLS,
		KeptReserved: s.KeptReserved,
		Endpoint:     p.Endpoint, Customer: p.Customer, Key: p.Key, Refusal: string(p.Reason),
	}
	if p.Service != nil {
		out.Service = p.Service.Name
	}
	if s.Err != nil {
		if failure, ok := errors.AsType[*exchange.Failure](s.Err); ok {
			out.Failure = failure.Type
		}
	}
	return out
}
