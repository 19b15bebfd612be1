package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keepwatch/site/gallery"
)

// share asks for a code by the rules.
func (a *album) share(v gallery.Visitor, tag int64, c gallery.Code) (gallery.Code, error) {
	return a.Share(a.Context(), tag, v.Asking(siteNow), func(f gallery.TagFacts) (gallery.Code, error) {
		return c, gallery.MayShare(v, f, c.Level)
	})
}

func (a *album) unshare(v gallery.Visitor, code string) error {
	return a.Unshare(a.Context(), code, v.Asking(siteNow), func(f gallery.TagFacts, c gallery.Code) error {
		return gallery.MayShare(v, f, c.Level)
	})
}

func (a *album) redeem(code, token string) (gallery.Grant, error) {
	return a.Redeem(a.Context(), gallery.Redemption{Code: code, Token: hash(token), Now: siteNow})
}

func TestPhotosShare(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	ctx := t.Context()
	v, other := a.visitor("mine"), a.visitor("theirs")
	mine, theirs := a.tagID("mine"), a.tagID("theirs")
	ends := siteNow.Add(time.Hour)
	made, err := a.share(v, mine, gallery.Code{Code: "PLEASE", Level: gallery.Download, MaxUses: 2, Expires: ends})
	if err != nil {
		t.Fatal(err)
	}
	want := gallery.Code{ID: made.ID, Code: "PLEASE", Tag: mine, Level: gallery.Download, MaxUses: 2, Expires: ends}
	same(t, "code", want, made)
	facts, err := a.Tag(ctx, mine, "", v.Asking(siteNow))
	if err != nil || facts.Codes[len(facts.Codes)-1] != want {
		t.Errorf("listed: %+v, %v", facts.Codes, err)
	}
	if _, err := a.share(v, mine, gallery.Code{Code: "PLEASE", Level: gallery.Read}); !errors.Is(err, gallery.ErrTaken) {
		t.Errorf("the same code again: %v, want ErrTaken", err)
	}
	if _, err := a.share(v, 1<<40, gallery.Code{Code: "NEVER", Level: gallery.Read}); !errors.Is(err, gallery.ErrNotFound) {
		t.Errorf("an unknown tag: %v, want ErrNotFound", err)
	}
	if _, err := a.share(v, theirs, gallery.Code{Code: "NEVER", Level: gallery.Read}); !errors.Is(err, gallery.ErrForbidden) {
		t.Errorf("a tag of others: %v, want ErrForbidden", err)
	}
	if n := a.count("SELECT count(*) FROM access_code WHERE code = 'NEVER'"); n != 0 {
		t.Error("a refused code was stored")
	}
	for i, want := range []error{nil, nil, gallery.ErrCode} {
		g, err := a.redeem("PLEASE", fmt.Sprint("guest", i))
		if !errors.Is(err, want) || (err == nil && (g.Level != gallery.Download || g.Tag.ID != mine || !g.Expires.IsZero())) {
			t.Errorf("guest %d: %+v, %v; want %v", i, g, err, want)
		}
	}
	// Deleting it takes the tokens that it gave, and no others.
	if err := a.unshare(other, "PLEASE"); !errors.Is(err, gallery.ErrForbidden) {
		t.Errorf("deleted by others: %v", err)
	}
	if err := a.unshare(v, "PLEASE"); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Grants(ctx, [][]byte{hash("guest0"), hash("guest1"), hash("CODE1")}); err != nil || len(got) != 1 || got[0].Level != gallery.Write {
		t.Errorf("tokens left: %+v, %v; want the first one alone", got, err)
	}
	if err := a.unshare(v, "PLEASE"); !errors.Is(err, gallery.ErrNotFound) {
		t.Errorf("deleted twice: %v, want ErrNotFound", err)
	}
	// With the last code goes a tag that is on nothing (T2b).
	if err := a.unshare(v, "CODE1"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Tag(ctx, mine, "", v.Asking(siteNow)); !errors.Is(err, gallery.ErrNotFound) {
		t.Errorf("the tag of no use: %v, want ErrNotFound", err)
	}
}

// A free tag can be shared by whoever may write all photos on it, and only so far;
// facts are those of the moment (K1).
func TestRow19ShareOfFreeTag(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v, other := a.visitor("mine"), a.visitor("theirs")
	mine, theirs := a.tagID("mine"), a.tagID("theirs")
	one, two := a.add("one", nil, mine), a.add("two", nil, theirs)
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{one}, TagNames: []string{"free"}}); err != nil {
		t.Fatal(err)
	}
	free := a.tagID("free")
	for level, want := range map[gallery.Level]error{gallery.Read: nil, gallery.Download: nil, gallery.Write: gallery.ErrForbidden} {
		if _, err := a.share(v, free, gallery.Code{Code: fmt.Sprint("FREE", level), Level: level}); !errors.Is(err, want) {
			t.Errorf("level %d: %v, want %v", level, err, want)
		}
	}
	if _, err := a.share(other, free, gallery.Code{Code: "THIEF", Level: gallery.Read}); !errors.Is(err, gallery.ErrForbidden) {
		t.Errorf("by somebody who may write none of its photos: %v", err)
	}
	// The other puts the tag on a photo of its own: now neither may write all of them.
	if _, err := a.edit(other, gallery.EditRequest{IDs: []int64{two}, AddTags: []int64{free}}); err != nil {
		t.Fatal(err)
	}
	facts, err := a.Tag(t.Context(), free, "", v.Asking(siteNow))
	if err != nil || facts.All != 2 || facts.Photos != 2 || facts.Foreign != 1 || facts.Owned {
		t.Errorf("facts: %+v, %v", facts, err)
	}
	for _, who := range []gallery.Visitor{v, other} {
		if _, err := a.share(who, free, gallery.Code{Code: "MORE", Level: gallery.Read}); !errors.Is(err, gallery.ErrForbidden) {
			t.Errorf("a shared free tag: %v", err)
		}
		if err := a.unshare(who, "FREE1"); !errors.Is(err, gallery.ErrForbidden) {
			t.Errorf("its code deleted: %v", err)
		}
	}
	// A deleted photo counts too, or its code would show it once it is undeleted.
	if _, err := a.edit(other, gallery.EditRequest{IDs: []int64{two}, Deleted: new(true)}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.share(v, free, gallery.Code{Code: "MORE", Level: gallery.Read}); !errors.Is(err, gallery.ErrForbidden) {
		t.Errorf("with a deleted foreign photo: %v", err)
	}
	// Once somebody owns it, nobody else may use it (T1).
	a.grant("free", gallery.Write)
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{a.add("three", nil, mine)}, AddTags: []int64{free}}); !errors.Is(err, gallery.ErrForbidden) {
		t.Errorf("tagged by others: %v", err)
	}
}

