package account

import (
	"testing"
	"time"
)

// The examples of RFC 6238, appendix B, for SHA-1, in six digits.
func TestMakesTheCodesOfRFC6238(t *testing.T) {
	t.Parallel()
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := totpCode(secret, at/30); got != want {
			t.Errorf("at %d the code is %s, want %s", at, got, want)
		}
		if step, ok := totpMatch(secret, want, time.Unix(at, 0)); !ok || step != at/30 {
			t.Errorf("at %d the code %s is of step %d (%v)", at, want, step, ok)
		}
	}
}

func FuzzPlainCode(f *testing.F) {
	for _, seed := range []string{"123 456", "", "k7mq-2x0v", "１２３４５６", "12\u00a03456"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code := plainCode(typed)
		if plainCode(code) != code {
			t.Errorf("%q is not plain", code)
		}
		if isTOTP(code) && len(code) != 6 {
			t.Errorf("%q is taken for six digits", code)
		}
	})
}
