package main

// rows are the rows of the table of performance goals that exist by now.
func rows() []row {
	return []row{}
}
