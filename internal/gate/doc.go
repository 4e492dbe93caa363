// Package gate decides about requests and counts them, in four calls that know
// no HTTP library:
//
//	Admit   route, identify, limit: one Decision; takes tokens, reservation and lease all or nothing
//	Open    (streams, long uploads) writes that the request is under way
//	Record  the event is in the journal: before the last byte is handed to the kernel
//	Done    releases the lease; its Receipt closes the request once its last byte is out of our hands
//
// Decisions keeps the passes of requests that a foreign proxy forwards, until
// their service says how they ended.
//
// All it reads is in memory: a rules table switched whole by Switch, a ring of
// keys changed key by key, and customers with their counters. Nothing here
// waits for a database, and no lock is shared by all requests.
package gate
