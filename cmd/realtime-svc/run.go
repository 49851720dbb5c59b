package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/realtime-svc/realtime-svc/cmd/realtime-svc/cli"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// What this build is; the Makefile sets it. An empty commit is what Go knows of it.
var (
	version = "devel"
	commit  = ""
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	if len(os.Args) > 1 && cli.Is(os.Args[1]) {
		os.Exit(command(os.Args[1:], signals))
	}
	os.Exit(run(sources{os.Args[1:], os.Environ(), os.Stdout}, os.Stderr, signals))
}

// command runs one that talks to a running service, until it is done or a signal comes.
func command(args []string, signals <-chan os.Signal) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with the process
		<-signals
		cancel()
	}()
	info, err := os.Stdout.Stat()
	return cli.Run(ctx, args, cli.Surroundings{
		Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
		Terminal: err == nil && info.Mode()&os.ModeCharDevice != 0,
	})
}

// run is the program: it returns its exit code. The first signal begins the orderly end, the second cuts it short.
func run(src sources, stderr io.Writer, signals <-chan os.Signal) int {
	cfg, command, err := src.parse()
	switch {
	case err != nil:
		return complain(stderr, err)
	case command == commandDone:
		return exitOK
	case command == commandCheck:
		// What only shows when the files are read.
		p, err := NewProcess(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return complain(stderr, err)
		}
		p.Discard(context.Background())
		_, _ = fmt.Fprintln(src.stdout, "the configuration is valid")
		return exitOK
	}
	if cfg.NodeID == "" {
		cfg.NodeID = hostName()
	}
	logger := newLogger(cfg, stderr)
	defer flushLog(logger)
	p, err := NewProcess(cfg, logger)
	if err == nil {
		p.Inherited, err = inherited()
	}
	if err == nil {
		err = p.Start(context.Background())
	}
	if err != nil {
		logger.Error("cannot start", "error", err)
		return exitFailed
	}
	announce(logger, cfg, p.Addrs())
	tellSystemd(logger, daemon.SdNotifyReady)
	select {
	case s := <-signals:
		logger.Info("stopping", "signal", s.String(), "grace_period", cfg.GracePeriod)
		return stop(p, cfg, logger, signals)
	case err := <-p.Failed():
		logger.Error("a listener failed", "error", err)
		stop(p, cfg, logger, signals)
		return exitFailed
	}
}

// tellSystemd tells the one who supervises this process, if it wants to know, how the process is.
func tellSystemd(logger *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("systemd cannot be told", "state", state, "error", err)
	}
}

// complain says what is wrong with the configuration, a line each.
func complain(stderr io.Writer, err error) int {
	for line := range strings.Lines(err.Error()) {
		_, _ = fmt.Fprintf(stderr, "realtime-svc: %s\n", strings.TrimSpace(line))
	}
	return exitUsage
}

// stop ends p within the grace period, or at once at another signal.
func stop(p *Process, cfg Config, logger *slog.Logger, signals <-chan os.Signal) int {
	tellSystemd(logger, daemon.SdNotifyStopping)
	ctx, cancel := context.WithTimeout(context.Background(), cfg.GracePeriod)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- p.Stop(ctx) }()
	select {
	case err := <-stopped:
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			logger.Warn("stopped; those who held on were cut off", "error", err)
		case err != nil:
			logger.Error("stopped, not all in order", "error", err)
			return exitFailed
		default:
			logger.Info("stopped")
		}
		return exitOK
	case s := <-signals:
		logger.Error("stopped at once", "signal", s.String())
		return exitFailed
	}
}

// versionLine says what this build is.
func versionLine() string {
	b := thisBuild()
	line := fmt.Sprintf("realtime-svc %s %s %s, Socket.IO client %s", b.Version, b.Go, b.Platform, cmp.Or(b.Client, "none"))
	if b.Commit != "" {
		line += ", commit " + b.Commit
	}
	return line
}

// build is what a build is made of.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Client   string `json:"socketIoClient"` // the bundled one; empty: none
}

func thisBuild() build {
	b := build{Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Client: wsedge.ClientVersion()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && b.Commit == "" {
				b.Commit = s.Value
			}
		}
	}
	return b
}

func printVersion(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(thisBuild())
	}
	_, err := fmt.Fprintln(w, versionLine())
	return err
}

func newLogger(cfg Config, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		panic(err) // cfg is valid
	}
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if cfg.LogFormat == "json" {
		h = slog.NewJSONHandler(w, options)
	}
	if cfg.TraceEndpoint != "" {
		h = traced{h}
	}
	return slog.New(newLimited(h)).With("node", cfg.NodeID)
}

// flushLog tells which lines were left out until now.
func flushLog(logger *slog.Logger) {
	if h, ok := logger.Handler().(limited); ok {
		h.flush()
	}
}

// hostName names this process where the configuration does not.
func hostName() string {
	if name, err := os.Hostname(); err == nil && name != "" && nodeShape.MatchString(name) {
		return name
	}
	return rand.Text()
}

// announce logs where everything is, and what somebody should know before trouble comes.
func announce(logger *slog.Logger, cfg Config, at Addrs) {
	started := []any{
		"version", version, "commit", thisBuild().Commit, "go_version", runtime.Version(),
		"listen", at.Edge.String(), "grpc_listen", at.GRPC.String(), "admin_listen", at.Admin.String(),
		"namespaces", cfg.Namespaces, "open_files_limit", openFilesLimit(),
	}
	if at.HTTP != nil {
		started = append(started, "http_listen", at.HTTP.String())
	}
	if at.WebTransport != nil {
		started = append(started, "webtransport_listen", at.WebTransport.String())
	}
	logger.Info("started", started...)
	warnOfGRPC(logger, cfg, "gRPC", "grpc_listen", at.GRPC)
	warnOfGRPC(logger, cfg, "HTTP", "http_listen", at.HTTP)
	if cfg.ServeClient && wsedge.ClientVersion() == "" {
		logger.Warn("this build carries no Socket.IO client: pages must load it from elsewhere (make build with npm installed puts it in)")
	}
}
