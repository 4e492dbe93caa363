package config

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

//go:embed starter.yml
var starter string

// starterUpstream is where many people's own API listens while they write it.
const starterUpstream = "http://localhost:3000"

// Starter gives a commented tollhouse.yml to begin with: one service "api" in
// front of upstream ("": http://localhost:3000), three plans, and the console
// on a host of its own. It listens on port 8080 of this machine, or on 8081
// where the upstream has that one. It parses when ForUpstream takes the same
// upstream.
func Starter(upstream string) []byte {
	if upstream == "" {
		upstream = starterUpstream
	}
	port := "8080"
	if _, address, _ := strings.Cut(strings.TrimSuffix(upstream, "/"), "://"); strings.HasSuffix(address, ":"+port) && listenAddress(address).loopback() {
		port = "8081"
	}
	return []byte(strings.NewReplacer("@UPSTREAM@", strconv.Quote(upstream), "@PORT@", port).Replace(starter))
}

// ForUpstream gives the configuration of `tollhouse serve --upstream URL`: what
// Starter writes, without a file. The error is a *toll.Error about the field
// "upstream".
func ForUpstream(upstream string) (*Config, error) {
	var u upstreamURL
	if err := u.parse(upstream); err != nil {
		return nil, toll.FieldError("upstream", "--upstream: %s %v", quoted(oneLine(upstream)), err)
	}
	c, err := Parse("--upstream", Starter(string(u)))
	if err != nil {
		return nil, toll.FieldError("upstream", "--upstream: %s cannot be fronted: %s", quoted(upstream), firstMessage(err))
	}
	return c, nil
}

// firstMessage gives what the first problem says, without its place: the place
// is in a text that nobody wrote.
func firstMessage(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Problems[0].Message
	}
	return fmt.Sprint(err)
}
