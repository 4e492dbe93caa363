package console

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// accountView is a person's own page, with what was wrong with its forms.
type accountView struct {
	Profile  toll.Profile
	In       account.SignIns
	Sessions []toll.Session
	Errors   map[string]string // by field
	Needed   bool              // a second factor must be set up before anything else
}

func (c *Console) account(v *visit) (*answer, error) {
	p := v.person
	return c.accountAnswer(v, http.StatusOK, accountView{Profile: toll.Profile{Name: p.Name, Language: p.Language, TimeZone: p.TimeZone}})
}

func (c *Console) accountAnswer(v *visit, status int, view accountView) (*answer, error) {
	var err error
	if view.In, err = c.o.Sessions.SignInsOf(v.r.Context(), v.person); err != nil {
		return nil, err
	}
	if view.Sessions, err = c.o.Sessions.SessionsOf(v.r.Context(), v.person); err != nil {
		return nil, err
	}
	view.Needed = c.weak(v.person)
	return &answer{status: status, title: v.T("account.title"), menu: "account", body: accountPage(v, view)}, nil
}

// weak tells whether a person has to set up a second factor before anything
// else. Who has one, and signed in without it, is asked for it again.
func (c *Console) weak(p account.Person) bool {
	return p.IsOperator() && !p.Strong && c.o.TwoFactors != nil && c.o.TwoFactors()
}

// beforeTwoFactors tells whether a route is there for those who have to set up
// a second factor first.
func (r *route) beforeTwoFactors() bool {
	return r.audience == public || r.pattern == "/sign-out" || r.pattern == "/account" || strings.HasPrefix(r.pattern, "/account/")
}

// wrongField puts the error of one field into words, in the person's language:
// the office's own are English, so others get the catalogue's sentence.
func (v *visit) wrongField(err error, key string) (field, message string, ok bool) {
	e := invalidField(err)
	if e == nil {
		return "", "", false
	}
	if v.words.Lang() == "en" || !v.words.Has(key+"."+e.Field) {
		return e.Field, e.Message, true
	}
	return e.Field, v.T(key + "." + e.Field), true
}

// tooMany answers an attempt that came too soon after others, nil for another error.
func (v *visit) tooMany(err error) (message string, ok bool) {
	var e *account.TooManyAttempts
	if !errors.As(err, &e) {
		return "", false
	}
	v.w.Header().Set("Retry-After", wholeSeconds(e.RetryAfter))
	return v.T("signin.limited", v.words.Span(e.RetryAfter)), true
}

func (c *Console) changeProfile(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	f := v.r.PostForm
	profile := toll.Profile{Name: f.Get("name"), Language: f.Get("language"), TimeZone: strings.TrimSpace(f.Get("time_zone"))}
	err := c.o.Sessions.ChangeProfile(v.r.Context(), v.person, profile)
	if field, message, ok := v.wrongField(err, "account.wrong"); ok {
		return c.accountAnswer(v, http.StatusUnprocessableEntity, accountView{Profile: profile, Errors: map[string]string{field: message}})
	}
	if err != nil {
		return nil, err
	}
	if profile.Language != "" { // what is said next is said in it
		v.words = c.choice.For(profile.Language, v.r.Header.Get("Accept-Language"))
	}
	return &answer{to: "/account", leave: true, said: saying(v.T("done.profile"))}, nil
}

func (c *Console) changePassword(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	p, f := v.person, v.r.PostForm
	err := c.o.Sessions.ChangePassword(v.r.Context(), p, toll.Secret(f.Get("current")), toll.Secret(f.Get("password")))
	view := accountView{Profile: toll.Profile{Name: p.Name, Language: p.Language, TimeZone: p.TimeZone}}
	if field, message, ok := v.wrongField(err, "account.wrong"); ok {
		view.Errors = map[string]string{field: message}
		return c.accountAnswer(v, http.StatusUnprocessableEntity, view)
	}
	if message, ok := v.tooMany(err); ok {
		view.Errors = map[string]string{"current": message}
		return c.accountAnswer(v, http.StatusTooManyRequests, view)
	}
	if err != nil {
		return nil, err
	}
	return &answer{to: "/account", said: saying(v.T("done.password"))}, nil
}

func (c *Console) endSession(v *visit) (*answer, error) {
	id := v.r.PathValue("session")
	if err := c.o.Sessions.EndSession(v.r.Context(), v.person, id); err != nil {
		return nil, err
	}
	if id == v.person.SessionID {
		http.SetCookie(v.w, c.cookie(c.cookieName, "", -1))
		return &answer{to: "/sign-in", leave: true}, nil
	}
	return &answer{to: "/account", said: saying(v.T("done.session"))}, nil
}

func (c *Console) endSessions(v *visit) (*answer, error) {
	n, err := c.o.Sessions.EndSessions(v.r.Context(), v.person, true)
	if err != nil {
		return nil, err
	}
	return &answer{to: "/account", said: saying(v.words.N("done.sessions", int64(n)))}, nil
}

func (v *visit) languageOptions() []piece.Option {
	out := []piece.Option{{Value: "", Label: v.T("account.language.browser")}}
	for _, l := range v.c.choice.Offered() {
		out = append(out, piece.Option{Value: l, Label: v.T("language." + l)})
	}
	if is := v.person.Language; is != "" && !slices.ContainsFunc(out, func(o piece.Option) bool { return o.Value == is }) {
		out = append(out, piece.Option{Value: is, Label: is})
	}
	return out
}

// device is what a browser calls itself, as far as a person would know it by.
func device(v *visit, agent string) string {
	find := func(names ...string) string {
		for i := 0; i < len(names); i += 2 {
			if strings.Contains(agent, names[i]) {
				return names[i+1]
			}
		}
		return ""
	}
	browser := find("Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari")
	system := find("iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Windows", "Windows", "Macintosh", "macOS", "CrOS", "ChromeOS", "Linux", "Linux")
	switch {
	case browser != "" && system != "":
		return v.T("account.device", browser, system)
	case browser+system != "":
		return browser + system
	}
	return v.T("account.device.unknown")
}

// method is how a session began.
func method(v *visit, s toll.Session) string {
	if name, ok := strings.CutPrefix(s.Method, "oidc:"); ok {
		for _, p := range v.c.o.Sessions.Providers() {
			if p.Name() == name {
				return p.Title()
			}
		}
		return name
	}
	if s.Method == "password" && s.Strong {
		return v.T("account.by.both")
	}
	return v.words.Or("account.by."+s.Method, s.Method)
}

// zoned returns the person's words with their zone, when it is known here.
func (c *Console) zoned(v *visit) {
	if name := v.person.TimeZone; name != "" {
		if zone, err := time.LoadLocation(name); err == nil {
			v.words = v.words.InZone(zone)
		}
	}
}

// neededText says what is missing: a second factor, or to sign in with it.
func neededText(v *visit, a accountView) string {
	if a.In.TOTP || len(a.In.Passkeys) > 0 {
		return v.T("account.needed.again")
	}
	return v.T("account.needed.text")
}
