package app

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/oidc"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// openSessions opens the ways in which people sign in.
func (a *App) openSessions() (*account.Sessions, error) {
	vault, err := openVault(a.secret, a.cfg)
	if err != nil {
		return nil, err
	}
	providers, err := a.openProviders()
	if err != nil {
		return nil, err
	}
	times := a.cfg.Console.Sessions
	a.rooms.sessions, err = account.NewSessions(a.rooms.store, account.SessionOptions{
		Secrets: []toll.Secret{a.secret}, Vault: vault, Passwords: a.passwords, Refusals: a.rooms.refusals, Clock: a.clock, Log: a.log,
		TokenLife: times.Valid, RenewEvery: times.Refresh, Longest: times.AtMost, RotateKey: times.Rotate,
		ConsoleURL: a.ConsoleURL(), Providers: providers,
	})
	return a.rooms.sessions, err
}

// openVault opens what is kept sealed, with the secret of before where the
// configuration names one.
func openVault(secret toll.Secret, cfg *config.Config) (*account.Vault, error) {
	var before []toll.Secret
	if cfg != nil && cfg.Secrets.Before != "" {
		before = append(before, cfg.Secrets.Before)
	}
	return account.NewVault(secret, before...)
}

func (a *App) openProviders() ([]*account.SignInProvider, error) {
	var all []*account.SignInProvider
	for _, c := range a.cfg.Accounts.OIDC {
		o := oidc.Options{
			Name: c.Name, Title: c.Title, Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret,
			RedirectURL: a.ConsoleURL() + "sign-in/with/" + c.Name + "/callback", Clock: a.clock,
		}
		if c.Group != "" {
			o.GroupsClaim = c.Claim
		}
		p, err := oidc.NewProvider(o)
		if err != nil {
			return nil, fmt.Errorf("accounts.oidc %s: %w", c.Name, err)
		}
		all = append(all, &account.SignInProvider{
			Provider: p, Domains: c.Domains, Strong: c.Strong, Operators: c.Operators, Group: c.Group, Role: c.Role,
		})
	}
	return all, nil
}

// How long ended sessions are kept, for whoever looks into what happened, and
// how many are deleted at a time.
const (
	sessionsKept    = 30 * 24 * time.Hour
	sessionsAtATime = 1000
)

// dropSignIns deletes sessions that ended long ago and sign-ins that were
// begun and never finished.
func dropSignIns(ctx context.Context, s *store.Store, now time.Time) (int64, error) {
	if err := s.DropCeremonies(ctx, now); err != nil {
		return 0, err
	}
	var all int64
	for {
		n, err := s.DropSessions(ctx, now.Add(-sessionsKept), sessionsAtATime)
		all += n
		if err != nil || n < sessionsAtATime {
			return all, err
		}
	}
}

// SessionKeyRotate asks for a new key of session tokens. EndAll ends every
// session too.
type SessionKeyRotate struct {
	EndAll bool `json:"end_all,omitempty"`
}

// SessionKeyRotated says what became of the key before.
type SessionKeyRotated struct {
	OverlapSeconds int64 `json:"overlap_seconds"` // how long its tokens still hold
	Ended          int64 `json:"ended"`           // sessions that were ended
}

func rotateSessionKey(ctx context.Context, r *rooms, in SessionKeyRotate) (SessionKeyRotated, error) {
	sessions := r.sessions
	if sessions == nil { // no server runs
		var err error
		if sessions, err = r.openSessions(); err != nil {
			return SessionKeyRotated{}, err
		}
	}
	done, err := sessions.RotateKey(ctx, in.EndAll)
	return SessionKeyRotated{OverlapSeconds: int64(done.Overlap / time.Second), Ended: done.Ended}, err
}

// openSessions opens sessions for one command, without ways to sign in.
func (r *rooms) openSessions() (*account.Sessions, error) {
	secret, err := sessionSecret(r.at)
	if err != nil {
		return nil, err
	}
	vault, err := openVault(secret, r.at.Config)
	if err != nil {
		return nil, err
	}
	o := account.SessionOptions{Secrets: []toll.Secret{secret}, Vault: vault, Clock: r.clock}
	if r.at.Config != nil {
		times := r.at.Config.Console.Sessions
		o.TokenLife, o.RenewEvery, o.Longest, o.RotateKey = times.Valid, times.Refresh, times.AtMost, times.Rotate
	}
	return account.NewSessions(r.store, o)
}

// sessionSecret is the installation's: the configuration's, or the one that is
// kept in the data directory.
func sessionSecret(at Installation) (toll.Secret, error) {
	if at.Config != nil && at.Config.Secrets.Session != "" {
		return at.Config.Secrets.Session, nil
	}
	return account.LoadOrMakeSecret(filepath.Join(at.Data, "session.secret"))
}
