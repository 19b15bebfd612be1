package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/site/gallery"
)

func (c *cli) siteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "site", Short: "Prepare the image site: first code, more codes, import, clean up", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.siteInit(), c.siteCode(), c.siteImport(), c.siteGC())
	return cmd
}

// loadSite loads the configuration and refuses one without an image site.
func (c *cli) loadSite(cmd *cobra.Command) (*config.File, error) {
	f, err := c.load(cmd)
	if err != nil {
		return nil, err
	}
	if f.Site == nil {
		return nil, errors.New("the configuration has no site block: there is no image site to prepare (add one)")
	}
	return f, nil
}

func (c *cli) siteInit() *cobra.Command {
	var tag string
	cmd := &cobra.Command{
		Use: "init", Short: "Make an empty site usable: a first tag, and one code that may write to it", Args: cobra.NoArgs,
		Long: `Make an empty site usable: its tables, the place that holds all others, a first tag, and
one code that may write to the tag. The code is printed once. Without this, keepwatch run
fills an empty site with sample pictures.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadSite(cmd)
			if err != nil {
				return err
			}
			if err := checkTag(tag); err != nil {
				return err
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				return c.initSite(cmd.Context(), postgres.Photos{DB: db}, tag)
			})
		},
	}
	cmd.Flags().StringVar(&tag, "tag", "family", "name of the first tag, which is the group of people who see its pictures")
	return cmd
}

func (c *cli) initSite(ctx context.Context, store gallery.Founding, tag string) error {
	w, err := store.Welcome(ctx)
	if err != nil {
		return err
	}
	if !w.Empty {
		return errors.New("this site is in use already: make another code with keepwatch site code --tag NAME --level write")
	}
	code := gallery.NewCode()
	if err := store.Seed(ctx, gallery.Seed{Now: time.Now().UTC(), Tag: tag, Level: gallery.Write, Code: code}); err != nil {
		return err
	}
	c.printf("The site is ready. Log in with the code %s; it may bring, change and share the pictures of %q.\n", gallery.FormatCode(code), tag)
	return nil
}

func (c *cli) siteCode() *cobra.Command {
	var tag, level, words, expires string
	var uses int64
	cmd := &cobra.Command{
		Use: "code --tag NAME --level read|download|write", Short: "Make a code that lets people in", Args: cobra.NoArgs,
		Long: `Make a code that lets people in, and print it. The tag is made when it does not exist.
  read      see pictures    download  fetch the untouched files too    write  bring, change and share
The limits are the code's: who has logged in with it stays logged in.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadSite(cmd)
			if err != nil {
				return err
			}
			now := time.Now().UTC()
			made, err := readCode(tag, level, words, expires, uses, now)
			if err != nil {
				return err
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				if err := (postgres.Photos{DB: db}).MakeCode(cmd.Context(), made); err != nil {
					return err
				}
				c.printf("%s\n", gallery.FormatCode(made.Code.Code))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&tag, "tag", "", "name of the tag that the code opens")
	cmd.Flags().StringVar(&level, "level", "read", "read, download or write (manage is an old word for write)")
	cmd.Flags().StringVar(&words, "code", "", "letters and digits of your own (default: eight random ones)")
	cmd.Flags().Int64Var(&uses, "max", 0, "how often the code can be used (default: as often as people like)")
	cmd.Flags().StringVar(&expires, "expires", "", "how long the code can be used, such as 12h, 7d or 4w (default: for ever)")
	return cmd
}

// readCode turns flags into a code.
func readCode(tag, level, words, expires string, uses int64, now time.Time) (gallery.ImportedCode, error) {
	made := gallery.ImportedCode{Tag: tag, Now: now, Code: gallery.Code{Code: gallery.NewCode(), MaxUses: uses}}
	if err := checkTag(tag); err != nil {
		return made, err
	}
	switch level {
	case "read":
		made.Code.Level = gallery.Read
	case "download":
		made.Code.Level = gallery.Download
	case "write", "manage":
		made.Code.Level = gallery.Write
	default:
		return made, usageError{fmt.Errorf("--level: %q is no level (read, download or write)", level)}
	}
	if words != "" {
		if made.Code.Code = gallery.NormaliseCode(words); made.Code.Code == "" {
			return made, usageError{fmt.Errorf("--code: %q is no code: use letters and digits, at most %d", words, gallery.MaxCode)}
		}
		if len(made.Code.Code) < minWords {
			return made, usageError{fmt.Errorf("--code: %q is too easy to guess (at least %d letters and digits)", words, minWords)}
		}
	}
	if uses < 0 {
		return made, usageError{fmt.Errorf("--max: %d is below 0", uses)}
	}
	if expires != "" {
		lives, err := readLife(expires)
		if err != nil {
			return made, usageError{fmt.Errorf("--expires: %w", err)}
		}
		made.Code.Expires = now.Add(lives)
	}
	return made, nil
}

// minWords is the shortest code of an operator's own; guesses are limited per hour.
const minWords = 6

func checkTag(name string) error {
	if n := len([]rune(name)); n < 1 || n > gallery.MaxMedium || strings.TrimSpace(name) != name {
		return usageError{fmt.Errorf("--tag: %q is no name of a tag (1 to %d characters, no spaces around)", name, gallery.MaxMedium)}
	}
	return nil
}

// readLife reads 12h, 7d, 4w. A day is 24 hours here: it is a limit, not a date.
func readLife(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	for suffix, unit := range map[string]time.Duration{"d": day, "w": 7 * day} {
		number, ok := strings.CutSuffix(text, suffix)
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(number, 10, 16); err == nil && n > 0 && n <= 36500 {
			return time.Duration(n) * unit, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no time to live (try 12h, 7d or 4w)", text)
}
