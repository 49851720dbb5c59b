package jwt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lookEvery    = time.Second            // at a file
	fileGap      = 100 * time.Millisecond // between two looks at a file
	fetchGap     = 5 * time.Second        // between two fetches
	fetchTimeout = 10 * time.Second
	retryFirst   = time.Second // after a fetch that failed, doubled each time
	retryMost    = 30 * time.Second
	maxWaiting   = 1024 // tokens, for one source
)

// keeper has the keys of all sources.
type keeper struct {
	// Fixed at construction.
	sources []*source
	log     *slog.Logger
	stats   *counters

	current atomic.Pointer[keySet] // all keys, in the order of sources

	mu   sync.Mutex // guards changes of current, and the following
	keys [][]key    // by source
}

// source is one place that keys come from.
type source struct {
	// Fixed at construction.
	name   string                                    // for the log
	secret bool                                      // its keys are secrets, otherwise they are public
	remote bool                                      // reading it takes time and may fail for long
	every  time.Duration                             // between two looks
	gap    time.Duration                             // at the least, between two looks
	read   func(ctx context.Context) ([]byte, error) // at most maxFileBytes
	parse  func(text []byte) ([]key, error)
	found  func(keys []key) // gets what a look found, if it changed
	log    *slog.Logger
	stats  *counters
	wake   chan struct{} // capacity 1

	// Owned by whoever looks: the constructor, then the goroutine.
	text     []byte // of the keys that are in use
	failures int    // in a row
	rejected []byte // text that the log has told about

	mu      sync.Mutex // guards the following
	waiting []func()   // for a look that begins from now on
	down    bool       // the last look failed, or there was none yet
	looked  bool       // there was one
	ended   bool
}

// newKeeper reads the files. The error is a *SettingError.
func newKeeper(cfg *Config, stats *counters) (*keeper, error) {
	k := &keeper{log: cfg.Logger, stats: stats}
	k.current.Store(&keySet{})
	for _, s := range []*source{
		fileSource("keys", cfg.KeysFile, parseKeys),
		fileSource("hmac-secret-file", cfg.SecretFile, parseSecret),
		urlSource(cfg),
	} {
		if s != nil {
			k.add(s)
		}
	}
	for _, s := range k.sources {
		if s.remote {
			continue
		}
		if err := s.look(context.Background()); err != nil {
			return nil, &SettingError{s.name, err}
		}
	}
	return k, nil
}

func (k *keeper) add(s *source) {
	i := len(k.sources)
	s.wake, s.log, s.stats, s.down = make(chan struct{}, 1), k.log, k.stats, true
	s.found = func(keys []key) { k.replace(i, keys) }
	k.sources = append(k.sources, s)
	k.keys = append(k.keys, nil)
}

func (k *keeper) replace(i int, keys []key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[i] = keys
	var all keySet
	for _, some := range k.keys {
		all = append(all, some...)
	}
	k.current.Store(&all)
}

func (k *keeper) set() keySet { return *k.current.Load() }

func fileSource(setting, path string, parse func([]byte) ([]key, error)) *source {
	if path == "" {
		return nil
	}
	read := func(context.Context) ([]byte, error) { return readFile(path) }
	return &source{name: setting, secret: setting == "hmac-secret-file", every: lookEvery, gap: fileGap, read: read, parse: parse}
}

func urlSource(cfg *Config) *source {
	if cfg.JWKSURL == "" {
		return nil
	}
	read := func(ctx context.Context) ([]byte, error) { return fetch(ctx, cfg.Client, cfg.JWKSURL) }
	return &source{name: "jwks-url", remote: true, every: cfg.JWKSRefresh, gap: fetchGap, read: read, parse: parseSet}
}

