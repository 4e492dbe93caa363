//go:build !race

package limit

const million = 1_000_000
