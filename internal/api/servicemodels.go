package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// ApprovedModels knows the models that services are to use; *account.Models does.
type ApprovedModels interface {
	Approved(ctx context.Context, service, customerID string) ([]toll.Model, error)
	ApprovedModel(ctx context.Context, service, id string) (toll.Model, error)
	ReadApproved(ctx context.Context, m toll.Model, w io.Writer) error
}

// ServiceModels is where services fetch what their customers uploaded and an
// operator approved. It belongs on the admin listener, never on a public one.
//
//	GET /services/{service}/models?customer=cus_…   a list, as JSON
//	GET /services/{service}/models/{model}          the content of one
//
// A service shows its own secret (Authorization: Bearer SECRET) and sees what was uploaded
// for it, and nothing else. Both answers have an ETag, and If-None-Match is answered with 304 (RFC
// 9110 §13.1.2); an ETag changes when a model is approved, rejected or deleted.
// It is safe for concurrent use.
type ServiceModels struct {
	Models ApprovedModels
	// Secret returns the secret of a service, "" for one that takes no models.
	Secret func(service string) toll.Secret
	Logger *slog.Logger // nil: slog.Default()
}

// ServiceModel is a model as its service sees it.
type ServiceModel struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Type       string    `json:"type"`
	Size       int64     `json:"size"`
	SHA256     string    `json:"sha256"` // of the content, in hex
	URL        string    `json:"url"`    // of the content, beginning with /
	ApprovedAt time.Time `json:"approved_at"`
}

// ServiceModelList is the answer to the question for a customer's models.
type ServiceModelList struct {
	Customer string         `json:"customer"`
	Models   []ServiceModel `json:"models"` // the oldest first
}

// Handler answers below /services/.
func (s *ServiceModels) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /services/{service}/models", s.known(s.list))
	mux.HandleFunc("GET /services/{service}/models/{model}", s.known(s.content))
	return mux
}

// known lets in who shows the service's own secret. A service that is not there
// and a wrong secret get the same answer.
func (s *ServiceModels) known(next func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private, no-cache") // kept, and asked about each time
		w.Header().Set("Vary", "Authorization")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		secret := s.Secret(r.PathValue("service")).Reveal()
		want, got := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(strings.TrimSpace(shown)))
		if same := subtle.ConstantTimeCompare(want[:], got[:]) == 1; !same || secret == "" || !strings.EqualFold(scheme, "bearer") {
			w.Header().Set("WWW-Authenticate", `Bearer realm="tollhouse-services"`)
			plainProblem(w, http.StatusUnauthorized, "Show the secret of this service, as Authorization: Bearer SECRET.")
			return
		}
		if err := next(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

func (s *ServiceModels) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch toll.CodeOf(err) {
	case toll.NotFound:
		plainProblem(w, http.StatusNotFound, toll.SafeMessage(err))
	case toll.Invalid:
		plainProblem(w, http.StatusUnprocessableEntity, toll.SafeMessage(err))
	case toll.Unavailable:
		w.Header().Set("Retry-After", "1")
		plainProblem(w, http.StatusServiceUnavailable, toll.SafeMessage(err))
	default:
		log := s.Logger
		if log == nil {
			log = slog.Default()
		}
		log.ErrorContext(r.Context(), "a service's models could not be given", "service", r.PathValue("service"), "error", err)
		plainProblem(w, http.StatusInternalServerError, "Something is broken inside Tollhouse; its log says what.")
	}
}

// plainProblem is a problem (RFC 9457) without a type of its own.
func plainProblem(w http.ResponseWriter, status int, detail string) {
	h := w.Header()
	h.Del("ETag")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail}) // who asked and left needs no answer
}

func (s *ServiceModels) list(w http.ResponseWriter, r *http.Request) error {
	service, customer := r.PathValue("service"), r.URL.Query().Get("customer")
	if customer == "" {
		return toll.FieldError("customer", "Name the customer whose models are asked for: ?customer=cus_….")
	}
	models, err := s.Models.Approved(r.Context(), service, customer)
	if err != nil {
		return err
	}
	out := ServiceModelList{Customer: customer, Models: make([]ServiceModel, len(models))}
	for i, m := range models {
		out.Models[i] = ServiceModel{
			ID: m.ID, Name: m.Name, Type: string(m.Type), Size: m.Size, SHA256: hex.EncodeToString(m.SHA256[:]),
			URL: "/services/" + service + "/models/" + m.ID, ApprovedAt: m.DecidedAt,
		}
	}
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if unchanged(w, r, `"`+hex.EncodeToString(sum[:16])+`"`) {
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // who asked and left needs no answer
	return nil
}

func (s *ServiceModels) content(w http.ResponseWriter, r *http.Request) error {
	m, err := s.Models.ApprovedModel(r.Context(), r.PathValue("service"), r.PathValue("model"))
	if err != nil {
		return err
	}
	if unchanged(w, r, `"`+hex.EncodeToString(m.SHA256[:])+`"`) {
		return nil
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.FormatInt(m.Size, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	if err := s.Models.ReadApproved(r.Context(), m, w); err != nil {
		// What was sent is shorter than what was promised, so the service sees that it is not whole.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// unchanged sets the ETag and answers 304 where the service has this one.
func unchanged(w http.ResponseWriter, r *http.Request, tag string) bool {
	w.Header().Set("ETag", tag)
	for _, field := range r.Header.Values("If-None-Match") {
		for one := range strings.SplitSeq(field, ",") {
			if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
				w.WriteHeader(http.StatusNotModified)
				return true
			}
		}
	}
	return false
}
