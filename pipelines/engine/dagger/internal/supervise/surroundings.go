//go:build linux

package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger/internal/supervise/wire"
)

// surroundings is the program's environment, with what only the inside knows.
func surroundings(t wire.Task) []string {
	set := func(name string) bool {
		for _, setting := range t.Env {
			if strings.HasPrefix(setting, name+"=") {
				return true
			}
		}
		return false
	}
	var own []string
	if host, err := os.Hostname(); err == nil && !set("HOSTNAME") {
		own = append(own, "HOSTNAME="+host)
	}
	if !set("HOME") {
		own = append(own, "HOME="+home(t.User))
	}
	return append(own, t.Env...)
}

// home is the home directory of a user, given as an image's config names it: that
// of its entry in passwd(5), or the root.
func home(user string) string {
	name, _, _ := strings.Cut(user, ":")
	if _, err := strconv.Atoi(name); err == nil {
		name = "" // it is found by its number
	}
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return "/"
	}
	for _, line := range strings.Split(string(text), "\n") {
		entry := strings.Split(strings.TrimSpace(line), ":")
		if len(entry) < 7 || entry[5] == "" {
			continue
		}
		if name != "" && entry[0] == name || name == "" && entry[2] == strconv.Itoa(os.Getuid()) {
			return entry[5]
		}
	}
	return "/"
}
