package dagger

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/plan"
)

// privateServer serves a private module, as a module proxy, and a private git
// repository, both over TLS of an authority of its own and with a password.
type privateServer struct {
	host string // address and port, as the builder reaches them
	ca   []byte
}

const (
	user     = "builder"
	private  = "private.example.test/lib"
	required = "module example.test/prog\n\ngo 1.26\n\nrequire " + private + " v1.0.0\n"
)

func newPrivateServer(t *testing.T, password string) *privateServer {
	t.Helper()
	address := outwardAddress(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{address},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(address.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(privateFiles(t)))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, said, ok := r.BasicAuth(); !ok || said != password {
			w.Header().Set("WWW-Authenticate", "Basic realm=private")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return &privateServer{listener.Addr().String(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// outwardAddress is an address of this machine at which containers reach it.
func outwardAddress(t *testing.T) net.IP {
	t.Helper()
	conn, err := net.Dial("udp", "192.0.2.1:9") // nothing is sent
	if err != nil {
		t.Skipf("this machine has no address that a container could reach: %v", err)
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).IP
}

// privateFiles are a module in the form of a proxy
// (https://go.dev/ref/mod#goproxy-protocol) and a repository for git's dumb
// protocol.
func privateFiles(t *testing.T) string {
	t.Helper()
	mod := "module " + private + "\n\ngo 1.26\n"
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for name, text := range map[string]string{"go.mod": mod, "lib.go": "package lib\n\nconst Word = \"private\"\n"} {
		w, err := z.Create(private + "@v1.0.0/" + name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	at := private + "/@v/"
	dir := write(t, map[string]string{
		at + "list": "v1.0.0\n", at + "v1.0.0.info": `{"Version":"v1.0.0"}`, at + "v1.0.0.mod": mod, at + "v1.0.0.zip": archive.String(),
	})
	repository := filepath.Join(dir, "repository.git")
	for _, args := range [][]string{
		{"init", "-q", repository},
		{"-C", repository, "-c", "user.name=x", "-c", "user.email=x@example.test", "commit", "-q", "--allow-empty", "-m", "empty"},
		{"-C", repository, "update-server-info"},
	} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return dir
}

func usesPrivate(t *testing.T) engine.Source {
	t.Helper()
	return single(write(t, map[string]string{
		"go.mod":  required,
		"main.go": "package main\n\nimport \"" + private + "\"\n\nfunc main() { println(lib.Word, \"" + fresh() + "\") }\n",
	}))
}

// set replaces a setting.
func (o *Options) set(name, value string) {
	var kept []string
	for _, s := range o.Settings {
		if !strings.HasPrefix(s, name+"=") {
			kept = append(kept, s)
		}
	}
	o.Settings = append(kept, name+"="+value)
}

// TestPrivateModules gets a private module through a proxy with a certificate
// of its own, with the password in GOPROXY's URL or in a netrc, and looks for the
// password in all that the engine said and in what was built.
func TestPrivateModules(t *testing.T) {
	password := "canary-" + fresh()
	server := newPrivateServer(t, password)
	for _, test := range []struct {
		name  string
		proxy string
		netrc string
		ca    []byte
		want  string // in the error; empty is none
	}{
		{"password in the URL", "https://" + user + ":" + password + "@" + server.host, "", server.ca, ""},
		{"netrc", "https://" + server.host, "machine " + server.host + " login " + user + " password " + password + "\n", server.ca, ""},
		{"no password", "https://" + server.host, "", server.ca, "401"},
		{"no certificate", "https://" + server.host, "", nil, "certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, said := session(t)
			o := options(t)
			o.set("GOPROXY", test.proxy)
			o.set("GONOSUMDB", private)
			o.CA = test.ca
			if test.netrc != "" {
				o.Netrc = client.SetSecret("netrc", test.netrc)
			}
			e := New(client, o)
			e.volumes = "slipway-test-" + fresh()
			src := withSum(t, usesPrivate(t))
			if test.want != "" {
				_, err := e.Compile(t.Context(), src, target("."), nil)
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("%v, want %q", err, test.want)
				}
			} else {
				whole := pipelinetest.Options(t)
				whole.Engine = e
				built := pipelinetest.Build(t, plan.Options{Source: src.Root}, whole)
				if found := holding(t, built, password); found != "" {
					t.Errorf("the password is in %s", found)
				}
			}
			_ = client.Close() // what it said is whole then
			if strings.Contains(said.String(), password) {
				t.Error("the password is in what the engine said")
			}
			if os.Getenv("DAGGER_SESSION_PORT") == "" && !strings.Contains(said.String(), "download") {
				t.Error("the engine did not say what it did, so that nothing was looked at")
			}
		})
	}
}

// holding says where in an image a text stands: in the index, a manifest, a
// config, or uncompressed in a layer.
func holding(t *testing.T, built *pipelines.Built, text string) string {
	t.Helper()
	parts := map[string]func() ([]byte, error){}
	for _, img := range built.Images {
		parts["the index"] = img.Index.RawManifest
		for _, v := range img.Variants {
			name := v.Platform.String()
			parts["the manifest of "+name], parts["the config of "+name] = v.Image.RawManifest, v.Image.RawConfigFile
			layers, err := v.Image.Layers()
			if err != nil {
				t.Fatal(err)
			}
			for i, layer := range layers {
				parts[fmt.Sprintf("layer %d of %s", i, name)] = func() ([]byte, error) {
					r, err := layer.Uncompressed()
					if err != nil {
						return nil, err
					}
					defer func() { _ = r.Close() }()
					return io.ReadAll(r)
				}
			}
		}
	}
	for name, read := range parts {
		data, err := read()
		if err != nil || len(data) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(data), err)
		}
		if bytes.Contains(data, []byte(text)) {
			return name
		}
	}
	return ""
}

// withSum adds the go.sum that the private module has.
func withSum(t *testing.T, src engine.Source) engine.Source {
	t.Helper()
	files := privateFiles(t)
	cmd := exec.Command("go", "mod", "tidy")
	cmd.Dir = src.Root
	cmd.Env = append(os.Environ(), "GOPROXY=file://"+files, "GOSUMDB=off", "GONOSUMDB="+private, "GOFLAGS=-modcacherw",
		"GOMODCACHE="+t.TempDir(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go mod tidy: %v\n%s", err, out)
	}
	return src
}

// TestToken lets git in at the host that GOPRIVATE names, and at no other.
func TestToken(t *testing.T) {
	token := "canary-" + fresh()
	server := newPrivateServer(t, token)
	client, said := session(t)
	list := func(goprivate string) error {
		o := options(t)
		o.set("GOPRIVATE", goprivate)
		o.CA = server.ca
		o.Token = client.SetSecret("token", token)
		e := New(client, o)
		c, err := e.withAccess(t.Context(), anyToolchain(t, e))
		if err != nil {
			return err
		}
		_, err = c.WithEnvVariable("FRESH", fresh()).WithEnvVariable("GIT_TERMINAL_PROMPT", "0").
			WithExec([]string{"git", "ls-remote", "https://" + server.host + "/repository.git/.git"}).Sync(t.Context())
		if err != nil {
			return plain(t.Context(), "git", err)
		}
		return nil
	}
	if err := list(server.host + "/*"); err != nil {
		t.Errorf("with the token: %v", err)
	}
	if err := list("elsewhere.example.test/*"); err == nil || !strings.Contains(err.Error(), "could not read Username") {
		t.Errorf("%v: the token was shown to a host that GOPRIVATE does not name", err)
	}
	if _, ok := errors.AsType[*AccessError](list("")); !ok {
		t.Error("a token without GOPRIVATE is taken")
	}
	_ = client.Close()
	if strings.Contains(said.String(), token) {
		t.Error("the token is in what the engine said")
	}
}

// TestSSH shows that the builder reaches the agent, and that git takes SSH.
func TestSSH(t *testing.T) {
	for _, tool := range []string{"ssh-agent", "ssh-add", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here", tool)
		}
	}
	client, _ := session(t)
	dir, err := os.MkdirTemp("", "agent") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket, key := filepath.Join(dir, "agent"), filepath.Join(dir, "key")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Process.Kill(); _ = agent.Wait() })
	for i := 0; ; i++ {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if i == 600 {
			t.Fatal("ssh-agent does not listen")
		}
		time.Sleep(50 * time.Millisecond)
	}
	comment := "key-" + fresh()
	add := exec.Command("ssh-add", key)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	for _, cmd := range []*exec.Cmd{exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", key), add} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
	o := options(t)
	o.SSH = client.Host().UnixSocket(socket)
	o.set("GOPRIVATE", "git.example.test/team/*")
	e := New(client, o)
	c, err := e.withAccess(t.Context(), anyToolchain(t, e))
	if err != nil {
		t.Fatal(err)
	}
	c = c.WithEnvVariable("FRESH", fresh())
	out, err := c.WithExec([]string{"ssh-add", "-l"}).Stdout(t.Context())
	if err != nil || !strings.Contains(out, comment) {
		t.Errorf("the agent in the builder: %v %q", err, out)
	}
	_, err = c.WithExec([]string{"git", "ls-remote", "https://git.example.test/team/x"}).Sync(t.Context())
	if err == nil || !strings.Contains(explain(err), "ssh: ") {
		t.Errorf("%v, want that git took SSH", err)
	}
	o.set("GOPRIVATE", "")
	e = New(client, o)
	if _, err := e.withAccess(t.Context(), anyToolchain(t, e)); err == nil {
		t.Error("SSH without GOPRIVATE is taken")
	}
}

func TestPrivateHosts(t *testing.T) {
	got := strings.Join(privateHosts("github.com/acme/*, git.corp.example,*.dev.example/x,github.com/other,"), " ")
	if want := "github.com git.corp.example *.dev.example"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
