package app

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/edge"
)

// certificateOptions say where certificates come from, as far as the
// configuration alone does.
func certificateOptions(cfg *config.Config) edge.CertificateOptions {
	o := edge.CertificateOptions{
		Hosts: cfg.Hosts(),
		ACME: edge.ACME{
			Dir: filepath.Join(cfg.Data, "certificates"), Email: cfg.ACME.Email, Directory: cfg.ACME.Directory,
			Staging: cfg.ACME.Staging, CAFile: cfg.ACME.CAFile,
		},
	}
	if cfg.ACME.Off {
		o.Hosts = nil // it answers for what the files are for, and asks for nothing
	}
	for _, c := range cfg.Certificates {
		o.Files = append(o.Files, edge.CertificateFile{Cert: c.Cert, Key: c.Key})
	}
	return o
}

// openCertificates reads what is there; nothing is fetched before the listeners
// answer.
func (a *App) openCertificates() (err error) {
	o := certificateOptions(a.cfg)
	o.Log, o.Clock = a.log, a.clock
	o.Asked = a.metrics.Certificate
	o.ACME.HTTP, o.ACME.HTTPS = a.public.Addr().String(), a.secure.Addr().String()
	a.certificates, err = edge.NewCertificates(o)
	return err
}

// switchCertificates makes the hosts and files of a configuration hold.
func (a *App) switchCertificates(cfg *config.Config) error {
	if a.certificates == nil {
		return nil
	}
	o := certificateOptions(cfg)
	return a.certificates.Switch(o.Hosts, o.Files)
}

// serveSecure opens the HTTPS door, if there is one.
func (a *App) serveSecure(front http.Handler) error {
	if a.secure == nil {
		return nil
	}
	if a.cfg.Listen.HSTS > 0 {
		front = edge.StrictTransport(a.cfg.Listen.HSTS, front)
	}
	settings := a.counted(a.certificates.TLS())
	server, err := a.farewell.NewTLSServer(a.farewell.Handler(front), settings, a.log, a.times())
	if err != nil {
		return err
	}
	a.serveWith(server, "HTTPS listener", edge.ListenTLS(a.crowd.Listen(a.secure, false), settings, a.times()))
	return nil
}

// plain is what plain HTTP answers: an authority's questions first, then the
// way to HTTPS, then what has no HTTPS. The console is only there over HTTPS,
// where there is any: its cookie would be refused without.
func (a *App) plain(front http.Handler) http.Handler {
	if a.certificates == nil {
		return front
	}
	answers := a.certificates.Answers
	if !a.cfg.Listen.RedirectHTTP {
		answers = func(host string) bool { return host != "" && host == a.live.Load().cfg.Console.Host }
	}
	return a.certificates.Challenges(edge.Redirect{
		Answers: answers, Proxies: func() edge.Proxies { return edge.Proxies(a.live.Load().cfg.TrustedProxies) },
		HTTP: portOf(a.public), HTTPS: portOf(a.secure), Next: front,
	})
}

// secureHost is a host that customers reach services by: the first exact one of
// a service, else the console's, else what a browser on this machine says.
func (a *App) secureHost() string {
	for _, s := range a.cfg.Services {
		if s.Host != "" && !strings.HasPrefix(s.Host, "*.") && !s.Delegated.On {
			return s.Host
		}
	}
	if host := a.cfg.Console.Host; host != "" {
		return host
	}
	return visibleHost(a.cfg.Listen.HTTPS)
}

// securePort is what addresses of a listener end with: nothing where the port
// is the one of HTTPS.
func securePort(l net.Listener) string {
	if port := portOf(l); port != "443" {
		return ":" + port
	}
	return ""
}
