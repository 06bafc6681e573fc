// Command service is a web server as it stands in an image: it listens on port
// 8080, reads its templates and static files from the root file system, says
// how it is at /healthz, logs to standard error, and ends in good order when it
// gets SIGTERM or SIGINT.
//
// The flags are for running it elsewhere, from its source for example:
//
//	go run . -templates templates -static static
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	// Some platforms choose the port themselves and say it in PORT. There is no
	// shell in the image that could write $PORT into an argument, so the
	// program reads it.
	addr := flag.String("addr", ":"+cmp.Or(os.Getenv("PORT"), "8080"), "address to listen on")
	templates := flag.String("templates", "/templates", "folder of the templates")
	static := flag.String("static", "/static", "folder of the static files")
	grace := flag.Duration("grace", 5*time.Second, "how long requests may take to end after SIGTERM")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, log, *addr, *templates, *static, *grace)
	stop()
	if err != nil {
		log.Error("service failed", "err", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then lets the requests under way end within grace.
func run(ctx context.Context, log *slog.Logger, addr, templates, static string, grace time.Duration) error {
	handler, err := newHandler(log, os.DirFS(templates), os.DirFS(static))
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return serve(ctx, log, listener, handler, grace)
}

// serve answers on the listener until ctx ends or the server fails.
func serve(ctx context.Context, log *slog.Logger, listener net.Listener, handler http.Handler, grace time.Duration) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	log.Info("listening", "addr", listener.Addr().String())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping", "grace", grace)
	// ctx has ended, and the requests under way get a time of their own.
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		return errors.Join(fmt.Errorf("requests did not end within %s: %w", grace, err), server.Close())
	}
	log.Info("stopped")
	return nil
}
