package store

import (
	"context"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Imported returns what is known of external IDs, those that are not known left out.
func (s *Store) Imported(ctx context.Context, kind toll.ImportedKind, externals []string) (map[string]string, error) {
	found := make(map[string]string, len(externals))
	for _, external := range externals {
		if !storable(external) {
			continue
		}
		var id string
		err := s.reader.QueryRowContext(ctx, `select id from imported where kind = $1 and external = $2`, string(kind), external).Scan(&id)
		err = s.fail(err, fault{doing: "looking up what was imported"})
		switch {
		case err == nil:
			found[external] = id
		case toll.CodeOf(err) != toll.NotFound:
			return nil, err
		}
	}
	return found, nil
}

// KeyByHash returns the key whose text has this SHA-256, valid or not. NotFound:
// there is none.
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (toll.Key, error) {
	k, err := scanKey(s.reader.QueryRowContext(ctx, `select `+keyColumns+` from api_key where hash = $1`, hash[:]))
	return k, s.fail(err, keyFault("looking a key up"))
}

// Import adds customers and keys, and what they were called elsewhere: all of
// it or nothing. Conflict: something of it is there already.
func (s *Store) Import(ctx context.Context, customers []toll.Customer, keys []toll.Key, names []toll.Imported, e toll.Entry) error {
	for i := range customers {
		if err := checkCustomer(&customers[i]); err != nil {
			return err
		}
	}
	for i := range keys {
		if err := checkKey(&keys[i]); err != nil {
			return err
		}
	}
	for _, n := range names {
		if err := refuseUnstorable(field{"external_id", n.External}); err != nil {
			return err
		}
	}
	return s.record(ctx, fault{doing: "importing", exists: "Something of this was imported meanwhile. Look at what would happen again."}, &e, func(tx transaction) error {
		for i := range customers {
			if err := insertCustomer(ctx, tx, &customers[i]); err != nil {
				return err
			}
		}
		for i := range keys {
			if err := insertKey(ctx, tx, &keys[i]); err != nil {
				return err
			}
		}
		for _, n := range names {
			if _, err := tx.ExecContext(ctx, `insert into imported (kind, external, id) values ($1, $2, $3)`, string(n.Kind), n.External, n.ID); err != nil {
				return err
			}
		}
		return nil
	})
}
