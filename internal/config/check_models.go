package config

// checkModels notes uploads that no service could fetch, and limits that
// contradict one another.
func (c *checker) checkModels(path string, s *serviceFile) {
	section, ok := c.place(&s.Models)
	if !ok {
		return
	}
	m := &s.Models
	if len(m.Types) == 0 {
		c.at(c.node(&m.Types, section.value), "%s.models: types is empty, so nothing could be uploaded; name one, or delete models", path)
	}
	if !c.wrong(&m.MaxSize) && !c.wrong(&m.MaxTotal) && m.MaxSize > m.MaxTotal {
		c.at(c.node(&m.MaxSize, c.node(&m.MaxTotal, section.value)), "%s.models: max_size (%d bytes) is larger than max_total (%d bytes), so such a file would never fit; make it smaller", path, m.MaxSize, m.MaxTotal)
	}
	if c.given(&m.Secret) && len(m.Secret.Secret) < minSecret {
		p, _ := c.place(&m.Secret)
		c.at(p.value, "%s.models.secret: the secret is shorter than %d characters; make one with `openssl rand -base64 32`, or delete the line and Tollhouse makes one", path, minSecret)
	}
	if !c.given(&c.file.Listen.Admin) {
		c.at(section.key, "%s.models: the service has no address to fetch models from; set for example `listen: { admin: \"127.0.0.1:9900\" }`", path)
	}
}