func fetch(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := client.Do(r)
	if err != nil {
		var failed *url.Error // its text has the URL, which may have a password
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer has the status %d", answer.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxFileBytes+1))
	if err == nil && len(text) > maxFileBytes {
		err = fmt.Errorf("the answer has more than %d bytes", maxFileBytes)
	}
	return text, err
}

// run is the goroutine of a source: it looks every so often, and when somebody waits for it, until ctx ends.
func (s *source) run(ctx context.Context) {
	defer s.end()
	var last time.Time
	first := s.every
	if s.remote {
		first = 0
	}
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.wake:
			timer.Reset(s.gap - time.Since(last))
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
		waiting := s.take()
		_ = s.look(ctx) // it has been logged
		last = time.Now()
		for _, tell := range waiting {
			tell()
		}
		timer.Reset(s.next())
	}
}

// next is how long to wait for the next look that nobody asks for.
func (s *source) next() time.Duration {
	if s.failures == 0 || !s.remote {
		return s.every
	}
	return min(retryFirst<<min(s.failures-1, 10), retryMost, s.every)
}

// look reads the source once and takes what is new.
func (s *source) look(ctx context.Context) error {
	text, err := s.read(ctx)
	if err == nil && s.text != nil && bytes.Equal(text, s.text) {
		s.stats.same.Add(1)
		s.looksUp()
		return nil
	}
	var keys []key
	if err == nil {
		keys, err = s.parse(text)
	}
	if err != nil {
		s.fails(ctx, text, err)
		return err
	}
	s.stats.changed.Add(1)
	s.text = text
	s.found(keys)
	s.looksUp()
	s.log.Info("JWT keys loaded", "from", s.name, "keys", len(keys))
	return nil
}

// looksUp notes that a look succeeded.
func (s *source) looksUp() {
	s.failures, s.rejected = 0, nil
	s.mu.Lock()
	s.down, s.looked = false, true
	s.mu.Unlock()
}

// fails notes that a look failed, and logs it when it is the first or the reason is another text.
func (s *source) fails(ctx context.Context, text []byte, err error) {
	s.stats.failed.Add(1)
	s.failures++
	told := s.failures > 1 && bytes.Equal(text, s.rejected)
	s.rejected = text
	s.mu.Lock()
	s.down, s.looked = true, true
	s.mu.Unlock()
	switch {
	case told || ctx.Err() != nil:
	case s.text != nil:
		s.log.Error("JWT keys not replaced; the last good ones stay in use", "from", s.name, "error", err)
	default:
		s.log.Error("there are no JWT keys; clients that need them are refused until there are", "from", s.name, "error", err)
	}
}

// ask calls tell after a look that begins after this call, from another goroutine. false: it does not, as the source is
// known to be down, has ended, or too many wait.
func (s *source) ask(tell func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.remote && s.down && s.looked || len(s.waiting) >= maxWaiting {
		return false
	}
	s.waiting = append(s.waiting, tell)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return true
}

func (s *source) take() []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.waiting
	s.waiting = nil
	select { // who woke the goroutine is among them
	case <-s.wake:
	default:
	}
	return waiting
}

// end tells everybody who waits.
func (s *source) end() {
	s.mu.Lock()
	s.ended = true
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, tell := range waiting {
		tell()
	}
}

// lookAgain lets the sources of that kind of key look again. pending: done is called once all have, from another
// goroutine. Otherwise they have already, or will not. sure is false if one of them would not.
func (k *keeper) lookAgain(secret bool, done func(sure bool)) (pending, sure bool) {
	var left atomic.Int32
	left.Store(1)
	var unsure atomic.Bool
	looked := func() {
		if left.Add(-1) == 0 {
			done(!unsure.Load())
		}
	}
	for _, s := range k.sources {
		if s.secret != secret {
			continue
		}
		left.Add(1)
		if !s.ask(looked) {
			unsure.Store(true)
			left.Add(-1)
		}
	}
	return left.Add(-1) != 0, !unsure.Load()
}

// down reports whether a source of that kind of key cannot be read.
func (k *keeper) down(secret bool) bool {
	for _, s := range k.sources {
		s.mu.Lock()
		down := s.down && s.secret == secret
		s.mu.Unlock()
		if down {
			return true
		}
	}
	return false
}

// waiting is how many tokens wait for a look.
func (k *keeper) waiting() (n int) {
	for _, s := range k.sources {
		s.mu.Lock()
		n += len(s.waiting)
		s.mu.Unlock()
	}
	return n
}
