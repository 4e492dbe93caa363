//go:build race

package limit

const million = 50_000 // the race detector takes many times as long, and finds no more in more