// A tag is owned as long as somebody can write by it, now or by a code that works.
func TestPhotosOwned(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	code := func(tag string, c gallery.Code) {
		if err := a.MakeCode(t.Context(), gallery.ImportedCode{Code: c, Tag: tag, Now: siteNow}); err != nil {
			t.Fatal(err)
		}
	}
	past, future := siteNow.Add(-time.Minute), siteNow.Add(time.Minute)
	code("a working code", gallery.Code{Code: "A", Level: gallery.Write})
	code("an expired code", gallery.Code{Code: "B", Level: gallery.Write, Expires: past})
	code("a code that expires just now", gallery.Code{Code: "C", Level: gallery.Write, Expires: siteNow})
	code("a code that expires later", gallery.Code{Code: "D", Level: gallery.Write, Expires: future})
	code("a used code", gallery.Code{Code: "E", Level: gallery.Write, Uses: 3, MaxUses: 3})
	code("a code with a use left", gallery.Code{Code: "F", Level: gallery.Write, Uses: 2, MaxUses: 3})
	code("a read code", gallery.Code{Code: "G", Level: gallery.Download})
	code("an old manage code", gallery.Code{Code: "H", Level: 4})
	a.grant("a token", gallery.Write)
	a.grant("a read token", gallery.Read)
	a.grant("an expired token", gallery.Write)
	a.exec("UPDATE access_token SET expires = $1 WHERE tag_id = (SELECT id FROM tag WHERE name = 'an expired token')", past)
	want := map[string]bool{
		"a working code": true, "an expired code": false, "a code that expires just now": false, "a code that expires later": true,
		"a used code": false, "a code with a use left": true, "a read code": false, "an old manage code": true,
		"a token": true, "a read token": false, "an expired token": false,
	}
	for name, owned := range want {
		f, err := a.Tag(t.Context(), 0, name, gallery.Asking{Now: siteNow})
		if err != nil || f.Owned != owned {
			t.Errorf("%s: %+v, %v; want owned %v", name, f, err, owned)
		}
	}
	// The same is said of all at once.
	ask := gallery.Asking{Now: siteNow}
	for name := range want {
		ask.Held = append(ask.Held, a.tagID(name))
	}
	all, err := a.Tags(t.Context(), ask)
	if err != nil || len(all) != len(want) {
		t.Fatalf("tags: %d, %v", len(all), err)
	}
	for i, f := range all {
		if f.Owned != want[f.Name] || len(f.Codes) != 1 {
			t.Errorf("in the list: %+v", f)
		}
		if i > 0 && all[i-1].Name > f.Name {
			t.Errorf("%s stands before %s", all[i-1].Name, f.Name)
		}
	}
}

