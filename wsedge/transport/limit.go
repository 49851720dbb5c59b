package transport

import (
	"hash/maphash"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// limits bounds what one address may have and ask for: Config.MaxSessionsPerAddress,
// MaxConnectionsPerAddress, HandshakesPerSecond. An IPv6 address counts by its
// /64, which is what one customer gets. Who has no IP address is not limited.
//
// An address has an entry in the table while it has sessions or connections, or
// has begun sessions faster than HandshakesPerSecond so lately that it may not
// begin Config.HandshakeBurst at once. Other entries go, at the latest when the
// table is swept, which happens as it grows: no goroutine and no timer does it.
// Besides those that have something, or had at the last sweep, at most
// maxAddresses are remembered; beyond, arbitrary ones are forgotten, and may begin
// sessions as if they were new. So whoever has that many addresses can get around
// the rate, but neither around the other bounds nor to the memory.
//
// All methods may be called from any goroutine; a nil *limits has no bounds.
type limits struct {
	// Fixed at construction.
	maxSessions    int           // 0 = unlimited
	maxConnections int           // 0 = unlimited
	every          time.Duration // one handshake, 0 = unlimited
	ahead          time.Duration // how far the handshakes of a burst may run ahead
	trusted        proxies
	stats          *Stats
	began          time.Time
	seed           maphash.Seed

	shards [limitShards]limitShard
}

const (
	limitShards = 16
	// maxAddresses bounds the addresses that are remembered for their rate alone.
	maxAddresses = 1 << 16
	// leastSweep is the least a shard grows by from one sweep to the next.
	leastSweep = 64
	// sessionRetry is what a client hears that has too many sessions: when one
	// of them ends nobody knows.
	sessionRetry = 10 * time.Second
	// burstSeconds is the default of Config.HandshakeBurst, in seconds' worth of
	// handshakes: a browser that restores its windows is no attack.
	burstSeconds = 10
)

// limitShard is a part of the table.
type limitShard struct {
	mu      sync.Mutex // guards the following; a leaf
	entries map[addressKey]addressEntry
	sweepAt int // how many entries there are when it is swept
}

// addressKey is an IPv6 address, or its /64; IPv4 addresses are mapped, and no
// /64 of theirs is another's.
type addressKey [16]byte

// addressEntry is what an address has.
type addressEntry struct {
	// spent is when, since limits.began, the address is as if it had never begun
	// a session: the handshakes it made are paid for by then, one every `every`.
	// It is a token bucket (GCRA), full at that time.
	spent       time.Duration
	sessions    int32
	connections int32
}

// newLimits returns nil if cfg has no bounds.
func newLimits(cfg *Config, trusted proxies, stats *Stats) *limits {
	if cfg.MaxSessionsPerAddress <= 0 && cfg.MaxConnectionsPerAddress <= 0 && cfg.HandshakesPerSecond <= 0 {
		return nil
	}
	l := &limits{
		maxSessions:    max(cfg.MaxSessionsPerAddress, 0),
		maxConnections: max(cfg.MaxConnectionsPerAddress, 0),
		trusted:        trusted,
		stats:          stats,
		began:          time.Now(),
		seed:           maphash.MakeSeed(),
	}
	if cfg.HandshakesPerSecond > 0 {
		l.every, l.ahead = bucket(cfg.HandshakesPerSecond, cfg.HandshakeBurst)
	}
	for i := range l.shards {
		l.shards[i].entries = make(map[addressKey]addressEntry)
		l.shards[i].sweepAt = leastSweep
	}
	return l
}

// bucket translates a rate per second and a burst, within what a Duration holds.
func bucket(rate float64, burst int) (every, ahead time.Duration) {
	const most = 1_000_000
	rate = min(max(rate, 1.0/3600), most)
	if burst <= 0 {
		burst = max(1, int(math.Ceil(rate*burstSeconds)))
	}
	every = time.Duration(float64(time.Second) / rate)
	return every, time.Duration(min(burst, most)-1) * every
}

func keyOf(addr netip.Addr) addressKey {
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		p, _ := addr.Prefix(64)
		addr = p.Addr()
	}
	return addr.As16()
}

