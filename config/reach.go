package config

import "strings"

// ConsoleURL is where the console is reached from this machine; "" without one.
func (f *File) ConsoleURL() string {
	if f.Console == nil {
		return ""
	}
	return "http://" + Dialable(f.Console.Listen)
}

// Dialable turns a listening address into one that can be dialled.
func Dialable(listen string) string {
	for _, all := range []string{"0.0.0.0:", "[::]:", ":"} {
		if port, ok := strings.CutPrefix(listen, all); ok {
			return "127.0.0.1:" + port
		}
	}
	return listen
}
