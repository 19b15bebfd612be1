package api

import (
	"testing"

	"keepwatch/site/answer"
)

func FuzzParseImage(f *testing.F) {
	for _, s := range []string{"640/1.jpg", "1", "0/1.jpg", "", "/", "640/1/2", "-1/1", "1024/99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		edge, id, err := parseImage(rest)
		if err != nil {
			if s := answer.Explain(err).Status; s != 400 && s != 404 {
				t.Errorf("%q: status %d", rest, s)
			}
			return
		}
		if id < 0 || edge < 0 || edge > 1920 {
			t.Errorf("%q gave size %d, id %d", rest, edge, id)
		}
	})
}
