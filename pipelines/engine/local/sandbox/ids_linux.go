package sandbox

import (
	"fmt"
	"math"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// idMap is a part of a user namespace's ids.
type idMap struct{ first, size int }

// idMaps reads uid_map or gid_map of this process: which ids exist here.
func idMaps(name string) ([]idMap, error) {
	text, err := os.ReadFile("/proc/self/" + name)
	if err != nil {
		return nil, err
	}
	var all []idMap
	for line := range strings.Lines(string(text)) {
		var first, outside, size uint32
		if _, err := fmt.Sscan(line, &first, &outside, &size); err != nil {
			return nil, fmt.Errorf("/proc/self/%s: line %q: %w", name, line, err)
		}
		if first > math.MaxInt32 {
			continue // does not fit into an int everywhere
		}
		all = append(all, idMap{int(first), int(min(size, math.MaxInt32))})
	}
	return all, nil
}

func has(maps []idMap, id int) bool {
	for _, m := range maps {
		if id >= m.first && id-m.first < m.size {
			return true
		}
	}
	return false
}

// identity keeps the ids that exist here as they are.
func identity(maps []idMap) []syscall.SysProcIDMap {
	var same []syscall.SysProcIDMap
	for _, m := range maps {
		same = append(same, syscall.SysProcIDMap{ContainerID: m.first, HostID: m.first, Size: m.size})
	}
	return same
}

// oneID tells whether an image has to do with the caller's own id, mapped to its
// user: always for an ordinary user, and for a root that lacks the rights or some
// of the image's ids, as in a user namespace with few of them.
func oneID(u user, files map[string]attr) (bool, error) {
	const needed = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER |
		1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, os.NewSyscallError("capget", err)
	}
	if os.Geteuid() != 0 || data[0].Effective&needed != needed {
		return true, nil
	}
	// A namespace that a user without rights made has this switched off for good.
	if text, err := os.ReadFile("/proc/self/setgroups"); err == nil && strings.TrimSpace(string(text)) == "deny" {
		return true, nil
	}
	uids, err := idMaps("uid_map")
	if err != nil {
		return false, err
	}
	gids, err := idMaps("gid_map")
	if err != nil {
		return false, err
	}
	for _, a := range files {
		if !has(uids, a.uid) || !has(gids, a.gid) {
			return true, nil
		}
	}
	return !has(uids, u.uid) || !has(gids, u.gid), nil
}

// supervisorAttr says in which namespaces the supervisor lives.
func (t task) supervisorAttr() (*syscall.SysProcAttr, error) {
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER,
		// Keys pressed at a terminal are for the caller alone.
		Setsid: true,
	}
	if !t.HostNetwork {
		a.Cloneflags |= unix.CLONE_NEWNET
	}
	if t.OneID {
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		return a, nil
	}
	uids, err := idMaps("uid_map")
	if err != nil {
		return nil, err
	}
	gids, err := idMaps("gid_map")
	if err != nil {
		return nil, err
	}
	a.UidMappings, a.GidMappings = identity(uids), identity(gids)
	a.GidMappingsEnableSetgroups = true
	return a, nil
}
