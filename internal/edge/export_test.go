package edge

import "time"

func init() { formTimeout, lingerTimeout = 100*time.Millisecond, 100*time.Millisecond }

// Ending tells whether EndStreams was called.
func (c *Chain) Ending() bool {
	c.streams.mu.Lock()
	defer c.streams.mu.Unlock()
	return c.streams.over
}