// edit changes the entry of addr, which is zero if it has none. f returns false to
// leave the entry alone.
func (l *limits) edit(addr netip.Addr, f func(e *addressEntry, now time.Duration) bool) {
	key := keyOf(addr)
	shard := &l.shards[maphash.Comparable(l.seed, key)%limitShards]
	now := time.Since(l.began)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	e, known := shard.entries[key]
	if !f(&e, now) {
		return
	}
	switch {
	case e.idle() && e.spent <= now:
		delete(shard.entries, key)
		return
	case !known && len(shard.entries) >= shard.sweepAt:
		shard.sweep(now)
	}
	shard.entries[key] = e
}

func (e addressEntry) idle() bool { return e.sessions == 0 && e.connections == 0 }

// sweep rebuilds the table, whose memory would not shrink otherwise, without the
// entries that say nothing any more; of those that only remember a rate it keeps
// half of what may be, so that they double at most until the next sweep.
func (s *limitShard) sweep(now time.Duration) {
	const most = maxAddresses / limitShards / 2
	kept, rates := make(map[addressKey]addressEntry), 0
	for key, e := range s.entries {
		if e.idle() {
			if e.spent <= now || rates == most {
				continue
			}
			rates++
		}
		kept[key] = e
	}
	s.entries = kept
	s.sweepAt = len(kept) + min(max(len(kept)/2, leastSweep), most)
}

// excess says why a handshake is refused for its address.
type excess struct {
	message string
	retry   time.Duration // when it is worth another try
	count   *atomic.Uint64
}

// begin takes the place of a session for h's address and marks h, so that the
// session gives it back at its end; or it says why there is none. It is called
// last before newSession.
func (l *limits) begin(h *Handshake) *excess {
	if l == nil || l.maxSessions == 0 && l.every == 0 {
		return nil
	}
	addr, ok := parseHop(h.Address)
	if !ok {
		return nil
	}
	var refused *excess
	l.edit(addr, func(e *addressEntry, now time.Duration) bool {
		spent := max(e.spent, now)
		switch {
		case l.maxSessions > 0 && int(e.sessions) >= l.maxSessions:
			refused = &excess{"Too many sessions", sessionRetry, &l.stats.LimitedSessions}
		case l.every > 0 && spent-now > l.ahead:
			refused = &excess{"Too many handshakes", spent - now - l.ahead, &l.stats.LimitedHandshakes}
		default:
			e.sessions++
			if l.every > 0 {
				e.spent = spent + l.every
			}
		}
		return refused == nil
	})
	h.counted = refused == nil
	return refused
}

// end gives back what begin has taken.
func (l *limits) end(e encodedHandshake) {
	if l == nil || e == "" || e[0]&flagCounted == 0 {
		return
	}
	if addr, ok := parseHop(e.decode().Address); ok {
		l.edit(addr, func(e *addressEntry, _ time.Duration) bool { e.sessions--; return true })
	}
}

// enter takes the place of a connection; false: addr has as many as it may. A
// trusted proxy may have any number, as they are those of its clients.
func (l *limits) enter(addr netip.Addr) bool {
	if l == nil || l.maxConnections == 0 || !addr.IsValid() || l.trusted.trust(addr) {
		return true
	}
	entered := false
	l.edit(addr, func(e *addressEntry, _ time.Duration) bool {
		entered = int(e.connections) < l.maxConnections
		if entered {
			e.connections++
		}
		return entered
	})
	return entered
}

// leave gives back what enter has taken.
func (l *limits) leave(addr netip.Addr) {
	if l == nil || l.maxConnections == 0 || !addr.IsValid() || l.trusted.trust(addr) {
		return
	}
	l.edit(addr, func(e *addressEntry, _ time.Duration) bool { e.connections--; return true })
}

// refuseExcess answers a handshake that is one too many: 429, and when to come
// again. The body is that of Engine.IO's errors (PROTOCOL 1.2), with the code of
// what the server forbids, as there is none of its own; upgrade requests get the
// message alone and the end of the connection, as with all other refusals. The
// stock clients show a connect_error and come again after their backoff.
func (s *Server) refuseExcess(w http.ResponseWriter, e *excess, upgrade bool) {
	e.count.Add(1)
	s.cfg.Logger.Info("handshake refused", "reason", e.message)
	header := w.Header()
	header.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.retry.Seconds()))))
	body := e.message
	if upgrade {
		header.Set("Connection", "close")
		header.Set("Content-Type", "text/html")
	} else {
		header.Set("Content-Type", "application/json")
		body = `{"code":4,"message":"` + e.message + `"}`
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write([]byte(body))
}
