//go:build browser

package pages_test

import (
	"fmt"
	"image/color"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"keepwatch/site/gallery"
)

// TestBrowserStory is what people do with the site, from the code box to a code
// for somebody else.
func TestBrowserStory(t *testing.T) {
	t.Parallel()
	b := serve(t)
	chromium := browser(t)
	ada := person(t, chromium, b.url)

	logIn(ada, b.code(t, "album", gallery.Write))
	ids := uploadAll(ada)
	find(ada)
	editOne(ada, ids[0])
	rotate(ada, ids[0])
	batch(ada)

	grace := person(t, chromium, b.url)
	code := share(ada)
	visitFriend(grace, code, ids[0])
	remove(ada, grace, ids[1])
	unshare(ada, grace, code)
	forget(ada)
}

// logIn comes by a deep link, mistypes, and lands on the page that was wanted.
func logIn(p *tab, code string) {
	p.open("/access")
	p.open("/months")
	p.shot("door")
	if got := p.text(".door"); !strings.Contains(got, "This page is shared by code") {
		p.t.Errorf("the door says %q", got)
	}
	p.write("#rc", "0000-0000")
	p.click(".door button")
	p.wait(`document.querySelector("#wrong")`)
	p.shot("door-wrong")
	if got := p.text("#wrong"); got != "This code is not valid." {
		p.t.Errorf("a wrong code: %q", got)
	}
	p.write("#rc", strings.ToLower(code))
	p.click(".door button")
	p.wait(`location.pathname === "/months" && document.querySelector(".nothing")`)
	p.shot("nothing-yet")
	p.sound("403")
}

// uploadAll sends a JPEG, a ZIP of two and a text, and returns the numbers of the pictures.
func uploadAll(p *tab) []int64 {
	dir := p.t.TempDir()
	red, green, blue := color.RGBA{R: 150, G: 90, B: 40, A: 255}, color.RGBA{R: 40, G: 120, B: 60, A: 255}, color.RGBA{R: 40, G: 70, B: 150, A: 255}
	p.click(`.tools a[href="/upload"]`)
	p.wait(`document.querySelector("#upload")`)
	if !eval[bool](p, `document.querySelector("[data-own]").checked`) {
		p.t.Error("the first own tag is not preselected")
	}
	p.write("#nlc", "Windmoor")
	p.write("#wmk", "(c) (year) ada")
	p.do(chromedp.SetUploadFiles("#file", []string{
		put(p.t, dir, "harbour.jpg", jpegOf(p.t, drawing(1500, 1000, red), "Pinhole")),
		put(p.t, dir, "two.zip", zipOf(p.t, map[string][]byte{
			"hills/one.jpg": jpegOf(p.t, drawing(1200, 800, green), ""), "tower.jpg": jpegOf(p.t, drawing(600, 900, blue), ""), "read me.txt": []byte("words"),
		})),
		put(p.t, dir, "letter.jpg", []byte("this is no picture")),
	}))
	p.wait(`document.querySelectorAll("#files li").length === 3 && !document.querySelector("#send").disabled`)
	p.shot("upload-chosen")
	p.click("#send")
	p.wait(`!document.querySelector("#files progress") && !document.querySelector("#look").hidden`)
	p.shot("upload-done")
	if got := eval[int](p, `document.querySelectorAll("#files .ok").length`); got != 3 {
		p.t.Errorf("%d pictures stored, want 3:\n%s", got, p.text("#files"))
	}
	if got := p.text("#files .why"); !strings.Contains(got, "not a picture") {
		p.t.Errorf("the letter: %q", got)
	}
	p.sound("415")
	return eval[[]int64](p, `[...document.querySelectorAll("#files a")].map((a) => Number(a.pathname.split("/")[2])).sort((a, b) => a - b)`)
}

// find meets the pictures on every way to them.
func find(p *tab) {
	for path, want := range map[string]int{
		"/recent": 1, "/months": 1, "/places": 1, "/tags": 1, "/new": 3, "/search?q=windmoor": 3, "/search?q=harbour": 1, "/slides?in=recent": 3,
	} {
		p.open(path)
		p.pictures()
		if got := eval[int](p, `document.querySelectorAll(".mount, .shot").length`); got != want {
			p.t.Errorf("%s shows %d, want %d", path, got, want)
		}
		p.sound()
	}
	p.open("/recent")
	p.click(".mount")
	p.wait(`document.querySelectorAll(".shot").length === 3`)
	p.click(".shot .print")
	p.wait(`location.pathname.startsWith("/photo/")`)
	p.do(chromedp.KeyEvent("e"))
	p.wait(`location.pathname.startsWith("/edit/")`)
}

