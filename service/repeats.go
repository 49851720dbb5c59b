package service

import (
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// errIdempotencyConflict is a repeated key's: the request that came with it first was another one.
var errIdempotencyConflict = errors.New("service: the idempotency key was used for another request")

const (
	// maxKeyBytes bounds an idempotency key.
	maxKeyBytes = 128

	defaultIdempotencyWindow = 2 * time.Minute
	defaultIdempotencyKeys   = 100_000
)

// IdempotencyConfig bounds how long a key is remembered. Zero values mean the defaults.
type IdempotencyConfig struct {
	// Window is how long a key is remembered after its request was carried out. Default 2 minutes.
	Window time.Duration
	// Keys is how many are remembered, about 400 bytes each; beyond it the oldest is forgotten. Default 100,000.
	Keys int
}

func (c IdempotencyConfig) withDefaults() IdempotencyConfig {
	c.Window = cmp.Or(c.Window, defaultIdempotencyWindow)
	c.Keys = cmp.Or(c.Keys, defaultIdempotencyKeys)
	return c
}

// IdempotencyStats is what happened since the service was made.
type IdempotencyStats struct {
	// Keys is how many are remembered now, those whose window is over but that nobody has looked at since included.
	Keys int
	// Replayed counts requests that were answered with the first's answer, Conflicts those that were refused, Forgotten the keys
	// that were forgotten before their window was over.
	Replayed, Conflicts, Forgotten uint64
}

// repeats remembers which emits were carried out, by the keys that their callers gave them. All methods may be called from any
// goroutine.
type repeats struct {
	// Fixed at construction.
	cfg IdempotencyConfig

	mu    sync.Mutex // guards the following
	known map[repeatKey]*repeat
	order list.List // of the *repeat in known, the oldest first
	stats IdempotencyStats
}

// repeatKey is a key of one caller's; "" is who has no name.
type repeatKey struct{ caller, key string }

// repeat is a request that is being carried out, or was.
type repeat struct {
	key     repeatKey
	digest  [sha256.Size]byte // of the request
	element *list.Element     // in repeats.order
	over    chan struct{}     // closed when it is known what became of it

	// Set before over is closed.
	failed             bool // it was not carried out, and is forgotten
	matched, delivered uint32

	until time.Time // guarded by repeats.mu; zero while it is being carried out
}

func newRepeats(cfg IdempotencyConfig) *repeats {
	return &repeats{cfg: cfg, known: make(map[repeatKey]*repeat)}
}

// do carries r out, unless it was within the window: then it returns what the first was told. One that comes while the first
// is being carried out waits for it. What fails is forgotten. Errors: errIdempotencyConflict, ctx's, emit's.
func (p *repeats) do(ctx context.Context, caller string, r *realtimev1.EmitRequest, emit func() (*realtimev1.EmitResponse, error)) (*realtimev1.EmitResponse, error) {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
	if err != nil {
		return nil, err
	}
	key, digest := repeatKey{caller, r.GetIdempotencyKey()}, sha256.Sum256(text)
	for {
		first, own, err := p.enter(key, digest)
		switch {
		case err != nil:
			return nil, err
		case own:
			return p.carryOut(first, emit)
		}
		select {
		case <-first.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !first.failed {
			p.noteReplayed()
			return &realtimev1.EmitResponse{Matched: first.matched, Delivered: first.delivered, Replayed: true}, nil
		}
	}
}

// enter returns the request that is known by that key. If none is, it is the caller's own from now on.
func (p *repeats) enter(key repeatKey, digest [sha256.Size]byte) (first *repeat, own bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(time.Now())
	if known := p.known[key]; known != nil {
		if known.digest != digest {
			p.stats.Conflicts++
			return nil, false, errIdempotencyConflict
		}
		return known, false, nil
	}
	if len(p.known) >= p.cfg.Keys {
		p.stats.Forgotten++
		p.drop(p.order.Front().Value.(*repeat))
	}
	first = &repeat{key: key, digest: digest, over: make(chan struct{})}
	first.element = p.order.PushBack(first)
	p.known[key] = first
	return first, true, nil
}

// forget drops those at the front whose window is over. The lock is held.
func (p *repeats) forget(now time.Time) {
	for e := p.order.Front(); e != nil; e = p.order.Front() {
		oldest := e.Value.(*repeat)
		if oldest.until.IsZero() || oldest.until.After(now) {
			return
		}
		p.drop(oldest)
	}
}

// drop forgets r. The lock is held.
func (p *repeats) drop(r *repeat) {
	p.order.Remove(r.element)
	delete(p.known, r.key)
}

// carryOut carries the request out and says what became of it, also if that is a panic.
func (p *repeats) carryOut(r *repeat, emit func() (*realtimev1.EmitResponse, error)) (response *realtimev1.EmitResponse, err error) {
	r.failed = true
	defer func() {
		p.mu.Lock()
		if p.known[r.key] == r {
			if r.failed {
				p.drop(r)
			} else {
				r.until = time.Now().Add(p.cfg.Window)
				p.order.MoveToBack(r.element)
			}
		}
		p.mu.Unlock()
		close(r.over)
	}()
	response, err = emit()
	if err == nil {
		r.failed, r.matched, r.delivered = false, response.GetMatched(), response.GetDelivered()
	}
	return response, err
}

func (p *repeats) noteReplayed() {
	p.mu.Lock()
	p.stats.Replayed++
	p.mu.Unlock()
}

func (p *repeats) snapshot() IdempotencyStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(time.Now())
	stats := p.stats
	stats.Keys = len(p.known)
	return stats
}
