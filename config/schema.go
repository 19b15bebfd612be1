package config

// Schema is the JSON Schema of the file, for editors. It is made from the same
// Go types that decode it.
func Schema() ([]byte, error) { panic("not yet") }
