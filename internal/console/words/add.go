package words

// add puts messages into all catalogues: English, French and Spanish. It is for
// the start of the program, where a key that is there already is a mistake.
func add(messages map[string][3]string) {
	for key, m := range messages {
		if _, twice := english[key]; twice {
			panic("words: the message " + key + " is there twice")
		}
		english[key], french[key], spanish[key] = m[0], m[1], m[2]
	}
}
