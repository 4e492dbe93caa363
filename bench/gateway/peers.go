package main

import (
	"crypto/rand"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// start starts everything that is installed, and tells what is not.
func (y *yard) start(s settings) (proxies []*proxy, missing []string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	y.back = free()
	back, err := y.run(self, "-upstream", y.back)
	if err != nil {
		return nil, nil, err
	}
	if s.tollhouse == "" {
		s.tollhouse = filepath.Join(y.dir, "tollhouse")
		if out, err := exec.Command("go", "build", "-o", s.tollhouse, "./cmd/tollhouse").CombinedOutput(); err != nil {
			return nil, nil, fmt.Errorf("building tollhouse: %w: %s", err, out)
		}
	}
	if s.tollhouse, err = filepath.Abs(s.tollhouse); err != nil {
		return nil, nil, err
	}
	wanted := func(name string) bool {
		return len(s.only) == 0 || slices.ContainsFunc(s.only, func(o string) bool { return strings.Contains(strings.ToLower(name), strings.ToLower(o)) })
	}
	// The key of Tollhouse's own making serves the others too: it is as long.
	front := free()
	file, err := y.file("tollhouse-gateway.yml", front, "")
	if err != nil {
		return nil, nil, err
	}
	key, err := makeKey(s.tollhouse, file)
	if err != nil {
		return nil, nil, err
	}
	if _, err := y.file("haproxy-keys.map", "", key); err != nil {
		return nil, nil, err
	}
	add := func(x proxy, program string, args ...string) error {
		if !wanted(x.name) {
			return nil
		}
		for i, a := range args {
			if name, is := strings.CutPrefix(a, "@"); is {
				if x.address == "" {
					x.address = free()
				}
				if args[i], err = y.file(name, x.address, key); err != nil {
					return err
				}
			}
		}
		pids, err := y.run(program, args...)
		if err != nil {
			return err
		}
		x.pids = pids
		if x.with != nil {
			x.pids = func() []int { return append(pids(), x.with()...) }
		}
		if x.job == "gateway" && x.key == "" {
			x.key = key
		}
		proxies = append(proxies, &x)
		return y.ready(&x)
	}
	there := func(name, program string, version ...string) bool {
		path, err := exec.LookPath(program)
		if err != nil {
			missing = append(missing, name)
			return false
		}
		out, _ := exec.Command(path, version...).CombinedOutput() // what it says is all there is to know
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		line, _, _ = strings.Cut(strings.TrimPrefix(line, "nginx version: "), " - ")
		if info, err := buildinfo.ReadFile(path); err == nil {
			if v := info.Main.Version; strings.HasPrefix(v, "v") {
				line = v // it was installed from its module, and knows no version of its own
			}
			line = name + " " + line + " (" + info.GoVersion + ")"
		}
		if wanted(name) {
			y.versions = append(y.versions, line)
		}
		return true
	}
	referenceAt := free()
	steps := []error{
		add(proxy{name: "Tollhouse: key, plan, limits, quota, journal", job: "gateway", ours: true, address: front}, s.tollhouse, "serve", "--config", "@tollhouse-gateway.yml"),
		add(proxy{name: "Tollhouse: public, no limits", job: "plain", ours: true}, s.tollhouse, "serve", "--config", "@tollhouse-plain.yml"),
	}
	if there("nginx", "nginx", "-v") {
		steps = append(steps,
			add(proxy{name: "nginx: key map, limit_req, buffered log", job: "gateway", base: true}, "nginx", "-p", y.dir, "-c", "@nginx-gateway.conf"),
			add(proxy{name: "nginx: plain proxy", job: "plain", base: true}, "nginx", "-p", y.dir, "-c", "@nginx-plain.conf"))
	}
	if there("HAProxy", "haproxy", "-v") {
		steps = append(steps,
			add(proxy{name: "HAProxy: key map, stick table, log", job: "gateway"}, "haproxy", "-db", "-f", "@haproxy-gateway.cfg"),
			add(proxy{name: "HAProxy: plain proxy", job: "plain"}, "haproxy", "-db", "-f", "@haproxy-plain.cfg"))
	}
	if there("Caddy", s.caddy, "version") {
		steps = append(steps, add(proxy{name: "Caddy: plain proxy", job: "plain"}, s.caddy, "run", "--adapter", "caddyfile", "--config", "@caddy-plain.Caddyfile"))
		if x := (proxy{name: "Caddy: forward_auth to Tollhouse (both together)", job: "gateway"}); wanted(x.name) {
			if x.key, x.with, err = y.decider(s.tollhouse); err != nil {
				return nil, nil, err
			}
			steps = append(steps, add(x, s.caddy, "run", "--adapter", "caddyfile", "--config", "@caddy-authorize.Caddyfile"))
		}
	}
	steps = append(steps, add(proxy{name: "net/http: httputil.ReverseProxy", job: "plain", address: referenceAt}, self, "-reference", referenceAt, "-upstream", y.back))
	if wanted("the upstream itself") {
		proxies = append(proxies, &proxy{name: "(the upstream itself, no proxy)", address: y.back, pids: back})
	}
	if s.tls {
		secure := func(name string) proxy { return proxy{name: name + ": plain proxy", job: "tls", secure: true} }
		ours, base, last := secure("Tollhouse"), secure("nginx"), secure("net/http ReverseProxy")
		ours.ours, base.base, last.address = true, true, free()
		steps = append(steps, add(ours, s.tollhouse, "serve", "--config", "@tollhouse-tls.yml"))
		if !slices.Contains(missing, "nginx") {
			steps = append(steps, add(base, "nginx", "-p", y.dir, "-c", "@nginx-tls.conf"))
		}
		if !slices.Contains(missing, "HAProxy") {
			steps = append(steps, add(secure("HAProxy"), "haproxy", "-db", "-f", "@haproxy-tls.cfg"))
		}
		if !slices.Contains(missing, "Caddy") {
			steps = append(steps, add(secure("Caddy"), s.caddy, "run", "--adapter", "caddyfile", "--config", "@caddy-tls.Caddyfile"))
		}
		steps = append(steps, add(last, self, "-reference", last.address, "-upstream", y.back, "-certificate", y.dir))
	}
	for _, name := range missing {
		if slices.ContainsFunc(s.require, func(r string) bool { return strings.EqualFold(r, name) || r == "all" }) {
			steps = append(steps, fmt.Errorf("%s is not installed", name))
		}
	}
	return proxies, missing, errors.Join(steps...)
}

// decider starts a Tollhouse that decides for another proxy, and gives a key that
// it lets in.
func (y *yard) decider(tollhouse string) (key string, pids func() []int, err error) {
	y.asked, y.secret = free(), rand.Text()
	file, err := y.file("tollhouse-authorize.yml", "", "")
	if err != nil {
		return "", nil, err
	}
	if key, err = makeKey(tollhouse, file); err != nil {
		return "", nil, err
	}
	pids, err = y.run(tollhouse, "serve", "--config", file)
	return key, pids, err
}
