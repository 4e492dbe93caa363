package route

// fork leads from a node of a tree on, by the next path segment. Most nodes
// have few ways on, and comparing a few strings is several times cheaper than
// hashing one.
type fork[T any] struct {
	few  []way[T]
	many map[string]*T // in place of few, once there are more than fewWays
}

type way[T any] struct {
	segment string
	to      *T
}

const fewWays = 8

// find returns where segment leads, nil for nowhere.
func (f *fork[T]) find(segment string) *T {
	if f.many != nil {
		return f.many[segment]
	}
	for i := range f.few {
		if f.few[i].segment == segment {
			return f.few[i].to
		}
	}
	return nil
}

// grow returns where segment leads, and makes it where it led nowhere.
func (f *fork[T]) grow(segment string) *T {
	if to := f.find(segment); to != nil {
		return to
	}
	to := new(T)
	switch {
	case f.many != nil:
		f.many[segment] = to
	case len(f.few) < fewWays:
		f.few = append(f.few, way[T]{segment, to})
	default:
		f.many = map[string]*T{segment: to}
		for _, w := range f.few {
			f.many[w.segment] = w.to
		}
		f.few = nil
	}
	return to
}
