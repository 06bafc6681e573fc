package image_test

import (
	"archive/zip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/slipway-dev/slipway/pipelines/image"
)

// zoneinfo is the toolchain's.
func zoneinfo(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("no Go toolchain to take zones from: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "lib", "time", "zoneinfo.zip")
}

// certificate makes a self-signed certificate and its key, as PEM.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(name string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: name, Bytes: der}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", keyDER)
}

func TestMozilla(t *testing.T) {
	want := 0
	for range bundle.Roots() {
		want++
	}
	f, err := image.Certificates(image.NamedPEM{Name: "Mozilla's roots", PEM: image.Mozilla()})
	if err != nil {
		t.Fatal(err)
	}
	all := text(t, []image.File{f}, "etc/ssl/certs/ca-certificates.crt")
	if got := strings.Count(all, "-----BEGIN CERTIFICATE-----"); got != want || want < 100 {
		t.Errorf("the image has %d roots, the bundle %d", got, want)
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(all)) {
		t.Error("crypto/x509 finds no certificate")
	}
}

func TestCertificates(t *testing.T) {
	a, _ := certificate(t)
	b, _ := certificate(t)
	f, err := image.Certificates(
		image.NamedPEM{Name: "a", PEM: []byte("a text before\n" + a + "and between\n" + b)},
		image.NamedPEM{Name: "b", PEM: []byte(strings.ReplaceAll(b+a, "\n", "\r\n"))},
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, []image.File{f}, image.CertificatesPath); got != a+b {
		t.Errorf("got\n%s\nwant each certificate once, and nothing else:\n%s", got, a+b)
	}
	if f.Mode != 0o644 {
		t.Errorf("the mode is %v", f.Mode)
	}
}

func TestCertificatesThatAreNone(t *testing.T) {
	good, key := certificate(t)
	lines := strings.SplitAfter(good, "\n")
	for name, test := range map[string]struct{ pem, want string }{
		"empty":     {"", "no PEM certificate in it"},
		"garbage":   {"\x00\x01garbage", "no PEM certificate in it"},
		"key":       {key, `holds a "PRIVATE KEY" block: want certificates alone`},
		"both":      {good + key, `holds a "PRIVATE KEY" block: want certificates alone`},
		"no der":    {"-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n", "certificate 1: x509: "},
		"no base64": {good + "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", "2 PEM blocks begin in it, and 1 of them can be read"},
		"cut off":   {good + lines[0] + lines[1], "2 PEM blocks begin in it, and 1 of them can be read"},
		"cut key":   {good + strings.SplitAfter(key, "\n")[0], "2 PEM blocks begin in it, and 1 of them can be read"},
	} {
		_, err := image.Certificates(image.NamedPEM{Name: "good.pem", PEM: []byte(good)}, image.NamedPEM{Name: name, PEM: []byte(test.pem)})
		if err == nil || !strings.HasPrefix(err.Error(), name+": "+test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
		if secret := strings.Split(key, "\n")[1]; err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}
}

func TestZones(t *testing.T) {
	files, err := image.Zones(zoneinfo(t))
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]image.File{}
	links := 0
	for _, f := range files {
		if f.Mode != 0o644 || f.UID != 0 || f.GID != 0 {
			t.Errorf("%s has mode %v and owner %d:%d", f.Path, f.Mode, f.UID, f.GID)
		}
		byPath[f.Path] = f
	}
	z, err := zip.OpenReader(zoneinfo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	want := 0
	for _, entry := range z.File {
		if strings.HasSuffix(entry.Name, "/") {
			continue
		}
		want++
		f, ok := byPath["usr/share/zoneinfo/"+entry.Name]
		if !ok {
			t.Errorf("%s is missing", entry.Name)
			continue
		}
		if f.Link != "" {
			links++
			target := byPath[f.Link]
			if target.Path == "" || target.Link != "" {
				t.Errorf("%s is a link to %q, which is no file", f.Path, f.Link)
				continue
			}
			f = target
		}
		data := text(t, files, f.Path)
		if _, err := time.LoadLocationFromTZData(entry.Name, []byte(data)); err != nil {
			t.Errorf("%s: %v", entry.Name, err)
		}
		if r, err := entry.Open(); err != nil || !equal(t, r, data) {
			t.Errorf("%s is not what the archive has: %v", entry.Name, err)
		}
	}
	if len(files) != want || want < 500 {
		t.Errorf("there are %d zones, the archive has %d", len(files), want)
	}
	if links < 100 {
		t.Errorf("%d zones are links: those that repeat another one should be", links)
	}
	again, err := image.Zones(zoneinfo(t))
	if err != nil || !slices.EqualFunc(files, again, func(a, b image.File) bool { return a.Path == b.Path && a.Link == b.Link }) {
		t.Errorf("a second time the zones are others, or %v", err)
	}
}

// TestZonesInAnyOrder packs the same zones in two orders, which give one layer.
func TestZonesInAnyOrder(t *testing.T) {
	zones := []string{"Etc/UTC", "UTC", "Zulu"}
	var first []string
	for range 2 {
		path := filepath.Join(t.TempDir(), "zoneinfo.zip")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		z := zip.NewWriter(f)
		for _, name := range zones {
			w, err := z.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, "TZif"); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(z.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		files, err := image.Zones(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, f.Path+" "+f.Link)
		}
		slices.Sort(got)
		if first != nil && !slices.Equal(first, got) {
			t.Errorf("one order gives %q, another %q", first, got)
		}
		first = got
		slices.Reverse(zones)
	}
}

func TestZonesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	none := filepath.Join(dir, "none.zip")
	f, err := os.Create(none)
	if err != nil {
		t.Fatal(err)
	}
	if err := zip.NewWriter(f).Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "missing"):   "no such file or directory",
		write("text", []byte("no zip")): "not a valid zip file",
		none:                            "is empty",
	} {
		if _, err := image.Zones(path); err == nil || !strings.HasPrefix(err.Error(), "time zones: ") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}

// TestBaseLayerIsSmall guards what everybody downloads.
func TestBaseLayerIsSmall(t *testing.T) {
	files := image.Base()
	certs, err := image.Certificates(image.NamedPEM{Name: "Mozilla's roots", PEM: image.Mozilla()})
	if err != nil {
		t.Fatal(err)
	}
	zones, err := image.Zones(zoneinfo(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := newStore(t).Layer(context.Background(), "base", append(append(files, certs), zones...), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	size, err := l.Size()
	if err != nil {
		t.Fatal(err)
	}
	if size > 220_000 || size < 100_000 {
		t.Errorf("the base layer weighs %d bytes compressed, want about 200,000", size)
	}
	t.Logf("the base layer weighs %d bytes", size)
	if got := text(t, files, "etc/nsswitch.conf"); got != "hosts: files dns\n" {
		t.Errorf("nsswitch.conf is %q", got)
	}
}

// equal reads a file to its end and compares it.
func equal(t *testing.T, r io.ReadCloser, want string) bool {
	t.Helper()
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data) == want
}