// saved waits until the form says so.
const saved = `document.querySelector("#saved").textContent === "Saved."`

// editOne changes each kind of field and reads them back.
func editOne(p *tab, id int64) {
	p.open(fmt.Sprintf("/edit/%d?in=new", id))
	if eval[bool](p, `document.querySelector("#new").hidden`) {
		p.t.Error("the badge New is missing")
	}
	p.write("#tit", "Harbour")
	p.write("#cap", "Boats & <nets>")
	p.click("#tz")
	p.wait(saved)
	p.write("#tag_fre", "sea")
	p.click(`[data-add=tag_fre]`)
	p.wait(`[...document.querySelectorAll("[data-toggles=tag] .toggle")].some((l) => l.textContent === "sea" && l.querySelector("input").checked)`)
	p.write("#ppl_fre", "Grace Example")
	p.click(`[data-add=ppl_fre]`)
	p.wait(`document.querySelector("[data-toggles=ppl] :checked")`)
	p.write("#loc_fre", "Old quay")
	p.click(`[data-add=loc_fre]`)
	p.wait(`document.querySelector("#loc").selectedOptions[0].textContent === "Old quay"`)
	p.click("[data-reread]")
	p.wait(saved + ` && !document.querySelector("[data-reread]").disabled`)
	p.shot("edit")
	p.do(chromedp.Reload())
	p.wait(`document.querySelector("#cap")`)
	type form struct{ Tit, Cap, Cam, Loc string }
	got := eval[form](p, `({Tit: tit.value, Cap: cap.value, Cam: cam.value, Loc: loc.selectedOptions[0].textContent})`)
	if want := (form{"Harbour", "Boats & <nets>", "Pinhole", "Old quay"}); got != want {
		p.t.Errorf("read back %+v, want %+v", got, want)
	}
	if !eval[bool](p, `document.querySelector("#new").hidden`) {
		p.t.Error("still New after an edit")
	}
	// What the site refuses is told, and the field is marked.
	eval[bool](p, `(ts.value = "0999-01-01T00:00:00", ts.dispatchEvent(new Event("change", {bubbles: true})))`)
	p.wait(`document.querySelector("#saved.failed") && ts.getAttribute("aria-invalid") === "true"`)
	p.shot("edit-refused")
	p.sound("400")
}

// rotate turns the picture, and the page shows it turned.
func rotate(p *tab, id int64) {
	p.open(fmt.Sprintf("/edit/%d", id))
	p.pictures()
	const upright = `(() => { const i = document.querySelector(".work img"); return i.complete && i.naturalWidth < i.naturalHeight && i.offsetWidth < i.offsetHeight; })()`
	if eval[bool](p, upright) {
		p.t.Fatal("the picture is upright before it was turned")
	}
	p.click(`[data-turn="90"]`)
	p.wait(upright)
	p.shot("rotated")
	p.open(fmt.Sprintf("/photo/%d", id))
	p.pictures()
	if got := eval[string](p, `document.querySelector("article.shot").className`); !strings.Contains(got, "tall") {
		p.t.Errorf("after turning the page reserves a box of class %q", got)
	}
	p.open(fmt.Sprintf("/edit/%d", id))
	p.pictures()
	p.click(`[data-turn="270"]`)
	p.wait("!" + upright + ` && document.querySelector(".work img").complete`)
	p.sound()
}

// batch tags all pictures in one request, and sees what varies.
func batch(p *tab) {
	p.open("/batch?in=recent")
	p.pictures()
	p.click("[data-choose=all]")
	p.wait(`chosen.textContent === "3 pictures chosen"`)
	if got := eval[string](p, `tit.placeholder`); got != "varies" {
		p.t.Errorf("the title says %q, want varies", got)
	}
	if got := eval[string](p, `[...document.querySelectorAll(".tri")].find((b) => b.textContent === "sea").ariaPressed`); got != "mixed" {
		p.t.Errorf("the tag sea is %q, want mixed", got)
	}
	eval[bool](p, `([...document.querySelectorAll(".tri")].find((b) => b.textContent === "sea").click(), true)`)
	p.write("#tag_fre", "holiday")
	p.write("#cap", "All of them")
	p.wait(`!document.querySelector("#commit").disabled`)
	p.shot("batch-pending")
	before := eval[int](p, `performance.getEntriesByType("resource").filter((e) => e.initiatorType === "fetch").length`)
	p.click("#commit")
	p.wait(`chosen.textContent === "3 pictures changed"`)
	if got := eval[int](p, `performance.getEntriesByType("resource").filter((e) => e.initiatorType === "fetch").length`) - before; got != 1 {
		p.t.Errorf("the commit took %d requests, want 1", got)
	}
	p.shot("batch-done")
	p.open("/search?q=them")
	if got := eval[int](p, `document.querySelectorAll(".shot").length`); got != 3 {
		p.t.Errorf("after the batch its caption finds %d, want 3", got)
	}
	for _, tag := range []string{"holiday", "sea"} {
		if got := eval[int](p, fmt.Sprintf(`[...document.querySelectorAll(".shot .chip")].filter((a) => a.textContent === %q).length`, tag)); got != 3 {
			p.t.Errorf("after the batch %d pictures carry %s, want 3", got, tag)
		}
	}
	eval[bool](p, `([...document.querySelectorAll(".chip")].find((a) => a.textContent === "sea").click(), true)`)
	p.wait(`document.querySelector("h1").textContent === "sea" && document.querySelectorAll(".shot").length === 3`)
	p.sound()
}

