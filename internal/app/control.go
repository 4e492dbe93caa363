package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/user"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// operation is what one command does, on the rooms of whoever owns the data:
// the running server, or the command itself when no server runs. Input and
// result are JSON, so that both ways are one.
type operation func(ctx context.Context, r *rooms, input json.RawMessage) (any, error)

// typed makes an operation of a function with a typed input. Unknown fields
// are refused: they mean that command and server are of different versions.
func typed[In, Out any](f func(context.Context, *rooms, In) (Out, error)) operation {
	return func(ctx context.Context, r *rooms, input json.RawMessage) (any, error) {
		var in In
		decoder := json.NewDecoder(bytes.NewReader(input))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil {
			return nil, toll.Errorf(toll.Invalid, "the command and the server do not understand each other (%v); are they of the same version?", err)
		}
		return f(ctx, r, in)
	}
}

// maxOperation bounds the input of an operation, maxImport that of the one that
// takes a file, in base 64.
const (
	maxOperation = 1 << 20
	maxImport    = account.MaxImport/3*4 + maxOperation
)

// userHeader tells the server which of the machine's users runs a command. It
// is for the audit log alone: who may use the socket may do everything.
const userHeader = "Tollhouse-User"

func machineUser() string {
	who, err := user.Current()
	if err != nil {
		return ""
	}
	return who.Username
}

// controlFailure is how an error travels through the socket.
type controlFailure struct {
	Code    toll.Code `json:"code"`
	Message string    `json:"message"`
	Field   string    `json:"field,omitempty"`
}

// controlHandler serves the operations: POST /NAME with the input as JSON.
func controlHandler(r *rooms, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		name := strings.TrimPrefix(hr.URL.Path, "/")
		op, ok := operations[name]
		if !ok || hr.Method != http.MethodPost {
			writeFailure(w, toll.Errorf(toll.NotFound, "the server does not know the operation %q; is it of the same version?", name))
			return
		}
		most := int64(maxOperation)
		if name == "import" {
			most = maxImport
		}
		input, err := io.ReadAll(http.MaxBytesReader(w, hr.Body, most))
		if err != nil {
			writeFailure(w, toll.Errorf(toll.Invalid, "the input is larger than %d bytes", most))
			return
		}
		result, err := op(account.WithOrigin(hr.Context(), account.Origin{Way: toll.WayCommand, Through: hr.Header.Get(userHeader)}), r, input)
		if err != nil {
			if toll.CodeOf(err) == toll.Internal {
				log.Error("operation failed", "operation", name, "error", err)
			}
			writeFailure(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(result); err != nil {
			log.Warn("operation's result was not sent", "operation", name, "error", err)
		}
	})
}

// Say puts an error into words for whoever runs a command. What the caller can
// mend is said as it stands; for what is broken the causes are said too, for
// the caller is the machine's own user.
func Say(err error) string {
	var te *toll.Error
	if !errors.As(err, &te) || te.Code == toll.Internal {
		return err.Error()
	}
	if te.Code == toll.Unavailable {
		return te.Error()
	}
	return te.Message
}

func writeFailure(w http.ResponseWriter, err error) {
	failure := controlFailure{Code: toll.CodeOf(err), Message: Say(err)}
	var te *toll.Error
	if errors.As(err, &te) {
		failure.Field = te.Field
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnprocessableEntity)
	_ = json.NewEncoder(w).Encode(failure) // whoever hung up does not want it
}

// Call runs an operation for a command: in the running server when there is
// one (its memory holds the change at once), on the database itself otherwise.
func Call[Out any](ctx context.Context, at Installation, name string, input any) (Out, error) {
	var out Out
	raw, err := json.Marshal(input)
	if err != nil {
		return out, fmt.Errorf("coding the input of %s: %w", name, err)
	}
	answer, err := callServer(ctx, at.Data, name, raw)
	if errors.Is(err, errNoServer) {
		if err := at.mayBegin(name); err != nil {
			return out, err
		}
		answer, err = callLocal(ctx, at, name, raw)
	}
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return out, fmt.Errorf("reading the result of %s: %w", name, err)
	}
	return out, nil
}

func callServer(ctx context.Context, data, name string, input []byte) ([]byte, error) {
	conn, err := dialControl(ctx, data)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		},
	}
	if _, bounded := ctx.Deadline(); !bounded {
		client.Timeout = time.Minute
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tollhouse/"+name, bytes.NewReader(input))
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	request.Header.Set(userHeader, machineUser())
	response, err := client.Do(request)
	if err != nil {
		return nil, toll.Errorf(toll.Unavailable, "the server on %s did not answer: %w", data, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, toll.Errorf(toll.Unavailable, "the server on %s broke off: %w", data, err)
	}
	if response.StatusCode != http.StatusOK {
		var failure controlFailure
		if json.Unmarshal(answer, &failure) != nil || failure.Message == "" {
			return nil, toll.Errorf(toll.Internal, "the server on %s answered %s", data, response.Status)
		}
		return nil, &toll.Error{Code: failure.Code, Message: failure.Message, Field: failure.Field}
	}
	return answer, nil
}

// callLocal opens the installation for one operation, as its only owner.
func callLocal(ctx context.Context, at Installation, name string, input []byte) ([]byte, error) {
	op, ok := operations[name]
	if !ok {
		return nil, toll.Errorf(toll.NotFound, "there is no operation %q", name)
	}
	r, err := openRooms(ctx, at)
	if err != nil {
		return nil, err
	}
	result, err := op(account.WithOrigin(ctx, account.Origin{Way: toll.WayCommand, Through: machineUser()}), r, input)
	if err := errors.Join(err, r.close()); err != nil {
		return nil, err
	}
	return json.Marshal(result)
}
