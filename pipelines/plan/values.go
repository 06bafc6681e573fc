package plan

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/slipway-dev/slipway/pipelines/audit"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

func auditRule(s string) audit.Rule { return audit.Rule(s) }

var sizeText = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([kKMGT]?)(i?)B?$`)

// parseSize reads a size in bytes: 500kB and 10MB in powers of 1000, 8MiB in
// powers of 1024.
func parseSize(s string) (int64, error) {
	m := sizeText.FindStringSubmatch(s)
	if m == nil || m[2] == "" && m[3] != "" {
		return 0, fmt.Errorf("%q is no size; want one like 10MB or 8MiB", s)
	}
	number, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, err
	}
	unit := 1000.0
	if m[3] != "" {
		unit = 1024
	}
	exponent := map[string]float64{"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}[m[2]]
	size := number * math.Pow(unit, exponent)
	if size < 1 || size > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is no size that an image can have", s)
	}
	return int64(size), nil
}

// cases turns the configuration's smoke tests into what package smoke runs.
func (r *resolver) cases(c Image, ip *ImagePlan) error {
	for i, cc := range c.Smoke {
		key := fmt.Sprintf("smoke[%d]", i)
		out := smoke.Case{Name: cc.Name, Process: smoke.Process{
			Args: plainTexts(cc.Args), Stdin: cc.Stdin, HostNetwork: cc.Network == "host",
		}}
		if cc.Args != nil && out.Args == nil {
			out.Args = []string{} // an empty list takes the image's cmd away
		}
		for _, name := range slices.Sorted(maps.Keys(cc.Env)) {
			out.Env = append(out.Env, name+"="+string(cc.Env[name]))
		}
		if cc.ExitCode != nil {
			out.ExitCode = *cc.ExitCode
		}
		var err error
		if out.Timeout, err = r.duration(key+".timeout", cc.Timeout); err != nil {
			return err
		}
		if out.Stdout, err = r.match(key+".stdout", cc.Stdout); err != nil {
			return err
		}
		if out.Stderr, err = r.match(key+".stderr", cc.Stderr); err != nil {
			return err
		}
		if cc.Serve != nil {
			if out.Serve, err = r.serve(key+".serve", cc.Serve); err != nil {
				return err
			}
		}
		ip.Smoke = append(ip.Smoke, out)
	}
	return nil
}

func (r *resolver) serve(key string, s *Serve) (_ *smoke.Serve, err error) {
	out := &smoke.Serve{Port: s.Port}
	if out.StopWithin, err = r.duration(key+".stopWithin", s.StopWithin); err != nil {
		return nil, err
	}
	for i, req := range s.Requests {
		key := fmt.Sprintf("%s.requests[%d]", key, i)
		q := smoke.Request{Method: req.Method, Path: req.Path, Body: req.Body, Headers: map[string]string{}}
		for name, value := range req.Headers {
			q.Headers[name] = string(value)
		}
		q.Expect.Status = req.Expect.Status
		if q.Expect.Body, err = r.match(key+".expect.body", req.Expect.Body); err != nil {
			return nil, err
		}
		for name, m := range req.Expect.Headers {
			got, err := r.match(key+".expect.headers."+name, &m)
			if err != nil {
				return nil, err
			}
			if q.Expect.Headers == nil {
				q.Expect.Headers = map[string]smoke.Match{}
			}
			q.Expect.Headers[name] = *got
		}
		out.Requests = append(out.Requests, q)
	}
	return out, nil
}

func (r *resolver) match(key string, m *Match) (*smoke.Match, error) {
	if m == nil {
		return nil, nil
	}
	out := &smoke.Match{Equals: m.Equals, Contains: m.Contains}
	if m.Matches != "" {
		re, err := regexp.Compile(m.Matches)
		if err != nil {
			return nil, r.bad(key+".matches", "%v", err)
		}
		out.Matches = re
	}
	return out, nil
}

// duration reads a time; nothing is 0, which means the default.
func (r *resolver) duration(key string, t Text) (time.Duration, error) {
	if t == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(string(t))
	if err != nil || d <= 0 {
		return 0, r.bad(key, "%q is no time; want one like 30s", t)
	}
	return d, nil
}
