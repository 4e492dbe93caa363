package edge

import "testing"

func TestAHostHasOneReadingOrIsRefused(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"", "x", "x.", "api.example.com", "API.example.com:8080", "x:", "127.0.0.1", "127.0.0.1:1", "[::1]", "[2001:db8::1]:443", "my_host:65535", "xn--bcher-kva.example"} {
		if !goodHost(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"a@b", "a,b", "a b", "a/b", "a%2eb", "a:80:90", "a:http", "a:-1", "a:+1", "a:0", "a:65536", "[::1", "[::1]x", "[::1]:x", "[x]", "[127.0.0.1]", "[fe80::1%eth0]", "::1", "a\\b", "a?b", "a#b", "ä", "a\x00"} {
		if goodHost(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"x:80", "[::1]:80", "a@b", "[", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !goodHost(host) {
			return
		}
		for i := range len(host) {
			if c := host[i]; c <= ' ' || c >= 0x7f || c == '@' || c == '/' || c == '\\' || c == ',' || c == '%' || c == '?' || c == '#' {
				t.Fatalf("%q is taken", host)
			}
		}
		hostOf(host)
	})
}
