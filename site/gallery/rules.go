package gallery

import "fmt"

// These functions, with [Decide], are the whole of what decides who may do what.
// The letters are those of the site's specification.

// MayRead reports whether the visitor may see a photo and what is known of it
// (A1). Deleted photos are for those who may undelete them.
func MayRead(v Visitor, p Photo) bool { return may(v, p, Read) }

// MayDownload reports whether the visitor may fetch the untouched original (A2).
func MayDownload(v Visitor, p Photo) bool { return may(v, p, Download) }

// MayWrite reports whether the visitor may change, turn, delete and undelete a
// photo (A3). A photo without tags is nobody's.
func MayWrite(v Visitor, p Photo) bool { return may(v, p, Write) }

func may(v Visitor, p Photo, least Level) bool {
	if !p.Deleted.IsZero() {
		least = Write
	}
	return v.On(p.TagIDs()) >= least
}

// MayTag judges whether the visitor may put a tag on a photo that it may write
// (T1): it may write on the tag, or the tag is free. The error is ErrForbidden.
func MayTag(v Visitor, t TagFacts) error {
	if v.Level(t.ID) >= Write || !t.Owned {
		return nil
	}
	return fmt.Errorf("%w: the tag belongs to others", ErrForbidden)
}

// MayUpload judges a new photo with these tags (A6): the visitor may write on at
// least one of them, and T1 holds for every one. The error is ErrForbidden.
func MayUpload(v Visitor, tags []TagFacts) error {
	best := None
	for _, t := range tags {
		if err := MayTag(v, t); err != nil {
			return err
		}
		best = max(best, v.Level(t.ID))
	}
	if best < Write {
		return fmt.Errorf("%w: an upload needs a tag of your own", ErrForbidden)
	}
	return nil
}

// MayShare judges whether the visitor may make or delete a code that gives level
// on a tag (K1): it may write on the tag; or the tag is free, is on some photo,
// the visitor may write every photo that carries it, and level gives no more than
// download. The facts must have been gathered for this visitor. The error is
// ErrForbidden, or an InputError for a level that no code may give.
func MayShare(v Visitor, t TagFacts, level Level) error {
	if level < Read || level > Write {
		return InputError{"lvl must be 1 (see), 2 (download) or 3 (change)"}
	}
	if v.Level(t.ID) >= Write {
		return nil
	}
	if !t.Owned && t.All > 0 && t.Foreign == 0 && level <= Download {
		return nil
	}
	return fmt.Errorf("%w: the tag is not yours to share", ErrForbidden)
}

// MaySeeCodes reports whether the visitor may see the codes of a tag (K2).
func MaySeeCodes(v Visitor, t TagFacts) bool { return MayShare(v, t, Read) == nil }
