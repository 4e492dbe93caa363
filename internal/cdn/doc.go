// Package cdn tells an outside CDN what was purged from a service's cache, by
// the requests that its operator has written down as hooks.
//
//	cache purge ─► httpcache.Purge ─► Tell ─► each hook: fill in, send, try again ─► Told ─► the command
//
// The purge has happened when Tell is called, and whatever comes of a hook it
// has happened still: what Tell gives is told to whoever asked for the purge,
// and nothing waits for it but he.
package cdn
