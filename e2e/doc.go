// Package e2e tests the whole program from outside, as its users meet it: the
// binary, its files, its sockets and its pages. Nothing here reaches into a
// room; what a test needs to know it asks with a command. (A PostgreSQL server to
// run on comes from the store's tests.)
package e2e
