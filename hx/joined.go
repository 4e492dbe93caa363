package hx

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
)

// join adds the files that are made of others.
func join(given map[string][]byte, joined map[string][]string) ([]string, error) {
	names := slices.Sorted(maps.Keys(joined))
	for _, name := range names {
		if _, there := given[name]; there {
			return nil, fmt.Errorf("hx: the joined asset %s has the name of a file that is there", name)
		}
		ext := path.Ext(name)
		var all bytes.Buffer
		for _, part := range joined[name] {
			content, there := given[part]
			if !there || slices.Contains(names, part) || path.Ext(part) != ext {
				return nil, fmt.Errorf("hx: the joined asset %s cannot be made of %s: it takes files of the folder that end in %s too", name, part, ext)
			}
			all.Write(content)
			if ext == ".js" { // a script may end without a semicolon, and in a comment
				all.WriteString("\n;")
			}
			all.WriteByte('\n')
		}
		if all.Len() == 0 {
			return nil, fmt.Errorf("hx: the joined asset %s is made of nothing", name)
		}
		given[name] = all.Bytes()
	}
	return names, nil
}
