package account

import "slices"

// CheckTermList checks a list that comes in parts of a size.
func CheckTermList(content []byte, size int) error {
	list := new(termList)
	for part := range slices.Chunk(content, max(1, size)) {
		if _, err := list.Write(part); err != nil {
			return err
		}
	}
	return list.End()
}

// AttachmentType says what kind of file a content is that comes in parts of a size.
func AttachmentType(name string, content []byte, size int) (string, error) {
	check := &attachmentType{name: name}
	for part := range slices.Chunk(content, max(1, size)) {
		if _, err := check.Write(part); err != nil {
			return "", err
		}
	}
	if err := check.End(); err != nil {
		return "", err
	}
	return check.kind.mediaType, nil
}
