package journal

import "fmt"

// writeZeros allocates a file's blocks by writing them.
func writeZeros(f File, size int64) error {
	zeros := make([]byte, 256<<10)
	for at := int64(0); at < size; {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
		if err != nil {
			return fmt.Errorf("write zeros: %w", err)
		}
		at += int64(n)
	}
	return nil
}
