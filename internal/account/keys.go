package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Bounds of what a customer may do with keys.
const (
	MaxOverlap = 30 * 24 * time.Hour // the longest time that a rolled key and its successor are both valid
	MaxKeys    = 1000                // valid keys of one customer: each is held in memory by every replica

	maxKeyServices = 100
	maxServiceName = 100
)

// NewKey is what it takes to create a key.
type NewKey struct {
	CustomerID string
	Name       string        // 1 to 100 characters
	Mode       toll.Mode     // "" is toll.Live
	Services   []string      // services it may call; empty: all that the plan includes
	Methods    []string      // methods it may call with; empty: all
	Origins    []string      // addresses and ranges that it may be used from; empty: all
	Limits     []toll.Policy // its own rate and concurrency limits; the caller checks that they can be decided
	ExpiresAt  time.Time     // zero: never
}

// MadeKey is a new key with its text, which is nowhere else: it is shown once.
type MadeKey struct {
	Key  toll.Key
	Text toll.Secret
}

// CreateKey makes a key, valid at once. Action: CreateKey. Invalid names the
// field: name, mode, services, methods, origins or expires_at; Conflict when the customer has
// MaxKeys valid keys.
func (o *Office) CreateKey(ctx context.Context, p Person, in NewKey) (MadeKey, error) {
	c, err := o.customer(ctx, p, CreateKey, in.CustomerID)
	if err != nil {
		return MadeKey{}, err
	}
	now := o.now()
	k, err := newKey(in, now)
	if err != nil {
		return MadeKey{}, err
	}
	keys, err := o.store.KeysOf(ctx, c.ID)
	if err != nil {
		return MadeKey{}, fmt.Errorf("count the keys of customer %s: %w", c.ID, err)
	}
	valid := 0
	for i := range keys {
		if keys[i].StateAt(now) == toll.KeyValid {
			valid++
		}
	}
	if valid >= MaxKeys {
		return MadeKey{}, toll.Errorf(toll.Conflict, "This customer has %d valid keys already, and may have no more. Revoke one that is not used.", valid)
	}
	made, err := o.make(k, now)
	if err != nil {
		return MadeKey{}, err
	}
	if err := o.store.CreateKey(ctx, made.Key, NewEntry(ctx, p, CreateKey, c.ID, made.Key.ID, now, nil, keyFacts(&made.Key))); err != nil {
		return MadeKey{}, fmt.Errorf("create key for customer %s: %w", c.ID, err)
	}
	o.changed.KeyChanged(made.Key)
	return made, nil
}

// Keys lists a customer's keys, the newest first, also those that are expired
// or revoked. Action: ListKeys.
func (o *Office) Keys(ctx context.Context, p Person, customerID string) ([]toll.Key, error) {
	if _, err := o.customer(ctx, p, ListKeys, customerID); err != nil {
		return nil, err
	}
	keys, err := o.store.KeysOf(ctx, customerID)
	if err != nil {
		return nil, fmt.Errorf("list the keys of customer %s: %w", customerID, err)
	}
	return keys, nil
}

// Key returns one key. A key of another tenant is NotFound, as one that does
// not exist. Action: ListKeys.
func (o *Office) Key(ctx context.Context, p Person, id string) (toll.Key, error) {
	return o.key(ctx, p, ListKeys, id)
}

// RollKey makes a key in another's place: same name, mode and scope, and as
// long a life as the old one was given. The old one expires after overlap (0:
// at once; at most MaxOverlap), but never later than it would have. It returns
// the new key and the old one as it is now. Action: RollKey. Conflict for a key
// that is revoked, expired or was rolled before.
func (o *Office) RollKey(ctx context.Context, p Person, id string, overlap time.Duration) (made MadeKey, old toll.Key, err error) {
	old, err = o.key(ctx, p, RollKey, id)
	if err != nil {
		return MadeKey{}, toll.Key{}, err
	}
	if overlap < 0 || overlap > MaxOverlap {
		return MadeKey{}, toll.Key{}, toll.FieldError("overlap", "The overlap may be from nothing to %d days.", int(MaxOverlap/(24*time.Hour)))
	}
	now := o.now()
	switch state := old.StateAt(now); {
	case state != toll.KeyValid:
		return MadeKey{}, toll.Key{}, toll.Errorf(toll.Conflict, "This key is %s, so it cannot be rolled. Create a new one.", state)
	case old.ReplacedBy != "":
		return MadeKey{}, toll.Key{}, toll.Errorf(toll.Conflict, "This key was rolled already. Roll the key that took its place.")
	}
	next := toll.Key{CustomerID: old.CustomerID, Name: old.Name, Mode: old.Mode, Services: slices.Clone(old.Services), Methods: slices.Clone(old.Methods), Origins: slices.Clone(old.Origins), Limits: slices.Clone(old.Limits)}
	if !old.ExpiresAt.IsZero() {
		next.ExpiresAt = now.Add(old.ExpiresAt.Sub(old.CreatedAt))
	}
	made, err = o.make(next, now)
	if err != nil {
		return MadeKey{}, toll.Key{}, err
	}
	was := keyFacts(&old)
	if end := stored(now.Add(overlap)); old.ExpiresAt.IsZero() || end.Before(old.ExpiresAt) {
		old.ExpiresAt = end
	}
	old.ReplacedBy = made.Key.ID
	if err := o.store.ReplaceKey(ctx, old, made.Key, NewEntry(ctx, p, RollKey, old.CustomerID, old.ID, now, was, keyFacts(&old))); err != nil {
		return MadeKey{}, toll.Key{}, fmt.Errorf("roll key %s: %w", id, err)
	}
	old.Version++ // as the store did
	o.changed.KeyChanged(made.Key)
	o.changed.KeyChanged(old)
	return made, old, nil
}

