package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const modelColumns = `id, customer_id, service, name, type, size, sha256, state, reason, uploaded_by, created_at, decided_by, decided_at, version`

func scanModel(r row) (toll.Model, error) {
	var m toll.Model
	var sum []byte
	err := r.Scan(&m.ID, &m.CustomerID, &m.Service, &m.Name, &m.Type, &m.Size, &sum, &m.State, &m.Reason, &m.UploadedBy,
		(*stamp)(&m.CreatedAt), &m.DecidedBy, (*instant)(&m.DecidedAt), &m.Version)
	if err == nil && copy(m.SHA256[:], sum) != len(m.SHA256) {
		err = fmt.Errorf("the hash of model %s has %d bytes", m.ID, len(sum))
	}
	return m, err
}

func modelFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "This model does not exist.",
		exists:  "This very file was uploaded already.",
		orphan:  "The model's customer does not exist.",
		rule:    "A model needs a name of 1 to 100 characters, content, and a known state.",
		field:   "file",
	}
}

func checkModel(m *toll.Model) error {
	return refuseUnstorable(field{"id", m.ID}, field{"customer", m.CustomerID}, field{"service", m.Service}, field{"name", m.Name},
		field{"type", string(m.Type)}, field{"reason", m.Reason}, field{"uploaded_by", m.UploadedBy}, field{"decided_by", m.DecidedBy})
}

// CreateModel adds a model with its content, of which it reads m.Size bytes:
// all of it or nothing. Invalid about the file: the customer has mostFiles for this service
// already, or would have more than mostTotal bytes. Conflict: it has this very
// content already. NotFound: the customer does not exist.
func (s *Store) CreateModel(ctx context.Context, m toll.Model, content io.ReaderAt, mostFiles int, mostTotal int64, e toll.Entry) error {
	if err := checkModel(&m); err != nil {
		return err
	}
	f := modelFault("keeping a model")
	return s.record(ctx, f, &e, func(tx transaction) error {
		err := holdCustomer(ctx, tx, m.CustomerID)
		if errors.Is(err, sql.ErrNoRows) {
			return toll.Errorf(toll.NotFound, "%s", f.orphan)
		} else if err != nil {
			return err
		}
		if err := s.refuseClosed(ctx, tx, m.CustomerID); err != nil {
			return err
		}
		var files int
		var total int64
		err = tx.QueryRowContext(ctx, `select count(*), cast(coalesce(sum(size), 0) as bigint) from model where customer_id = $1 and service = $2`, m.CustomerID, m.Service).Scan(&files, &total)
		switch {
		case err != nil:
			return err
		case files >= mostFiles:
			return toll.FieldError("file", "There are %d files for this service already, and there may be no more. Delete one that is not needed.", files)
		case total+m.Size > mostTotal:
			return toll.FieldError("file", "With this file all files for this service would have %d bytes; they may have %d. Delete one that is not needed.", total+m.Size, mostTotal)
		}
		if _, err := tx.ExecContext(ctx, `insert into model (`+modelColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			m.ID, m.CustomerID, m.Service, m.Name, string(m.Type), m.Size, m.SHA256[:], string(m.State), m.Reason, m.UploadedBy,
			stamp(m.CreatedAt), m.DecidedBy, instant(m.DecidedAt), m.Version); err != nil {
			return err
		}
		return insertParts(ctx, tx, "model_part", m.ID, content, m.Size)
	})
}

// Model returns a model. NotFound: there is none with this ID.
func (s *Store) Model(ctx context.Context, id string) (toll.Model, error) {
	f := modelFault("reading a model")
	if !storable(id) {
		return toll.Model{}, s.fail(sql.ErrNoRows, f)
	}
	m, err := scanModel(s.reader.QueryRowContext(ctx, `select `+modelColumns+` from model where id = $1`, id))
	return m, s.fail(err, f)
}

// ModelsOf returns the models of a customer, the newest first.
func (s *Store) ModelsOf(ctx context.Context, customerID string) ([]toll.Model, error) {
	if !storable(customerID) {
		return nil, nil
	}
	models, err := collect(ctx, s.reader, scanModel, `select `+modelColumns+` from model where customer_id = $1 order by created_at desc, id desc`, customerID)
	return models, s.fail(err, modelFault("listing models"))
}

// ModelsIn returns at most so many models of all customers that are in a state:
// of those that wait the oldest, of others the newest, first.
func (s *Store) ModelsIn(ctx context.Context, state toll.ModelState, most int) ([]toll.Model, error) {
	order := ` order by created_at desc, id desc`
	if state == toll.ModelUploaded {
		order = ` order by created_at, id`
	}
	models, err := collect(ctx, s.reader, scanModel, `select `+modelColumns+` from model where state = $1`+order+` limit $2`, string(state), most)
	return models, s.fail(err, modelFault("listing models"))
}

// UpdateModel changes the state of a model, with its reason and who decided,
// writes mails about it, and returns it with its Version raised by one.
// Conflict: the Version is not the one that is stored.
func (s *Store) UpdateModel(ctx context.Context, m toll.Model, e toll.Entry, mails ...toll.Mail) (changed toll.Model, err error) {
	if err := checkModel(&m); err != nil {
		return toll.Model{}, err
	}
	f := modelFault("changing a model")
	err = s.record(ctx, f, &e, func(tx transaction) error {
		if changed, err = s.updateModel(ctx, tx, &m, f); err != nil {
			return err
		}
		return enqueueMail(ctx, tx, mails...)
	})
	if err != nil {
		return toll.Model{}, err
	}
	return changed, nil
}

func (s *Store) updateModel(ctx context.Context, tx transaction, m *toll.Model, f fault) (toll.Model, error) {
	changed, err := scanModel(tx.QueryRowContext(ctx, `update model set state = $3, reason = $4, decided_by = $5, decided_at = $6, version = version + 1
		where id = $1 and version = $2 returning `+modelColumns,
		m.ID, m.Version, string(m.State), m.Reason, m.DecidedBy, instant(m.DecidedAt)))
	if errors.Is(err, sql.ErrNoRows) {
		return toll.Model{}, s.missingOrStale(ctx, tx, "model", m.ID, f)
	}
	return changed, err
}

// DeleteModel removes a model with its content. NotFound: there is none.
func (s *Store) DeleteModel(ctx context.Context, id string, e toll.Entry) error {
	f := modelFault("deleting a model")
	if !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.record(ctx, f, &e, func(tx transaction) error { return change(ctx, tx, `delete from model where id = $1`, id) })
}

// ReadModel writes the content of a model to w.
func (s *Store) ReadModel(ctx context.Context, m toll.Model, w io.Writer) error {
	return s.readParts(ctx, "model_part", m.ID, m.Size, w, modelFault("reading a model's content"))
}
