package registry

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Known is a memory on disk of which repositories hold which blobs, so that a
// blob can be mounted from one to another. It is only a hint: what it says is
// checked before it is used, and it may be deleted at any time.
//
// It is a tree of empty files, REGISTRY/DIGEST/REPOSITORY, so that several
// processes can add to it at once without a lock. A nil Known remembers nothing.
type Known struct{ dir string }

// mostKnown is how many repositories are asked for one blob.
const mostKnown = 3

// OpenKnown returns the memory in a folder, which need not exist yet.
func OpenKnown(dir string) *Known { return &Known{dir: dir} }

// path escapes each part, so that it is one file name on every system.
func (k *Known) path(registry name.Registry, blob v1.Hash, repository string) string {
	return filepath.Join(k.dir, url.QueryEscape(registry.RegistryStr()), blob.Algorithm+"-"+blob.Hex, url.QueryEscape(repository))
}

// add notes that a repository holds a blob.
func (k *Known) add(repo name.Repository, blob v1.Hash) error {
	if k == nil {
		return nil
	}
	path := k.path(repo.Registry, blob, repo.RepositoryStr())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	now := time.Now() // the newest is the likeliest to be there still
	return errors.Join(f.Close(), os.Chtimes(path, now, now))
}

// forget takes back that a repository holds a blob.
func (k *Known) forget(repo name.Repository, blob v1.Hash) {
	// What cannot be removed is found stale again the next time.
	_ = os.Remove(k.path(repo.Registry, blob, repo.RepositoryStr()))
}

// repositories are the ones that may hold a blob, the newest first.
func (k *Known) repositories(registry name.Registry, blob v1.Hash) []name.Repository {
	if k == nil {
		return nil
	}
	entries, err := os.ReadDir(filepath.Dir(k.path(registry, blob, "any")))
	if err != nil {
		return nil
	}
	age := func(e fs.DirEntry) time.Time {
		info, err := e.Info()
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return age(b).Compare(age(a)) })
	var repos []name.Repository
	for _, e := range entries[:min(len(entries), mostKnown)] {
		if repository, err := url.QueryUnescape(e.Name()); err == nil && pathGrammar.MatchString(repository) {
			repos = append(repos, registry.Repo(repository))
		}
	}
	return repos
}