// share makes a code to look at the album.
func share(p *tab) string {
	p.open("/access")
	p.wait(`document.querySelector("#share")`)
	p.write("#after", "2")
	p.write("#cnt", "5")
	p.click("#share > button")
	p.wait(`document.querySelector(".made code").textContent !== ""`)
	p.shot("access")
	p.sound()
	return p.text(".made code")
}

// visitFriend looks with the code, and may not change anything.
func visitFriend(p *tab, code string, id int64) {
	p.login(code)
	p.pictures()
	p.shot("friend")
	if eval[bool](p, `document.querySelector('a[href="/upload"]') !== null`) {
		p.t.Error("a friend who may only look is offered to upload")
	}
	p.open(fmt.Sprintf("/photo/%d?in=recent", id))
	p.pictures()
	if got := p.text("h1"); got != "Harbour" {
		p.t.Errorf("the friend sees %q", got)
	}
	if eval[bool](p, `document.querySelector("[data-edit], [download]") !== null`) {
		p.t.Error("the friend is offered to edit or download")
	}
	p.sound()
	p.open(fmt.Sprintf("/edit/%d", id))
	if got := p.text("h1"); got != "Nothing to see here" {
		p.t.Errorf("the friend's edit page says %q", got)
	}
	p.shot("friend-refused")
	refused := p.text("main")
	p.open("/photo/999999")
	if got := p.text("main"); got != refused {
		p.t.Errorf("a picture that does not exist says %q, one that must not be changed %q", got, refused)
	}
	p.sound("403")
}

// remove deletes a picture and brings it back.
func remove(ada, grace *tab, id int64) {
	photo := fmt.Sprintf("/photo/%d", id)
	grace.open(photo)
	grace.pictures()
	ada.open(fmt.Sprintf("/edit/%d", id))
	ada.pictures()
	ada.click("[data-delete]")
	ada.wait(`!document.querySelector("#deleted").hidden && document.querySelector("[data-undelete]")`)
	ada.shot("deleted")
	grace.open(photo)
	if got := grace.text("h1"); got != "Nothing to see here" {
		grace.t.Errorf("a deleted picture still shows %q", got)
	}
	ada.open("/deleted")
	ada.pictures()
	if got := eval[int](ada, `document.querySelectorAll(".shot").length`); got != 1 {
		ada.t.Errorf("%d deleted pictures, want 1", got)
	}
	ada.open(fmt.Sprintf("/edit/%d", id))
	ada.click("[data-undelete]")
	ada.wait(`document.querySelector("#deleted").hidden && document.querySelector("[data-delete]")`)
	grace.open(photo)
	grace.pictures()
	grace.complaints()
	ada.sound()
}

// unshare deletes the code; with it goes what it gave.
func unshare(ada, grace *tab, code string) {
	ada.open("/access")
	ada.click(fmt.Sprintf("[data-delete=%q]", code))
	ada.wait(fmt.Sprintf("!document.querySelector('[data-delete=%q]')", code))
	ada.sound()
	// At once, unless the database cannot be asked within its deadline just then.
	for end := time.Now().Add(patience); ; {
		grace.open("/recent")
		if eval[bool](grace, `document.querySelector(".door") !== null`) {
			break
		}
		if time.Now().After(end) {
			grace.t.Fatal("the code is deleted, and who used it is still let in")
		}
	}
	grace.complaints()
}

// forget logs out.
func forget(p *tab) {
	p.open("/access")
	p.click(`form[action="/logout"] button`)
	p.wait(`document.querySelector(".door")`)
	p.sound()
}
