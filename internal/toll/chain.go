package toll

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// AuditHead is the last entry of the audit log at a moment: how many there are,
// and the hash that stands for all of them. Who keeps one elsewhere can prove
// later that nothing up to there was changed or cut off.
type AuditHead struct {
	Seq  int64
	Hash [32]byte
}

// String writes the head as an anchor: "12:" and 64 hexadecimal digits.
func (h AuditHead) String() string {
	return strconv.FormatInt(h.Seq, 10) + ":" + hex.EncodeToString(h.Hash[:])
}

// ParseAuditHead reads what String wrote.
func ParseAuditHead(s string) (AuditHead, error) {
	seq, digits, ok := strings.Cut(strings.TrimSpace(s), ":")
	n, err := strconv.ParseInt(seq, 10, 64)
	hash, e2 := hex.DecodeString(digits)
	if !ok || err != nil || e2 != nil || n < 0 || len(hash) != 32 {
		return AuditHead{}, FieldError("anchor", "An anchor is a number, a colon and 64 hexadecimal digits, as `tollhouse audit verify` prints it.")
	}
	return AuditHead{Seq: n, Hash: [32]byte(hash)}, nil
}

// Chain verifies an audit log, entry by entry from the first. The zero Chain is
// ready; Anchors are heads that were kept elsewhere.
type Chain struct {
	Anchors []AuditHead
	at      AuditHead
}

// ChainError says which entry is the first that does not fit, and why.
type ChainError struct {
	Seq int64  // the entry that is meant
	Why string // "was edited: …", a sentence's end
}

func (e *ChainError) Error() string { return fmt.Sprintf("audit entry %d %s", e.Seq, e.Why) }

// Next takes the next entry. The error is a *ChainError, and what comes after
// it proves nothing.
func (c *Chain) Next(e *Entry) error {
	switch want := c.at.Seq + 1; {
	case e.Seq > want:
		return &ChainError{want, missing(want, e.Seq-1)}
	case e.Seq < want:
		return &ChainError{e.Seq, "stands in the log twice"}
	case e.Prev != c.at.Hash:
		return &ChainError{e.Seq, "does not follow the one before it: one of the two was replaced"}
	case e.Digest(e.Prev) != e.Hash:
		return &ChainError{e.Seq, "was edited: its content is not what was hashed"}
	}
	c.at = AuditHead{Seq: e.Seq, Hash: e.Hash}
	for _, a := range c.Anchors {
		if a.Seq == e.Seq && a.Hash != e.Hash {
			return &ChainError{e.Seq, "is not the one that was kept as an anchor: the log was written anew up to here or before"}
		}
	}
	return nil
}

// End takes the head that the log itself keeps, and says whether the log
// reaches as far as it and the anchors do, and no further.
func (c *Chain) End(head AuditHead) error {
	for _, a := range append([]AuditHead{head}, c.Anchors...) {
		if a.Seq > c.at.Seq {
			return &ChainError{c.at.Seq + 1, missing(c.at.Seq+1, a.Seq)}
		}
	}
	if head != c.at {
		return &ChainError{c.at.Seq, "is not the one that the log's head names: the head or the end was written anew"}
	}
	return nil
}

// Head is the last entry that fitted.
func (c *Chain) Head() AuditHead { return c.at }

func missing(from, to int64) string {
	if from == to {
		return "is missing"
	}
	return fmt.Sprintf("is missing, and all up to %d", to)
}
