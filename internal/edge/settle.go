package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// maxSettlement is how long a settlement may be, in bytes.
const maxSettlement = 64 << 10

// settlement is what a service tells of a request that it served.
type settlement struct {
	Decision string                 `json:"decision"`
	Status   int                    `json:"status"`
	Units    map[string]json.Number `json:"units"`
	BytesIn  int64                  `json:"bytes_in"`
	BytesOut int64                  `json:"bytes_out"`
	Duration string                 `json:"duration"`
}

// settledDocument is the answer to a settlement: what was recorded.
type settledDocument struct {
	Decision     string           `json:"decision"`
	Status       int              `json:"status"`
	Class        toll.Class       `json:"class"`
	Units        map[string]int64 `json:"units"`
	RefusedUsage int              `json:"refused_usage"`
}

// settle takes a settlement.
func (a *Authorize) settle(w http.ResponseWriter, hr *http.Request, r *exchange.Request) {
	answers := a.Chain.Answers
	r.Header = exchange.Fields{} // programs read the answer
	if hr.Method != http.MethodPost {
		response := answers.settlement(r, http.StatusMethodNotAllowed, "A settlement is sent with POST.")
		response.Header.Set("Allow", "POST")
		reply(w, hr, response)
		return
	}
	id, out, err := readSettlement(http.MaxBytesReader(w, hr.Body, maxSettlement))
	if err != nil {
		reply(w, hr, answers.settlement(r, http.StatusBadRequest, toll.SafeMessage(err)))
		return
	}
	said, err := a.Decisions.Settle(id, &out)
	if err != nil {
		reply(w, hr, answers.unsettled(r, err))
		if !errors.Is(err, gate.ErrNoDecision) && !errors.Is(err, gate.ErrDecisionExpired) {
			a.Log.Error("a settlement cannot be recorded", "decision", id.String(), "request", r.ID, "error", err)
		}
		return
	}
	doc := settledDocument{Decision: id.String(), Status: said.Status, Class: said.Class, Units: map[string]int64{}, RefusedUsage: said.BadUsage}
	for _, u := range said.Units {
		doc.Units[u.Unit] = u.Count
	}
	body, err := json.Marshal(doc)
	if err != nil {
		a.Log.Error("the answer to a settlement cannot be written", "error", err)
		return
	}
	body = append(body, '\n')
	reply(w, hr, &exchange.Response{
		Status: http.StatusOK, Length: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
		Header: exchange.Fields{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, idField: {r.ID}},
	})
}

// readSettlement reads and judges a settlement. Amounts are read as those of
// Tollhouse-Usage: what is wrong among them is left out and counted, and never
// keeps a request from being recorded.
func readSettlement(body io.Reader) (id toll.ULID, out gate.Outcome, err error) {
	wrong := func(format string, args ...any) (toll.ULID, gate.Outcome, error) {
		return toll.ULID{}, gate.Outcome{}, toll.Errorf(toll.Invalid, format, args...)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return wrong("The settlement was not read to its end; it takes up to %d bytes.", maxSettlement)
	}
	const form = `{"decision": "01J…", "status": 200, "units": {"words": 12}, "bytes_in": 0, "bytes_out": 0, "duration": "35ms"}`
	var s settlement
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return wrong("The settlement is not of the form %s.", form)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return wrong("The settlement is followed by something else; send one at a time.")
	}
	if id, err = toll.ParseULID(s.Decision); err != nil {
		return wrong("`decision` is no id of a decision: send what the request had in Tollhouse-Decision.")
	}
	if s.Status < 100 || s.Status > 599 {
		return wrong("`status` is no status: send the one that the service answered, 100 to 599.")
	}
	if s.BytesIn < 0 || s.BytesOut < 0 {
		return wrong("`bytes_in` and `bytes_out` are 0 or more.")
	}
	out = gate.Outcome{Status: s.Status, BytesIn: s.BytesIn, BytesOut: s.BytesOut}
	if s.Duration != "" {
		if out.Latency, err = time.ParseDuration(s.Duration); err != nil || out.Latency < 0 || out.Latency > 30*24*time.Hour {
			return wrong("`duration` is no duration; write for example 35ms, or 0.035s.")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Units)) {
		if strings.ContainsAny(name, ",= \t") { // no unit's name, and two would come out of it
			out.Usage = append(out.Usage, "?="+s.Units[name].String())
			continue
		}
		out.Usage = append(out.Usage, name+"="+s.Units[name].String())
	}
	return id, out, nil
}
