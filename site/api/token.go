package api

import (
	"net/http"

	"keepwatch/site/answer"
	"keepwatch/site/gallery"
)

type tokenBody struct {
	Tags []tagBody `json:"tags"`
}

type tagBody struct {
	ID    int64         `json:"id"`
	Name  string        `json:"tag"`
	Level gallery.Level `json:"lvl"`
}

// token is the code login for programs.
func (a *API) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Cookie")
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	if err := r.ParseForm(); err != nil {
		a.Writer.Fail(w, r, answer.ErrForm)
		return
	}
	verbs := 0
	for _, verb := range []string{"rc", "new", "del"} {
		if r.Form.Has(verb) {
			verbs++
		}
	}
	if verbs != 1 || !r.Form.Has("rc") {
		a.Writer.Fail(w, r, answer.ErrVerb)
		return
	}
	g, err := a.Gate.Login(w, r, r.Form.Get("rc"))
	if err != nil {
		a.Writer.Fail(w, r, err)
		return
	}
	a.Writer.JSON(w, http.StatusOK, tokenBody{Tags: []tagBody{{ID: g.Tag.ID, Name: g.Tag.Name, Level: g.Level}}})
}
