package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Config says who may call. The zero value lets everybody do everything.
type Config struct {
	// TokensFile names the callers and their rights; parse.go has its form. Empty: callers need no token and have no name.
	TokensFile string
	// Certificates says that every connection has a client certificate, which was verified: the file may name callers by it.
	Certificates bool
	// Rate is how many calls a second a caller may make, where the file says nothing else. A message of EmitStream counts as
	// one. Zero: no bound. Without a tokens file an address is a caller, with IPv6 a network of 64 bits.
	Rate float64
	// Burst is how many calls a caller may make at once. Zero means as many as in a second, at least one.
	Burst int
	// MaxStreams is how many streams a caller may have open. Default 1000.
	MaxStreams int
	// Logger gets a line for calls that are refused, at most one a second for each reason after the first ten, and for each new
	// version of the file. Nil discards it.
	Logger *slog.Logger
}

// Validate reports everything that is out of range. The tokens file is New's.
func (c Config) Validate() error {
	var errs []error
	for _, field := range []struct {
		name  string
		value float64
	}{{"Rate", c.Rate}, {"Burst", float64(c.Burst)}, {"MaxStreams", float64(c.MaxStreams)}} {
		if !(field.value >= 0) { // nor NaN
			errs = append(errs, fmt.Errorf("access: %s must not be negative", field.name))
		}
	}
	return errors.Join(errs...)
}

// lookEvery is how often the tokens file is looked at, streams are checked and idle parties forgotten.
const lookEvery = time.Second

// Guard decides about every call of a server. Make it with New, and keep Run running: only then it takes a new version of the
// tokens file and ends streams whose time is up. All methods may be called from any goroutine.
type Guard struct {
	// Fixed at construction.
	cfg      Config
	defaults limits
	log      *reporter

	table   atomic.Pointer[table] // nil: there is no tokens file
	parties parties

	mu      sync.Mutex           // guards the following
	streams map[*stream]struct{} // open, of callers with names

	// Owned by look, whose calls come one after the other.
	stamp os.FileInfo // of the version that was looked at last; nil: it was not there
}

// New reads the tokens file. The error is that of [Config.Validate], or has everything that is wrong with the file.
func New(cfg Config) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Guard{
		cfg:      cfg,
		defaults: limits{rate: cfg.Rate, burst: cfg.Burst, streams: cmp.Or(cfg.MaxStreams, 1000)},
		log:      newReporter(cfg.Logger),
		parties:  parties{known: map[partyKey]*party{}},
		streams:  map[*stream]struct{}{},
	}
	if cfg.TokensFile == "" {
		return g, nil
	}
	g.stamp, _ = os.Stat(cfg.TokensFile)
	t, err := g.read()
	if err != nil {
		return nil, err
	}
	g.table.Store(t)
	return g, nil
}

// read reads the tokens file.
func (g *Guard) read() (*table, error) {
	file, err := os.Open(g.cfg.TokensFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	t, err := parse(text, g.cfg.Certificates)
	if err != nil {
		return nil, inFile(g.cfg.TokensFile, err)
	}
	return t, nil
}

// inFile puts the file's name before each problem.
func inFile(path string, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s: %w", path, err)
	}
	var named []error
	for _, problem := range joined.Unwrap() {
		named = append(named, fmt.Errorf("%s: %w", path, problem))
	}
	return errors.Join(named...)
}

// Run looks at the file, at open streams and at idle parties every second until ctx ends. It is called once.
func (g *Guard) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			g.look()
		case <-ctx.Done():
			return
		}
	}
}

func (g *Guard) look() {
	if g.cfg.TokensFile != "" {
		g.reload()
		g.endStreams()
	}
	g.parties.forget()
}

// reload takes a new version of the tokens file if there is one. One that cannot be used leaves the last good one in use.
func (g *Guard) reload() {
	stamp, err := os.Stat(g.cfg.TokensFile) // before it is read: what is written meanwhile is found the next time
	if err != nil {
		stamp = nil
	}
	if sameFile(stamp, g.stamp) {
		return
	}
	g.stamp = stamp
	t, err := g.read()
	if err != nil {
		g.cfg.Logger.Error("tokens file not replaced; the last good one stays in use", "error", err)
		return
	}
	g.table.Store(t)
	g.cfg.Logger.Info("tokens file replaced", "file", g.cfg.TokensFile,
		"tokens", len(t.byToken), "certificates", len(t.byCertificate))
}

// sameFile compares also which file it is: a name may be moved to another one of the same age and size.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// endStreams ends the streams of callers whose time is up, or whose entry has changed so that they might not open them again.
func (g *Guard) endStreams() {
	t, now := g.table.Load(), time.Now()
	g.mu.Lock()
	var ended []*stream
	for s := range g.streams {
		if !t.holds(s.credential, s.caller, now) {
			ended = append(ended, s)
		}
	}
	g.mu.Unlock()
	for _, s := range ended {
		s.cancel(ErrToken)
	}
}

// errTaken is, for the log, why a stream is ended.
var errTaken = errors.New("access: taken away, or out of time")
