package plan

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var starterInfos = map[string]StarterInfo{
	"nothing": {},
	"command": {Name: "hello", Packages: []string{"./cmd/hello"}, Platforms: []string{"linux/amd64", "linux/arm64"}},
	"service": {
		Name: "true", Packages: []string{"./a b", "./c,d", "./[e]"}, Platforms: []string{"all"},
		Assets: []string{"templates", "web/static: x", "{a}, b"}, Port: 9090,
	},
	"port": {Port: 80},
}

func starter(t *testing.T, info StarterInfo) string {
	t.Helper()
	text, err := Starter(info)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStarterLoads(t *testing.T) {
	for name, info := range starterInfos {
		t.Run(name, func(t *testing.T) {
			text := starter(t, info)
			if first, _, _ := strings.Cut(text, "\n"); first != "# yaml-language-server: $schema="+SchemaURL {
				t.Errorf("the first line is %q", first)
			}
			got, err := Load("slipway.yaml", []byte(text), nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			want := Image{Name: info.Name, Packages: info.Packages, Platforms: info.Platforms}
			if info.Port != 0 {
				want.Image.Ports = []Text{map[int]Text{80: "80", 9090: "9090"}[info.Port]}
			}
			for _, a := range info.Assets {
				want.Image.Assets = append(want.Image.Assets, Asset{From: a, To: "/" + a})
			}
			if diff := cmp.Diff([]Image{want}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A line that is a key, commented out.
var starterKey = regexp.MustCompile(`^#([^ ]|  )`)

// uncomment removes the # of the commented keys among the lines that it is asked
// to.
func uncomment(lines []string, which func(i int) bool) string {
	out := make([]string, len(lines))
	for i, line := range lines {
		if starterKey.MatchString(line) && which(i) {
			line = line[1:]
		}
		out[i] = line
	}
	return strings.Join(out, "\n")
}

// With everything uncommented, the file loads and has every key in it.
func TestStarterHasEveryKey(t *testing.T) {
	s, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	for name, info := range starterInfos {
		t.Run(name, func(t *testing.T) {
			text := uncomment(strings.Split(starter(t, info), "\n"), func(int) bool { return true })
			if _, err := Load("slipway.yaml", []byte(text), nil); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			d := parseYAML("", []byte(text), s.file)
			for _, key := range schemaKeys(s.file, "") {
				// What a match is, is shown once, and images have the keys of the top.
				once := strings.HasPrefix(key, "images[]") || regexp.MustCompile(`(stderr|expect.*)\.(equals|contains|matches)$`).MatchString(key)
				if !once && !hasKey(d, key) {
					t.Errorf("no %s", key)
				}
			}
		})
	}
}

// Each commented key loads by itself, with the keys around it and what it holds.
func TestStarterKeysOneByOne(t *testing.T) {
	indent := func(line string) int {
		line = strings.TrimPrefix(line, "#")
		return len(line) - len(strings.TrimLeft(line, " "))
	}
	for name, info := range starterInfos {
		lines := strings.Split(starter(t, info), "\n")
		isKey := func(i int) bool {
			text := strings.TrimSpace(strings.TrimPrefix(lines[i], "#"))
			return text != "" && text[0] != '#' && (starterKey.MatchString(lines[i]) || lines[i][0] != '#')
		}
		// Keys that are required come along with their neighbours.
		required := regexp.MustCompile(`^# *(- )?(port|path|method): `)
		tried := 0
		for i := range lines {
			if !isKey(i) || lines[i][0] != '#' {
				continue
			}
			chosen := map[int]bool{i: true}
			for j, least := i-1, indent(lines[i]); j >= 0; j-- { // what is around it
				if isKey(j) && indent(lines[j]) < least {
					chosen[j], least = true, indent(lines[j])
				}
			}
			for j := i + 1; j < len(lines) && (!isKey(j) || indent(lines[j]) > indent(lines[i])); j++ { // what it holds
				chosen[j] = true
			}
			for j := range lines {
				if required.MatchString(lines[j]) {
					for k := j; k >= 0; k-- {
						if isKey(k) && indent(lines[k]) < indent(lines[j]) {
							if chosen[k] {
								chosen[j] = true
							}
							break
						}
					}
				}
			}
			text := uncomment(lines, func(j int) bool { return chosen[j] })
			if _, err := Load("slipway.yaml", []byte(text), nil); err != nil {
				t.Errorf("%s: with line %d (%s): %v", name, i+1, lines[i], err)
			}
			tried++
		}
		if tried < 50 {
			t.Errorf("%s: only %d keys are commented out", name, tried)
		}
	}
}
