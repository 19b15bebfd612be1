package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

const (
	photoNotice = "photo:" // ids, joined by commas
	tokenNotice = "token:" // hashes in hex, joined by commas
	anyNotice   = "any"
	maxNotice   = 100 // of one notice; Postgres allows 8000 bytes
	watchPing   = 15 * time.Second
)

// A notice reaches listeners when its transaction commits.
const sqlNotify = `SELECT pg_notify('gallery', @notice)`

const sqlListen = `LISTEN gallery`

func announcePhotos(ctx context.Context, tx pgx.Tx, ids []int64) error {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = strconv.FormatInt(id, 10)
	}
	return announce(ctx, tx, photoNotice, words)
}

func announceTokens(ctx context.Context, tx pgx.Tx, hashes [][]byte) error {
	words := make([]string, len(hashes))
	for i, h := range hashes {
		words[i] = hex.EncodeToString(h)
	}
	return announce(ctx, tx, tokenNotice, words)
}

func announce(ctx context.Context, tx pgx.Tx, kind string, words []string) error {
	if len(words) == 0 {
		return nil
	}
	notice := kind + strings.Join(words, ",")
	if len(words) > maxNotice {
		notice = anyNotice
	}
	if _, err := tx.Exec(ctx, sqlNotify, pgx.NamedArgs{"notice": notice}); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// Watch implements [gallery.Watcher]. It has a connection of its own and looks
// whether it still lives when nothing was heard for 15 s.
func (p Photos) Watch(ctx context.Context, changed func(gallery.Change)) error {
	pooled, err := p.DB.pool.Acquire(ctx)
	if err != nil {
		return translate(fmt.Errorf("watch the gallery: %w", err))
	}
	conn := pooled.Hijack() // a session that listens must not go back to the pool
	defer closeSession(ctx, conn)
	if _, err := conn.Exec(ctx, sqlListen); err != nil {
		return translate(fmt.Errorf("watch the gallery: %w", err))
	}
	changed(gallery.Change{}) // what happened before was not heard
	for {
		notice, err := nextNotice(ctx, conn)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return translate(fmt.Errorf("watch the gallery: %w", err))
		}
		for _, c := range readNotice(notice) {
			changed(c)
		}
	}
}

// nextNotice waits for a notice; "" means that there was none for a while.
func nextNotice(ctx context.Context, conn *pgx.Conn) (string, error) {
	wait, cancel := context.WithTimeout(ctx, watchPing)
	defer cancel()
	n, err := conn.WaitForNotification(wait)
	if err == nil {
		return n.Payload, nil
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return "", ping(ctx, conn)
	}
	return "", err
}

// readNotice says what a notice means; one that cannot be read means anything.
func readNotice(notice string) []gallery.Change {
	if notice == "" {
		return nil
	}
	anything := []gallery.Change{{}}
	kind, list, _ := strings.Cut(notice, ":")
	var out []gallery.Change
	for word := range strings.SplitSeq(list, ",") {
		var c gallery.Change
		var err error
		switch kind + ":" {
		case photoNotice:
			c.Photo, err = strconv.ParseInt(word, 10, 64)
		case tokenNotice:
			c.Token, err = hex.DecodeString(word)
		default:
			return anything
		}
		if err != nil {
			return anything
		}
		out = append(out, c)
	}
	return out
}
