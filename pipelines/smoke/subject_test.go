package smoke

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// subject names the program that the test binary is when the test's runner
// starts it.
const subject = "SMOKE_SUBJECT"

func TestMain(m *testing.M) {
	if name := os.Getenv(subject); name != "" {
		program, ok := programs[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "no program %q\n", name)
			os.Exit(99)
		}
		program(os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// programs are the entrypoints that the cases run.
var programs = map[string]func(args []string){
	"echo": func(args []string) {
		fmt.Println(strings.Join(args, " "))
		fmt.Fprintln(os.Stderr, os.Getenv("GREETING"))
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			os.Exit(1)
		}
	},
	"true":  func([]string) {},
	"false": func([]string) { fail(1, "no database") },
	"three": func([]string) { os.Exit(3) },
	"hang": func([]string) {
		fmt.Println("waiting")
		time.Sleep(time.Hour)
	},
	"panic":  func([]string) { panic("boom") },
	"fatal":  func([]string) { new(sync.Mutex).Unlock() },
	"killed": func([]string) { die(syscall.SIGKILL) },
	"flood": func([]string) {
		line := bytes.Repeat([]byte("x"), 1023)
		for range 3 * MaxOutput / 1024 {
			fmt.Printf("%s\n", line)
		}
		fmt.Println("end")
	},
	"lines": func([]string) {
		for i := range 100 {
			fmt.Printf("line %d\n", i)
		}
		fail(1, "\x1b[31mred\x1b[0m")
	},
	// Programs for the default proof, which want something that it does not give.
	"helpful": func(args []string) {
		if len(args) == 1 && args[0] == "--help" {
			fmt.Println("hello greets")
			return
		}
		fail(1, "which name?")
	},
	"silent": func(args []string) {
		if len(args) == 0 {
			os.Exit(1)
		}
	},
	"flags":   func([]string) { fail(2, "Usage of hello:\n  -name string") },
	"refuses": func([]string) { fail(2, "flag provided but not defined: -help") },
	"panic on help": func(args []string) {
		if len(args) > 0 {
			panic("usage")
		}
		os.Exit(1)
	},
	// Servers.
	"server":      func([]string) { serve("127.0.0.1", stopCleanly) },
	"server on 6": func([]string) { serve("::1", stopCleanly) },
	"slow server": func([]string) {
		time.Sleep(200 * time.Millisecond)
		serve("127.0.0.1", stopCleanly)
	},
	"deaf server": func([]string) { signal.Ignore(syscall.SIGTERM); serve("127.0.0.1", nil) },
	"mortal server": func([]string) {
		serve("127.0.0.1", nil)
	},
	// What Go's runtime makes of an unhandled signal in process 1.
	"server 2": func([]string) { serve("127.0.0.1", func() { os.Exit(2) }) },
	"server 1": func([]string) {
		serve("127.0.0.1", func() { fail(1, "cannot save") })
	},
	"server that panics": func([]string) { serve("127.0.0.1", func() { go panic("at the end") }) },
}

func fail(code int, text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(code)
}

func die(s syscall.Signal) {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Signal(s)
	}
	fmt.Fprintln(os.Stderr, err)
	time.Sleep(time.Hour)
}

func stopCleanly() { fmt.Println("bye"); os.Exit(0) }

// serve listens on $PORT until SIGTERM, which onStop answers where it is set.
func serve(host string, onStop func()) {
	if onStop != nil {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		go func() {
			<-stop
			onStop()
		}()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header()["X-Many"] = []string{"one", "two"}
		fmt.Fprintln(w, `{"ok":true}`)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL.RawQuery, r.Host, r.Header.Get("X-Sent"), body)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://example.com/", http.StatusFound)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no database", http.StatusInternalServerError)
	})
	mux.HandleFunc("/flood", func(w http.ResponseWriter, r *http.Request) {
		chunk := bytes.Repeat([]byte("x"), 1<<16)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	ends := make(chan struct{}, 1)
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-ends:
			fail(1, "lost its database")
		}
	})
	mux.HandleFunc("/short", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "too short")
	})
	mux.HandleFunc("/crash", func(w http.ResponseWriter, r *http.Request) {
		go panic("in a goroutine")
		select {}
	})
	mux.HandleFunc("/exit", func(w http.ResponseWriter, r *http.Request) {
		ends <- struct{}{} // by the next one to /slow
		fmt.Fprint(w, "done")
	})
	l, err := net.Listen("tcp", net.JoinHostPort(host, os.Getenv("PORT")))
	if err == nil {
		err = http.Serve(l, mux)
	}
	fail(1, err.Error())
}
