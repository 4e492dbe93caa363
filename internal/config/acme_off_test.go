package config

import (
	"strings"
	"testing"
)

func TestWithoutAnAuthorityThereMustBeACertificate(t *testing.T) {
	t.Parallel()
	file := func(certificates string) string {
		return "listen: { http: \"127.0.0.1:80\", https: \"127.0.0.1:443\" }\nacme: { enabled: false }\n" + certificates +
			"services:\n  web: { host: a.example.com, upstreams: [\"http://127.0.0.1:9001\"], access: public }\n"
	}
	c, err := Parse("tollhouse.yml", []byte(file("certificates: [ { cert: a.pem, key: a.key } ]\n")))
	if err != nil || !c.ACME.Off {
		t.Errorf("with a file: %v", err)
	}
	if _, err := Parse("tollhouse.yml", []byte(file(""))); err == nil || !strings.Contains(err.Error(), "acme.enabled") {
		t.Errorf("without a file: %v", err)
	}
}