// RevokeKey ends a key now and for ever. A revoked key stays as it is. Action:
// RevokeKey.
func (o *Office) RevokeKey(ctx context.Context, p Person, id string) (toll.Key, error) {
	for try := 1; ; try++ {
		k, err := o.key(ctx, p, RevokeKey, id)
		if err != nil {
			return toll.Key{}, err
		}
		if !k.RevokedAt.IsZero() {
			return k, nil
		}
		was := keyFacts(&k)
		k.RevokedAt = o.now()
		k, err = o.store.UpdateKey(ctx, k, NewEntry(ctx, p, RevokeKey, k.CustomerID, k.ID, k.RevokedAt, was, keyFacts(&k)))
		if err == nil {
			o.changed.KeyChanged(k)
			return k, nil
		}
		if toll.CodeOf(err) != toll.Conflict || try == changes { // a revoke must win over a roll at the same time
			return toll.Key{}, fmt.Errorf("revoke key %s: %w", id, err)
		}
	}
}

// key reads a key and passes the gate for its customer. What the person may
// not know of and what is not there give the same answer.
func (o *Office) key(ctx context.Context, p Person, action Action, id string) (toll.Key, error) {
	if p.Kind == "" {
		return toll.Key{}, Can(p, action, "")
	}
	k, err := o.store.Key(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Key{}, errNoKey()
	case err != nil:
		return toll.Key{}, fmt.Errorf("read key %s: %w", id, err)
	}
	switch err := o.may(ctx, p, action, k.CustomerID, k.ID); {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Key{}, errNoKey()
	case err != nil:
		return toll.Key{}, err
	}
	return k, nil
}

// make gives a key its identifier and its text.
func (o *Office) make(k toll.Key, now time.Time) (MadeKey, error) {
	text, hash, hint, err := o.mint(k.Mode)
	if err != nil {
		return MadeKey{}, fmt.Errorf("make the text of a key: %w", err)
	}
	k.ID, k.Hash, k.Hint = o.ids.NewID("key", now), hash, hint
	k.CreatedAt, k.Version = now, 1
	return MadeKey{Key: k, Text: text}, nil
}

// newKey checks what a person typed.
func newKey(in NewKey, now time.Time) (toll.Key, error) {
	name, err := cleanName("name", in.Name, maxKeyName)
	if err != nil {
		return toll.Key{}, err
	}
	k := toll.Key{CustomerID: in.CustomerID, Name: name, Mode: in.Mode, Limits: in.Limits}
	switch in.Mode {
	case "":
		k.Mode = toll.Live
	case toll.Live, toll.Test:
	default:
		return toll.Key{}, toll.FieldError("mode", "A key is live or test.")
	}
	if len(in.Services) > maxKeyServices {
		return toll.Key{}, toll.FieldError("services", "A key may name at most %d services.", maxKeyServices)
	}
	for _, service := range in.Services {
		if !serviceName(service) {
			return toll.Key{}, toll.FieldError("services", "%q is no name of a service.", shorten(service))
		}
		if !slices.Contains(k.Services, service) {
			k.Services = append(k.Services, service)
		}
	}
	if k.Methods, err = methods(in.Methods); err != nil {
		return toll.Key{}, err
	}
	if k.Origins, err = origins(in.Origins); err != nil {
		return toll.Key{}, err
	}
	if !in.ExpiresAt.IsZero() {
		if k.ExpiresAt = stored(in.ExpiresAt); !k.ExpiresAt.After(now) {
			return toll.Key{}, toll.FieldError("expires_at", "The expiry is in the past. Choose a later moment, or none.")
		}
	}
	return k, nil
}

// serviceName tells whether a text can be the name of a service at all.
// Whether there is such a service is the gate's to say: the configuration may
// bring it tomorrow.
func serviceName(s string) bool {
	if s == "" || len(s) > maxServiceName {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
