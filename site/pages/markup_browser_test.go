//go:build browser

package pages_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"keepwatch/site/gallery"
)

// client is a program that is logged in.
func client(t *testing.T, b bed, code string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar}
	resp, err := c.PostForm(b.url+"/servlet/token", url.Values{"rc": {code}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("login: %s", resp.Status)
	}
	return c
}

func answerOf(t *testing.T, resp *http.Response, err error, into any) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, into)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s %v", resp.Request.Method, resp.Request.URL, resp.Status, body, err)
	}
}

// store uploads one file under the first tag of a code, as a program does, with a
// file name that need not be one of a file system.
func store(t *testing.T, b bed, code, name string, data []byte) []int64 {
	t.Helper()
	c := client(t, b, code)
	var session struct{ Tags []struct{ ID int64 } }
	resp, err := c.Get(b.url + "/api/v1/session")
	answerOf(t, resp, err, &session)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("tag", number(session.Tags[0].ID))
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="file"; filename="%s"`, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name))},
		"Content-Type":        {"application/octet-stream"},
	})
	if err == nil {
		_, err = part.Write(data)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	resp, err = c.Post(b.url+"/api/v1/photos", form.FormDataContentType(), &body)
	var made struct{ IDs []int64 }
	answerOf(t, resp, err, &made)
	return made.IDs
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// beacon is a text that would run if a page took it for markup.
func beacon(field string) string {
	return field + `"'><img src=x onerror=beacon()><svg onload=beacon()>`
}

// TestBrowserMarkupIsText is row 3 of the security checklist, stored XSS: a beacon
// in every text that people, files and ZIPs bring; every page shows it as text,
// nothing runs, and the policy has nothing to report.
func TestBrowserMarkupIsText(t *testing.T) {
	t.Parallel()
	b := serve(t)
	tag := `T"'><img src=x onerror=beacon()>`
	code := b.code(t, tag, gallery.Write)
	picture := func(n int) image.Image { return image.NewRGBA(image.Rect(0, 0, 700, 500+n)) }
	ids := store(t, b, code, beacon("F")+".jpg", jpegOf(t, picture(0), `E<img src=x onerror=beacon()>`))
	ids = append(ids, store(t, b, code, "y.zip", zipOf(t, map[string][]byte{`Y"'><script>beacon().jpg`: jpegOf(t, picture(1), "")}))...)
	ids = append(ids, store(t, b, code, "z.zip", zipOf(t, map[string][]byte{"deep/Z<img src=x onerror=beacon()>.jpg": jpegOf(t, picture(2), "")}))...)
	if len(ids) != 3 {
		t.Fatalf("%d pictures stored, want 3", len(ids))
	}
	c := client(t, b, code)
	edit := map[string]any{
		"ids": ids[1:2], "title": beacon("I"), "caption": beacon("C") + `<script>beacon()</script>`, "watermark": `W<svg onload=beacon()>`,
		"zone": `O"'><img src=x onerror=beacon()>`, "camera": `M<svg onload=beacon()>`, "aperture": `A<svg onload=beacon()>`,
		"shutter": `S<svg onload=beacon()>`, "exposure": `X<svg onload=beacon()>`, "metering": `N<svg onload=beacon()>`,
		"film": `L<svg onload=beacon()>`, "process": `P<svg onload=beacon()>`, "focal_length": `G<svg onload=beacon()>`,
		"place_name": `Q"'><img src=x onerror=beacon()>`, "add_people_named": []string{`R <img src=x onerror=beacon()>`},
		"add_tags_named": []string{`U"'><svg onload=beacon()>`, `javascript:beacon()`}, "taken": "2026-03-04 05:06:07",
	}
	text, err := json.Marshal(edit)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Post(b.url+"/api/v1/photos/edit", "application/json", bytes.NewReader(text))
	var after struct {
		Photos []struct {
			Place  struct{ ID int64 }
			People []struct{ ID int64 }
			Tags   []struct{ ID int64 }
		}
	}
	answerOf(t, resp, err, &after)
	photo := after.Photos[0]

	p := person(t, browser(t), b.url)
	p.open("/search?q=" + url.QueryEscape(beacon("k"))) // the door keeps the address
	p.write("#rc", code)
	p.click(".door button")
	p.wait(`document.querySelector(".bar")`)
	p.complaints() // the door is a 403
	visit := func(path string, texts ...string) {
		p.open(path)
		p.wait(`document.readyState === "complete"`)
		shown := eval[string](p, `document.body.textContent + " " + [...document.querySelectorAll("input, textarea, img, option")].map((e) => (e.value || "") + " " + (e.alt || "")).join(" ")`)
		for _, want := range texts {
			if !strings.Contains(shown, want) {
				t.Errorf("%s does not show %q as text", path, want)
			}
		}
		if got := eval[[]string](p, `[...document.querySelectorAll("[onerror], [onload], img[src='x'], script:not([src]), a[href^='javascript:']")].map((e) => e.outerHTML)`); len(got) > 0 {
			t.Errorf("%s holds elements that a text made: %v", path, got)
		}
		p.sound()
	}
	everything := []string{
		edit["title"].(string), edit["caption"].(string), edit["zone"].(string), edit["camera"].(string), edit["film"].(string), edit["place_name"].(string),
		`R <img src=x onerror=beacon()>`, `U"'><svg onload=beacon()>`, tag,
	}
	one := number(ids[1])
	visit("/search?q="+url.QueryEscape(beacon("k")), beacon("k"))
	visit("/recent")
	visit("/months")
	visit("/places", `Q"'><img src=x onerror=beacon()>`)
	visit("/people", `R <img src=x onerror=beacon()>`)
	visit("/tags", tag)
	visit("/new", beacon("F")+".jpg", "Z<img src=x onerror=beacon()>.jpg", `E<img src=x onerror=beacon()>`)
	visit("/day/2026-03-04", everything...)
	visit("/place/"+number(photo.Place.ID), everything...)
	visit("/person/"+number(photo.People[0].ID), everything...)
	for _, held := range photo.Tags {
		visit("/tag/"+number(held.ID), everything[:3]...)
	}
	visit("/photo/"+one+"?in=day:2026-03-04", append(slices.Clone(everything), `Y"'><script>beacon().jpg`)...)
	visit("/slides?in=recent", beacon("I"))
	visit("/edit/"+one+"?in=recent", append(slices.Clone(everything), edit["watermark"].(string), edit["metering"].(string))...)
	visit("/upload", tag, `W<svg onload=beacon()>`)
	visit("/access", tag)
	// The scripts that build elements from answers are no other way in.
	visit("/batch?in=recent", beacon("I"), tag)
	p.click("[data-choose=all]")
	p.wait(`chosen.textContent === "3 pictures chosen"`)
	p.write("#tag_fre", `V"'><svg onload=beacon()>`)
	p.click("#commit")
	p.wait(`[...document.querySelectorAll(".tri")].some((e) => e.textContent.startsWith("V"))`)
	p.sound()
	p.open("/edit/" + one)
	p.write("#loc_fre", `Y<img src=x onerror=beacon()>`)
	p.click("[data-add=loc_fre]")
	p.wait(`document.querySelector("#loc").selectedOptions[0].textContent.startsWith("Y<img")`)
	p.write("#tag_fre", `K<img src=x onerror=beacon()>`)
	p.click("[data-add=tag_fre]")
	p.wait(`[...document.querySelectorAll(".toggle")].some((e) => e.textContent.startsWith("K<img"))`)
	p.sound()
}
