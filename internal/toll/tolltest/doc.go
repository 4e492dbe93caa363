// Package tolltest is what tests of several rooms need.
package tolltest
