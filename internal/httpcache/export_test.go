package httpcache

// Settle makes what is due for eviction go at once, which otherwise happens in
// the background.
func (c *Cache) Settle() { c.store.cache.CleanUp() }

// ParseDirectives gives what a test looks at of a parsed Cache-Control.
func ParseDirectives(fields []string) (numbers [6]int64, flags uint16) {
	d := parseDirectives(fields)
	return [6]int64{d.maxAge, d.sMaxAge, d.minFresh, d.maxStale, d.whileRevalidate, d.ifError}, uint16(d.flags)
}
