package console

import (
	"github.com/tollhouse/tollhouse/internal/console/piece"
)

// gallery shows every piece in its states, in development only.
func (c *Console) gallery(v *visit) (*answer, error) {
	return &answer{title: "Pieces", bare: !v.signedIn(), body: galleryPage(piece.Examples())}, nil
}
