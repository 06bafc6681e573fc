package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/pipelines/report"
)

// cacheParts are what slipway keeps, by the folder that it is in.
var cacheParts = []struct{ folder, what string }{
	{"layers", "compressed layers"},
	{"binaries", "binaries of the last builds"},
	{"known", "where registries have which blobs"},
}

func newCache(e *edge) *cobra.Command {
	var rf runFlags
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Show what slipway keeps, or remove it",
		Long: `Cache shows what slipway itself keeps between builds, and how large it is. Modules
and builds are kept in the go command's own caches (go clean -modcache, go clean
-cache), unless --cache-dir puts them apart.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			own, _, err := rf.caches(e)
			if err != nil {
				return err
			}
			return showCache(e, own)
		},
	}
	rf.addCacheDir(cmd.PersistentFlags())
	cmd.AddCommand(&cobra.Command{
		Use:   "prune",
		Short: "Remove what slipway keeps; the next build makes it again",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			own, _, err := rf.caches(e)
			if err != nil {
				return err
			}
			return pruneCache(e, own)
		},
	})
	return cmd
}

func showCache(e *edge, dir string) error {
	fmt.Fprintln(e.stdout, dir)
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, part := range cacheParts {
		files, size, err := measure(filepath.Join(dir, part.folder))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  %s\t%s\t%d files\t%s\n", part.folder, report.Bytes(size), files, part.what)
	}
	return w.Flush()
}

// pruneCache removes slipway's own folders and nothing else that may stand in
// the cache folder, with what runs that were killed left there.
func pruneCache(e *edge, dir string) error {
	var freed int64
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		ours := strings.HasPrefix(entry.Name(), "run-") || strings.HasPrefix(entry.Name(), "slipway-sandbox-")
		for _, part := range cacheParts {
			ours = ours || entry.Name() == part.folder
		}
		if !ours {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		_, size, err := measure(path)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		freed += size
	}
	_, err = fmt.Fprintf(e.stdout, "%s freed\n", report.Bytes(freed))
	return err
}

func measure(dir string) (files int, size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		size += info.Size()
		return nil
	})
	return files, size, err
}
