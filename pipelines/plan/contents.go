package plan

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/pipelines/image"
)

func (r *resolver) user(c Image, ip *ImagePlan) (err error) {
	ip.User = image.Nobody
	if c.Image.User != "" {
		if ip.User, err = image.ParseUser(string(c.Image.User)); err != nil {
			return r.bad("image.user", "%v", err)
		}
	}
	return nil
}

// certificates decides on certificates and zones: a base image brings its own,
// and gets ours only where they are asked for.
func (r *resolver) certificates(c Image, ip *ImagePlan) error {
	cert := c.Image.Certificates
	bundle := cert.Bundle
	if bundle == "" && ip.Base == "" {
		bundle = "mozilla"
	}
	switch bundle {
	case "mozilla":
		ip.Mozilla = true
	case "", "none":
		if bundle == "" && len(cert.Add) > 0 {
			return r.bad("image.certificates.add", "the certificates of a base image cannot be added to; say which bundle to take instead (image.certificates.bundle)")
		}
	default:
		ip.Certificates = append(ip.Certificates, bundle)
	}
	for _, file := range ip.Certificates {
		if !filepath.IsLocal(filepath.FromSlash(file)) {
			return r.bad("image.certificates.bundle", "%s is outside the source; want mozilla, none or a PEM file of the source", file)
		}
		if err := r.checkPEM(file); err != nil {
			return r.bad("image.certificates.bundle", "%v", err)
		}
	}
	for i, file := range cert.Add {
		if !filepath.IsLocal(filepath.FromSlash(file)) {
			return r.bad(fmt.Sprintf("image.certificates.add[%d]", i), "%s is outside the source; copy it into the source", file)
		}
		if err := r.checkPEM(file); err != nil {
			return r.bad(fmt.Sprintf("image.certificates.add[%d]", i), "%v", err)
		}
		ip.Certificates = append(ip.Certificates, file)
	}
	ip.Zones = ip.Base == ""
	if c.Image.Zones != nil {
		ip.Zones = *c.Image.Zones
	}
	return nil
}

// checkPEM tells whether a file of the source holds certificates alone.
func (r *resolver) checkPEM(file string) error {
	data, err := readInside(r.src.dir, file)
	if err == nil {
		_, err = image.Certificates(image.NamedPEM{Name: file, PEM: data})
	}
	return err
}

// kernelFolders are mounted over by whoever runs the image.
var kernelFolders = []string{"/dev", "/proc", "/sys"}

func (r *resolver) assets(c Image, ip *ImagePlan) error {
	for i, a := range c.Image.Assets {
		asset := image.Asset{From: a.From, To: a.To}
		if !filepath.IsLocal(filepath.FromSlash(a.From)) {
			return r.bad(fmt.Sprintf("image.assets[%d].from", i), "%s is outside the source; name a file or folder inside it", a.From)
		}
		if a.Mode != "" {
			mode, err := strconv.ParseUint(string(a.Mode), 8, 12)
			if err != nil || mode == 0 {
				return r.bad(fmt.Sprintf("image.assets[%d].mode", i), "%q is no octal mode that somebody may do something with, like 0644", a.Mode)
			}
			asset.Mode = fs.FileMode(mode)
		}
		if a.Owner != "" {
			owner, err := image.ParseUser(string(a.Owner))
			if err != nil {
				return r.bad(fmt.Sprintf("image.assets[%d].owner", i), "%v", err)
			}
			asset.UID, asset.GID = owner.UID, owner.GID
		}
		for _, dir := range kernelFolders {
			if to := path.Clean(a.To); to == dir || strings.HasPrefix(to, dir+"/") {
				return r.bad(fmt.Sprintf("image.assets[%d].to", i), "%s would be hidden: whoever runs the image mounts %s", to, dir)
			}
		}
		// Whatever is wrong with an asset is known before anything is compiled.
		if _, err := image.Assets(r.src.dir, []image.Asset{asset}); err != nil {
			return r.bad(fmt.Sprintf("image.assets[%d].from", i), "%v", err)
		}
		ip.Assets = append(ip.Assets, asset)
	}
	return nil
}

// annotations fills in what the source says of itself, then what the user asks
// for. Labels of the config and annotations of the manifests are the same but
// for what is configured.
func (r *resolver) annotations(c Image, ip *ImagePlan) (err error) {
	common := map[string]string{
		image.AnnotationTitle:    ip.Name,
		image.AnnotationSource:   r.src.sourceURL(),
		image.AnnotationLicenses: r.licenses,
	}
	if repository, digest, ok := strings.Cut(ip.Base, "@"); ok {
		common[image.AnnotationBaseName], common[image.AnnotationBaseDigest] = repository, digest
	}
	if err := r.created(c, ip); err != nil {
		return err
	}
	for _, stamp := range c.Image.Stamp {
		if stamp == "created" && c.Image.Created != "" {
			common[image.AnnotationCreated] = ip.Created.Format(time.RFC3339)
			continue
		}
		rev, err := r.revision(map[string]string{"revision": ".Commit", "version": ".Version", "created": ".Date"}[stamp])
		if err != nil {
			return r.bad("image.stamp", "%v", err)
		}
		common[map[string]string{
			"revision": image.AnnotationRevision, "version": image.AnnotationVersion, "created": image.AnnotationCreated,
		}[stamp]] = rev
	}
	for key, value := range common {
		if value == "" {
			delete(common, key)
		}
	}
	fillAll := func(key string, given map[string]Text) (map[string]string, error) {
		out := maps.Clone(common)
		for _, k := range slices.Sorted(maps.Keys(given)) {
			filled, err := fill(string(given[k]), r.revision)
			if err != nil {
				return nil, r.bad(joinKey(key, k), "%v", err)
			}
			out[k] = filled
		}
		return out, nil
	}
	if ip.Config.Labels, err = fillAll("image.labels", c.Image.Labels); err != nil {
		return err
	}
	ip.Annotations, err = fillAll("image.annotations", c.Image.Annotations)
	return err
}

