package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// scenario is what happens before a contender is run.
type scenario struct {
	name, about string
	prepare     func(r room, edit string) error
	// changes tells whether the result must be another one than the run before.
	changes bool
}

func scenarios(cold bool) []scenario {
	all := []scenario{
		{
			name: "Nothing changed", about: "The same command again.",
			prepare: func(room, string) error { return nil },
		},
		{
			name: "One line edited", about: "A line of main.go, another one in each round and the same for all.",
			prepare: room.edit, changes: true,
		},
		{
			name: "Nothing kept but Go's caches", about: "Output and own caches are gone; Go's build cache is warm, so that all link again and all layers are compressed again.",
			prepare: func(r room, _ string) error { return r.forget() },
		},
	}
	if cold {
		all = append(all, scenario{
			name: "Cold", about: "Go's build cache is empty too, and the standard library is compiled for each platform. Only modules are there.",
			prepare: func(r room, _ string) error { return r.forgetAll() },
		})
	}
	return all
}

// measure runs every contender in every round. Each round begins with another
// contender, so that none of them always follows the same one.
func (s scenario) measure(ctx context.Context, rooms []room, rounds int, progress io.Writer) (measured, error) {
	m := measured{Name: s.name, About: s.about, Contenders: make([]result, len(rooms))}
	for i, r := range rooms {
		m.Contenders[i].Name = r.Name
	}
	// No earlier run of this program has compiled the same edit.
	run := time.Now().UnixNano()
	last := make([]string, len(rooms))
	for round := range rounds {
		edit := fmt.Sprintf("round %d of run %d", round+1, run)
		for k := range rooms {
			i := (round + k) % len(rooms)
			r := rooms[i]
			if err := s.prepare(r, edit); err != nil {
				return m, err
			}
			stdout, sample, err := r.run(ctx, r)
			if err != nil {
				return m, err
			}
			fmt.Fprintf(progress, "%s, round %d of %d: %s: %s\n", s.name, round+1, rounds, r.Name, sample.Wall.Round(time.Millisecond))
			m.Contenders[i].add(sample)
			made, err := r.result(stdout)
			if err != nil {
				return m, fmt.Errorf("%s: %w", r.Name, err)
			}
			if round > 0 && (made != last[i]) != s.changes {
				return m, fmt.Errorf("%s, %s: %s after %s, which measures something else", s.name, r.Name, made, last[i])
			}
			last[i] = made
		}
	}
	return m, nil
}
