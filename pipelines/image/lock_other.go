//go:build !unix || aix

package image

import "context"

// lockFolder locks nothing where there is no flock(2): two writers of one layout
// must not run at once there.
func lockFolder(context.Context, string) (unlock func() error, err error) {
	return func() error { return nil }, nil
}
