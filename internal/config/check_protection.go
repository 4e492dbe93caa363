package config

// checkProtection notes lists that would let in nobody, and CORS rules that
// browsers refuse or that give away what they should keep.
func (c *checker) checkProtection(path string, s *serviceFile) {
	if p, ok := c.place(&s.Allow); ok && !p.bad && len(s.Allow) == 0 {
		c.at(p.value, "%s.allow: the list is empty and would let nobody in; name addresses, for example [203.0.113.0/24], or delete the line", path)
	}
	if p, ok := c.place(&s.CORS.Origins); ok && !p.bad && len(s.CORS.Origins) == 0 {
		c.at(p.value, "%s.cors.origins: the list is empty; name at least one, for example [https://app.example.com], or delete `cors`", path)
	}
	for i, o := range s.CORS.Origins {
		if o != "*" {
			continue
		}
		p, _ := c.place(&s.CORS.Origins[i])
		switch {
		case bool(s.CORS.Credentials):
			c.at(p.value, "%s: with `credentials: true` every page of the world could act as whoever is signed in; name the origins, for example https://app.example.com", p.path)
		case len(s.CORS.Origins) > 1:
			c.at(p.value, "%s: `*` is every origin already; delete it, or the others", p.path)
		}
	}
}
