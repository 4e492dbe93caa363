package edge

import (
	"fmt"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// outside answers a request for a part that begins behind the body's end (RFC
// 9110 §15.5.17).
func (a Answers) outside(r *exchange.Request, e *exchange.RangeError) *exchange.Response {
	response := a.problem(r, problem{
		Type: problemBase + "range-outside", Title: "No such part", Status: 416,
		Detail: fmt.Sprintf("There are %d bytes, and “Range” wants some that lie behind them. Nothing is billed for it.", e.Whole),
	})
	response.Header.Set("Content-Range", fmt.Sprintf("bytes */%d", e.Whole))
	return response
}
