package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/site/archive"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
)

// withArchive opens the database and the originals of the site.
func (c *cli) withArchive(ctx context.Context, f *config.File, use func(postgres.Photos, originals.Store) error) error {
	store, err := originals.New(f.Site.Originals) //nolint:contextcheck // nothing is asked yet: settings are read
	if err != nil {
		return fmt.Errorf("site.originals: %w", err)
	}
	return c.withDatabase(ctx, f, func(db *postgres.DB) error { return use(postgres.Photos{DB: db}, store) })
}

func (c *cli) siteImport() *cobra.Command {
	var dry, skip, exif bool
	cmd := &cobra.Command{
		Use: "import DIR", Short: "Bring in the pictures of the old site, with their numbers", Args: cobra.ExactArgs(1),
		Long: `Bring in the pictures of the old site: DIR/<id mod 10>/<(id/10) mod 10>/<id>.jpg with
DIR/photos.csv, and DIR/codes.csv if there is one. docs/import.md describes the tables.
Nothing is stored when a table has a mistake. Importing twice is importing once.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := c.loadSite(cmd)
			if err != nil {
				return err
			}
			in := archive.Import{
				Dir: args[0], SkipBroken: skip, DryRun: dry, Progress: c.progress(),
			}
			if exif {
				in.EXIF = intake.ReadEXIF
			}
			if dry {
				return c.runImport(cmd.Context(), in)
			}
			return c.withArchive(cmd.Context(), f, func(db postgres.Photos, store originals.Store) error {
				in.Store, in.Originals = db, store
				return c.runImport(cmd.Context(), in)
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "check everything and store nothing")
	cmd.Flags().BoolVar(&skip, "skip-broken", false, "leave out pictures that are missing or broken, and name them")
	cmd.Flags().BoolVar(&exif, "exif", false, "take what the table leaves empty from the picture's own EXIF")
	return cmd
}

func (c *cli) runImport(ctx context.Context, in archive.Import) error {
	report, err := in.Run(ctx)
	if err != nil {
		return err
	}
	for _, b := range report.Broken {
		fmt.Fprintf(c.errOut, "left out: photo %d (%s:%d): %s\n", b.ID, archive.PhotosTable, b.Line, b.Why)
	}
	verb := "imported"
	if in.DryRun {
		verb = "checked, nothing stored:"
	}
	c.printf("%s %d photos (%d new, %d here already, %d left out), %s; %d codes (%d new)\n",
		verb, report.Photos, report.Stored, report.Present, len(report.Broken), about(report.Bytes), report.Codes, report.NewCodes)
	if report.Unlisted > 0 {
		c.printf("%d pictures in the folders are not in photos.csv and were not touched\n", report.Unlisted)
	}
	if report.ShortCodes > 0 {
		c.printf("%d codes are as short as the old site made them: let them end soon (keepwatch site code makes new ones)\n", report.ShortCodes)
	}
	return nil
}

// progressEvery is how often a long command says how far it is.
const progressEvery = 5 * time.Second

// progress tells now and then how far an import is.
func (c *cli) progress() func(archive.Step, int, int) {
	last := time.Now()
	return func(step archive.Step, done, total int) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			fmt.Fprintf(c.errOut, "%s: %d of %d\n", step, done, total)
		}
	}
}

func (c *cli) siteGC() *cobra.Command {
	var dry, force bool
	var deleted, grace string
	cmd := &cobra.Command{
		Use: "gc", Short: "Remove for good what was deleted long ago, and files that nothing names", Args: cobra.NoArgs,
		Long: `Remove for good the photos that were deleted long ago, and originals that no photo
names, such as those of uploads that never ended. It is safe while the site runs.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadSite(cmd)
			if err != nil {
				return err
			}
			clean := archive.Clean{DryRun: dry, Force: force}
			if clean.Deleted, err = readLife(deleted); err != nil {
				return usageError{fmt.Errorf("--deleted: %w", err)}
			}
			if clean.Grace, err = readLife(grace); err != nil {
				return usageError{fmt.Errorf("--grace: %w", err)}
			}
			return c.withArchive(cmd.Context(), f, func(db postgres.Photos, store originals.Store) error {
				clean.Store, clean.Originals = db, store
				return c.runClean(cmd.Context(), clean)
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would go and remove nothing")
	cmd.Flags().StringVar(&deleted, "deleted", "30d", "how long ago a photo must have been deleted")
	cmd.Flags().StringVar(&grace, "grace", "24h", "how old a file must be before it can be called forgotten")
	cmd.Flags().BoolVar(&force, "force", false, "go on although very many files are named by nothing")
	return cmd
}

func (c *cli) runClean(ctx context.Context, clean archive.Clean) error {
	report, err := clean.Run(ctx, time.Now().UTC())
	if errors.Is(err, archive.ErrTooMany) {
		return fmt.Errorf("%w (look whether site.originals and the database belong together; --force goes on)", err)
	}
	verb := "removed"
	if clean.DryRun {
		verb = "would remove"
	}
	c.printf("%s %d deleted photos, %d unfinished uploads and %d files that nothing names: %d files, %s (%d files looked at)\n",
		verb, report.Photos, report.Stale, report.Orphans, report.Files, about(report.Bytes), report.Looked)
	return err
}

// about writes a number of bytes for people: "1.2 GiB".
func about(bytes int64) string {
	value, unit := float64(bytes), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
