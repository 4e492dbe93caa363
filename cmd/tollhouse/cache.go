package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func newCache() *cobra.Command {
	cmd := &cobra.Command{Use: "cache", Short: "Purge what the cache of a service has stored"}
	cmd.AddCommand(newCachePurge())
	return cmd
}

func newCachePurge() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "purge",
		Short: "Make a service's cache forget one URL, a prefix, a tag, or everything",
		Example: `  tollhouse cache purge --service shop --url https://shop.example/items?page=2
  tollhouse cache purge --service shop --prefix /items/
  tollhouse cache purge --service shop --tag item-42
  tollhouse cache purge --service shop --all`,
		Args: cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.CachePurge
	cmd.Flags().StringVar(&in.Service, "service", "", "the `SERVICE` whose cache is meant")
	cmd.Flags().StringVar(&in.URL, "url", "", "one `URL` with all its variants; without scheme and host, on every host")
	cmd.Flags().StringVar(&in.Prefix, "prefix", "", "every URL that begins with `PREFIX`")
	cmd.Flags().StringVar(&in.Tag, "tag", "", "every answer with this `TAG` in Surrogate-Key or Cache-Tag")
	cmd.Flags().BoolVar(&in.All, "all", false, "everything")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.Service == "" {
			return required(cmd, "service")
		}
		chosen := 0
		for _, set := range []bool{in.URL != "", in.Prefix != "", in.Tag != "", in.All} {
			if set {
				chosen++
			}
		}
		if chosen != 1 {
			return usageError{errors.New("say what to forget, with one of --url, --prefix, --tag and --all; see `tollhouse cache purge --help`")}
		}
		done, err := call[app.CachePurged](cmd, at, "cache.purge", in)
		if err != nil {
			return err
		}
		err = show(cmd, *asJSON, done, func(w io.Writer) {
			fmt.Fprintf(w, "Purged from the cache of %s: %s.\n", done.Service, storedAnswers(done.Purged))
			if done.Purged == 0 && strings.Contains(in.URL, "://") {
				fmt.Fprintln(w, "A URL with a host must be written as clients ask for it, with its port; without scheme and host it means every host.")
			}
			for _, told := range done.Told {
				if told.Error == "" {
					fmt.Fprintf(w, "Told %s: it answered %d.\n", told.Hook, told.Status)
				}
			}
			if done.Untold {
				fmt.Fprintln(w, "No purge hook of the service is for this kind of purge, so no CDN was told.")
			}
		})
		return errors.Join(err, untold(done))
	}
	return cmd
}

func storedAnswers(n int) string {
	if n == 1 {
		return "1 stored answer"
	}
	return strconv.Itoa(n) + " stored answers"
}

// untold is the error for a purge that a CDN was not told of: it is purged here
// and may be served there.
func untold(done app.CachePurged) error {
	var failed []string
	for _, told := range done.Told {
		if told.Error != "" {
			failed = append(failed, fmt.Sprintf("%s (%s, tried %d times)", told.Hook, told.Error, told.Tries))
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return toll.Errorf(toll.Unavailable, "purged here, but not told to %s; once the cause is gone, purge again", strings.Join(failed, " and "))
}