func TestPhotosTags(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := gallery.NewVisitor([]gallery.Grant{a.grant("mine", gallery.Write), a.grant("seen", gallery.Read)}, siteNow)
	a.grant("theirs", gallery.Write)
	a.grant("hidden", gallery.Write)
	mine, seen, theirs, hidden := a.tagID("mine"), a.tagID("seen"), a.tagID("theirs"), a.tagID("hidden")
	a.add("one", nil, mine)
	two := a.add("two", nil, mine, theirs)
	a.add("three", nil, theirs)
	a.add("four", nil, seen, hidden)
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{two}, TagNames: []string{"Free"}, Deleted: new(true)}); err != nil {
		t.Fatal(err)
	}
	all, err := a.Tags(t.Context(), v.Asking(siteNow))
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		name               string
		photos, every, not int64
		owned              bool
	}
	var got []string
	for _, f := range all {
		got = append(got, fmt.Sprint(row{f.Name, f.Photos, f.All, f.Foreign, f.Owned}))
		one, err := a.Tag(t.Context(), f.ID, "", v.Asking(siteNow))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "alone: "+f.Name, f, one)
	}
	same(t, "tags", []string{
		fmt.Sprint(row{"Free", 0, 1, 0, false}), fmt.Sprint(row{"mine", 1, 2, 0, true}),
		fmt.Sprint(row{"seen", 1, 1, 1, false}), fmt.Sprint(row{"theirs", 1, 2, 1, true}),
	}, got)
	if all, err := a.Tags(t.Context(), gallery.Asking{Now: siteNow}); err != nil || len(all) != 0 {
		t.Errorf("a stranger gets %v, %v", all, err)
	}
	// By name: the one that is spelled so, else one that is alike.
	a.grant("free", gallery.Read)
	for _, name := range []string{"Free", "free"} {
		if f, err := a.Tag(t.Context(), 0, name, gallery.Asking{Now: siteNow}); err != nil || f.Name != name {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	if f, err := a.Tag(t.Context(), 0, "FREE", gallery.Asking{Now: siteNow}); err != nil || f.Name != "Free" {
		t.Errorf("FREE: %+v, %v; want the older one", f, err)
	}
}

// Row 19: a code for one is used by one, however many try (100 at once).
func TestRow19OverRedeem(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine")
	if _, err := a.share(v, a.tagID("mine"), gallery.Code{Code: "ONCE", Level: gallery.Read, MaxUses: 1}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var won atomic.Int64
	for i := range 100 {
		wg.Go(func() {
			switch _, err := a.redeem("ONCE", fmt.Sprint("racer", i)); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, gallery.ErrCode):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	tokens := a.count("SELECT count(*) FROM access_token AS t JOIN access_code AS c ON c.id = t.code_id WHERE c.code = 'ONCE'")
	if won.Load() != 1 || tokens != 1 {
		t.Errorf("%d of 100 won and %d tokens exist, want 1 and 1", won.Load(), tokens)
	}
}

// Whoever logs in while the code is being deleted is either too late or loses the
// token at once: no token outlives its code.
func TestPhotosRacingRedeemAndUnshare(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine")
	mine := a.tagID("mine")
	for round := range 15 {
		code := fmt.Sprint("ROUND", round)
		if _, err := a.share(v, mine, gallery.Code{Code: code, Level: gallery.Read}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				if _, err := a.redeem(code, fmt.Sprint(code, i)); err != nil && !errors.Is(err, gallery.ErrCode) {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if err := a.unshare(v, code); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if n := a.count("SELECT count(*) FROM access_token WHERE level = 1"); n != 0 {
			t.Fatalf("%d tokens outlived their code", n)
		}
	}
}

// Many ask for the same words: one gets them. And a tag that is being emptied while
// it is being shared is either shared or gone, never both.
func TestPhotosRacingShare(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine", "second")
	mine := a.tagID("mine")
	var wg sync.WaitGroup
	var won atomic.Int64
	for range 20 {
		wg.Go(func() {
			switch _, err := a.share(v, mine, gallery.Code{Code: "WORDS", Level: gallery.Read}); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, gallery.ErrTaken):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d got the same words, want 1", won.Load())
	}
	photo := a.add("one", nil, mine)
	for round := range 15 {
		name, code := fmt.Sprint("album", round), fmt.Sprint("ALBUM", round)
		if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{photo}, TagNames: []string{name}}); err != nil {
			t.Fatal(err)
		}
		tag := a.tagID(name)
		var shared bool
		wg.Go(func() {
			_, err := a.share(v, tag, gallery.Code{Code: code, Level: gallery.Read})
			shared = err == nil
			if err != nil && !errors.Is(err, gallery.ErrNotFound) && !errors.Is(err, gallery.ErrForbidden) {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{photo}, DelTags: []int64{tag}}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if n := a.count("SELECT count(*) FROM tag WHERE id = $1", tag); (n == 1) != shared {
			t.Fatalf("shared is %v, and the tag exists %d times", shared, n)
		}
	}
}

// Secrets are kept as hashes; the row holds nothing that logs anybody in (row 20).
func TestRow20TokensAreHashes(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	a.grant("mine", gallery.Write)
	if n := a.count("SELECT count(*) FROM access_token WHERE hash = $1", hash("CODE1")); n != 1 {
		t.Fatalf("%d tokens, want 1", n)
	}
	if n := a.count(`SELECT count(*) FROM information_schema.columns
		WHERE table_name = 'access_token' AND column_name NOT IN ('id', 'hash', 'tag_id', 'level', 'code_id', 'created', 'expires')`); n != 0 {
		t.Errorf("%d columns of a token that nobody has looked at: may they hold a secret?", n)
	}
}

// Row 11: a code that is unknown, expired, used up or deleted answers alike, and a
// guess leaves nothing behind, so that guessing neither tells nor fills anything.
func TestRow11WrongCodesAreAlike(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	v := a.visitor("mine")
	mine := a.tagID("mine")
	for _, c := range []gallery.Code{
		{Code: "EXPIRED", Level: gallery.Read, Expires: siteNow.Add(-time.Hour)},
		{Code: "NOW", Level: gallery.Read, Expires: siteNow},
		{Code: "USED", Level: gallery.Read, Uses: 2, MaxUses: 2},
		{Code: "DELETED", Level: gallery.Read},
	} {
		if _, err := a.share(v, mine, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.unshare(v, "DELETED"); err != nil {
		t.Fatal(err)
	}
	sum := "SELECT (SELECT count(*) FROM access_token)::int + (SELECT sum(uses) FROM access_code)::int"
	before := a.count(sum)
	for _, code := range []string{"UNKNOWN", "EXPIRED", "NOW", "USED", "DELETED", "", "expired"} {
		g, err := a.redeem(code, "guess "+code)
		if err == nil || err.Error() != gallery.ErrCode.Error() || g.Token != nil {
			t.Errorf("%q: %+v, %v; want exactly ErrCode", code, g, err)
		}
	}
	if after := a.count(sum); after != before {
		t.Errorf("guesses changed %d things", after-before)
	}
}
