package hx

import "net/http"

// Swap is how content is put in: a style of htmx, with modifiers if wanted
// ("innerHTML show:top").
type Swap string

// The styles that htmx 2 and 4 share.
const (
	InnerHTML   Swap = "innerHTML"   // instead of what the target holds
	OuterHTML   Swap = "outerHTML"   // instead of the target
	BeforeBegin Swap = "beforebegin" // before the target
	AfterBegin  Swap = "afterbegin"  // first in the target
	BeforeEnd   Swap = "beforeend"   // last in the target
	AfterEnd    Swap = "afterend"    // after the target
	DeleteSwap  Swap = "delete"      // takes the target away
	NoSwap      Swap = "none"        // leaves the page alone; what stands beside still comes
)

// SetReswap overrides how the answer is put in (HX-Reswap).
func SetReswap(w http.ResponseWriter, s Swap) { w.Header().Set("HX-Reswap", string(s)) }

// SetRetarget overrides where the answer is put in: a CSS selector, ASCII
// (HX-Retarget).
func SetRetarget(w http.ResponseWriter, selector string) {
	w.Header().Set("HX-Retarget", selector)
}

// SetReselect overrides which part of the answer is taken: a CSS selector,
// ASCII (HX-Reselect).
func SetReselect(w http.ResponseWriter, selector string) {
	w.Header().Set("HX-Reselect", selector)
}

// SetRefresh makes htmx load the page anew (HX-Refresh).
func SetRefresh(w http.ResponseWriter) { w.Header().Set("HX-Refresh", "true") }
