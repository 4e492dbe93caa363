package words

// inColumn is one language of messages that stand in all of them side by side:
// English is 0, French 1, Spanish 2.
func inColumn(language int, parts ...map[string][3]string) map[string]string {
	all := map[string]string{}
	for _, part := range parts {
		for key, m := range part {
			if _, twice := all[key]; twice {
				panic("words: two catalogues have " + key)
			}
			all[key] = m[language]
		}
	}
	return all
}