func (r *resolver) created(c Image, ip *ImagePlan) error {
	switch created := string(c.Image.Created); created {
	case "":
		ip.Created = time.Unix(0, 0).UTC()
	case "commit":
		date, err := r.revision(".Date")
		if err == nil {
			ip.Created, err = time.Parse(time.RFC3339, date)
		}
		if err != nil {
			return r.bad("image.created", "%v", err)
		}
	default:
		seconds, err := strconv.ParseInt(created, 10, 64)
		if err != nil || seconds < 0 || seconds > maxTime {
			return r.bad("image.created", "%q is no time; want commit, or seconds since 1970 up to %d", created, int64(maxTime))
		}
		ip.Created = time.Unix(seconds, 0).UTC()
	}
	return nil
}

// maxTime is the last second of the year 9999, the last that RFC 3339 can write.
const maxTime = 253402300799

func (r *resolver) config(c Image, ip *ImagePlan) error {
	cfg := &ip.Config
	cfg.User = ip.User.String()
	cfg.Entrypoint = append([]string{"/" + BinaryPath(ip.Binaries[0])}, plainTexts(c.Image.Args)...)
	cfg.Cmd = plainTexts(c.Image.Cmd)
	if c.Image.Workdir != "" {
		cfg.WorkingDir = path.Clean(c.Image.Workdir)
	}
	cfg.StopSignal = c.Image.StopSignal
	if cfg.StopSignal != "" && !slices.Contains(signals, strings.TrimPrefix(cfg.StopSignal, "SIG")) && !realTime.MatchString(cfg.StopSignal) {
		return r.bad("image.stopSignal", "%q is no signal; want one like SIGTERM, SIGINT, SIGQUIT or SIGHUP", cfg.StopSignal)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Image.Env)) {
		value := string(c.Image.Env[key])
		if key == "" || strings.ContainsAny(key, "=\x00") {
			return r.bad(joinKey("image.env", key), "%q is no name for a variable", key)
		}
		if strings.Contains(value, "\x00") {
			return r.bad(joinKey("image.env", key), "holds a zero byte, which no variable can")
		}
		if revisionValue.MatchString(value) {
			r.warn("%s: image.env.%s has {{…}} in it, which stays as it is: only ldflags, labels and annotations are filled in", ip.Name, key)
		}
		cfg.Env = append(cfg.Env, key+"="+value)
	}
	for i, port := range c.Image.Ports {
		number, proto, ok := strings.Cut(string(port), "/")
		if !ok {
			proto = "tcp"
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 {
			return r.bad(fmt.Sprintf("image.ports[%d]", i), "%q is no port; want 1 to 65535, with /udp where it is not TCP", port)
		}
		if n < 1024 && ip.User.UID != 0 {
			r.warn("%s: port %d is below 1024, which a user other than root (%s) cannot listen on everywhere; take a port above", ip.Name, n, ip.User)
		}
		if cfg.ExposedPorts == nil {
			cfg.ExposedPorts = map[string]struct{}{}
		}
		cfg.ExposedPorts[fmt.Sprintf("%d/%s", n, proto)] = struct{}{}
	}
	for i, v := range c.Image.Volumes {
		if v = path.Clean(v); v == "/" {
			return r.bad(fmt.Sprintf("image.volumes[%d]", i), "/ holds the program itself; want a folder below it, like /data")
		}
		for _, used := range []string{"/" + BinaryPath("x"), "/" + image.CertificatesPath, "/" + image.ZonesPath, "/etc/passwd"} {
			if used == v || strings.HasPrefix(used, v+"/") {
				return r.bad(fmt.Sprintf("image.volumes[%d]", i), "a volume on %s would hide what the image has there; want a folder of its own, like /data", v)
			}
		}
		if cfg.Volumes == nil {
			cfg.Volumes = map[string]struct{}{}
		}
		cfg.Volumes[v] = struct{}{}
	}
	return nil
}

// revisionValue finds what fill would fill in.
var revisionValue = regexp.MustCompile(`{{\s*\.(Version|Commit|Date)\s*}}`)

// signals are those that can ask a program to end, without their SIG.
var signals = []string{"HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "USR2", "PIPE", "ALRM", "TERM", "CONT", "STOP", "TSTP", "WINCH", "PWR"}

var realTime = regexp.MustCompile(`^SIGRTM(IN(\+[0-9]+)?|AX(-[0-9]+)?)$`)

func plainTexts(all []Text) []string {
	var out []string
	for _, t := range all {
		out = append(out, string(t))
	}
	return out
}
