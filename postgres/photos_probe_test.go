package postgres_test

import (
	"errors"
	"testing"
	"time"

	"keepwatch/site/gallery"
)

// What our own probes leave behind goes soon, and nobody else's does.
func TestProbesLeaveNothing(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	ctx := t.Context()
	v := a.visitor("probe", "family")
	probe, family := a.tagID("probe"), a.tagID("family")
	ours, shared, alive := a.add("ours", nil, probe), a.add("shared", nil, probe, family), a.add("alive", nil, probe)
	theirs := a.add("theirs", nil, family)
	if _, err := a.edit(v, gallery.EditRequest{IDs: []int64{ours, shared, theirs}, Deleted: new(true)}); err != nil {
		t.Fatal(err)
	}
	n, contents, err := a.PurgeTag(ctx, "probe", siteNow.Add(time.Second), siteNow, "gc", 10)
	if err != nil || n != 1 {
		t.Fatalf("purged %d, %v; want the one that only probes have", n, err)
	}
	same(t, "files", []string{contentOf("ours")}, contents)
	if _, err := a.Photo(ctx, ours); !errors.Is(err, gallery.ErrNotFound) {
		t.Errorf("the purged photo: %v", err)
	}
	for _, id := range []int64{shared, alive, theirs} {
		if _, err := a.Photo(ctx, id); err != nil {
			t.Errorf("photo %d: %v", id, err)
		}
	}
}

// Tokens of a code with a token's life end, others do not, and ended ones are dropped.
func TestTokensThatEnd(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	ctx := t.Context()
	for code, life := range map[string]time.Duration{"SHORT": time.Hour, "LONG": 0} {
		in := gallery.ImportedCode{Code: gallery.Code{Code: code, Level: gallery.Write, TokenLife: life}, Tag: "probe", Now: siteNow}
		if err := a.MakeCode(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	redeem := func(code string) gallery.Grant {
		g, err := a.Redeem(ctx, gallery.Redemption{Code: code, Token: hash(code), Now: siteNow})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	if g := redeem("SHORT"); !g.Expires.Equal(siteNow.Add(time.Hour)) {
		t.Errorf("ends at %v, want an hour later", g.Expires)
	}
	if g := redeem("LONG"); !g.Expires.IsZero() {
		t.Errorf("ends at %v, want never", g.Expires)
	}
	if n, err := a.DropTokens(ctx, siteNow.Add(time.Hour)); err != nil || n != 0 {
		t.Errorf("just ended: %d dropped, %v; want it kept", n, err)
	}
	if n, err := a.DropTokens(ctx, siteNow.Add(time.Hour+time.Second)); err != nil || n != 1 {
		t.Errorf("%d dropped, %v; want 1", n, err)
	}
	grants, err := a.Grants(ctx, [][]byte{hash("SHORT"), hash("LONG")})
	if err != nil || len(grants) != 1 || !grants[0].Expires.IsZero() {
		t.Errorf("left: %+v, %v; want the one that never ends", grants, err)
	}
}
