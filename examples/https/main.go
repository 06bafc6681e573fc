// Command https fetches a URL with the certificate authorities of the system.
//
//	https URL      prints the status line of the answer
//	https -roots   prints how many authorities the system's file holds
//
// In an image without certificates, or for a server whose authority is not
// among them, it ends with exit code 1 and the reason on standard error:
// "x509: certificate signed by unknown authority".
package main

import (
	"context"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// rootsFile is where Slipway puts the certificates, and where Go looks first on
// Linux (crypto/x509/root_linux.go).
const rootsFile = "/etc/ssl/certs/ca-certificates.crt"

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program with its exit code: 0, 1 for a request that failed,
// 2 for wrong arguments.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("https", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: https [-timeout DURATION] URL\n       https -roots")
		flags.PrintDefaults()
	}
	timeout := flags.Duration("timeout", 10*time.Second, "how long the request may take")
	roots := flags.Bool("roots", false, "count the certificates in "+rootsFile)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}

	var line string
	var err error
	switch {
	case *roots && flags.NArg() == 0:
		line, err = countRoots(rootsFile)
	case !*roots && flags.NArg() == 1:
		ctx, cancel := context.WithTimeout(context.Background(), *timeout)
		defer cancel()
		line, err = fetch(ctx, flags.Arg(0))
	default:
		flags.Usage()
		return 2
	}
	if err == nil {
		_, err = fmt.Fprintln(stdout, line)
	}
	if err != nil {
		fmt.Fprintln(stderr, "https:", err)
		return 1
	}
	return 0
}

// fetch sends a GET request and returns the answer's status line.
func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return resp.Proto + " " + resp.Status, nil
}

// countRoots says how many certificates a PEM file holds.
func countRoots(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	n := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			n++
		}
	}
	if n == 0 {
		return "", fmt.Errorf("%s: no certificates", file)
	}
	return fmt.Sprintf("%d certificates in %s", n, file), nil
}
