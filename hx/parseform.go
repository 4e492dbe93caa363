package hx

import (
	"errors"
	"net/http"
)

// ParseForm reads a form of either kind (urlencoded or multipart), of at most so
// many bytes, after which r.PostForm holds it. Its error is what a handler
// returns: 413 for a larger one, 422 for what cannot be read. Of what is no
// form, the body is left.
func ParseForm(w http.ResponseWriter, r *http.Request, most int64) error {
	r.Body = http.MaxBytesReader(w, r.Body, most)
	err := r.ParseForm() // ParseMultipartForm would hide its error
	if err == nil {
		err = r.ParseMultipartForm(most)
	}
	var big *http.MaxBytesError
	switch {
	case err == nil, errors.Is(err, http.ErrNotMultipart):
		return nil
	case errors.As(err, &big):
		return err
	}
	return &Fault{Status: http.StatusUnprocessableEntity, Message: "The form could not be read. Open its page again and send it once more.", Cause: err}
}
