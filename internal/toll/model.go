package toll

import "time"

// ModelState is how far an uploaded model has come.
type ModelState string

// The states of a model. Only an approved one is given to its service.
const (
	ModelUploaded ModelState = "uploaded" // waits for an operator
	ModelApproved ModelState = "approved"
	ModelRejected ModelState = "rejected" // with a reason
)

// ModelType is what a model's content must be.
type ModelType string

// The types of models.
const (
	// TermList is UTF-8 text with a term, a tab and its type in each line.
	TermList ModelType = "terms"
	// PlainText is any UTF-8 text.
	PlainText ModelType = "text"
)

// ModelTypes lists all types of models.
func ModelTypes() []ModelType { return []ModelType{TermList, PlainText} }

// Model is a file that a customer has uploaded for a service. Its content is
// never changed: another content is another Model.
type Model struct {
	ID         string // mod_…
	CustomerID string
	Service    string
	Name       string // of the file, made safe: 1 to 100 characters
	Type       ModelType
	Size       int64    // bytes
	SHA256     [32]byte // of the content
	State      ModelState
	Reason     string // why it was rejected, "" otherwise
	UploadedBy string // the person's ID
	CreatedAt  time.Time
	DecidedBy  string    // the operator's ID, "" before
	DecidedAt  time.Time // zero: not yet
	Version    int64
}

// ModelUploads is what a service lets customers upload. The zero value: nothing.
type ModelUploads struct {
	Types    []ModelType
	MaxSize  int64  // bytes of a file
	MaxFiles int    // of a customer
	MaxTotal int64  // bytes of all files of a customer
	Feature  string // that a plan must have; "": whatever plan includes the service
	Secret   Secret // what the service shows to fetch them; "": one is made
}

// Taken tells whether a service takes models at all.
func (u *ModelUploads) Taken() bool { return len(u.Types) > 0 }
