package httpcache

// Status is how full a cache is.
type Status struct {
	Answers  int   // that are stored, roughly; those that differ by Vary count as one
	Bytes    int64 // of memory that they take, roughly
	MaxBytes int64
}

// Status tells how full the cache is.
func (c *Cache) Status() Status {
	return Status{
		Answers: c.store.cache.EstimatedSize(), Bytes: int64(c.store.cache.WeightedSize()),
		MaxBytes: c.settings.Load().MaxSize,
	}
}
