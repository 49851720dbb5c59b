package access

import (
	"cmp"
	"context"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/peer"
)

// unset is a rate that the tokens file does not give.
const unset = -1

// limits bound one party.
type limits struct {
	rate    float64 // calls a second; 0: no bound; unset: the default
	burst   int     // calls at once; 0: the default
	streams int     // open at once; 0: the default
}

// over returns l with the defaults where it says nothing.
func (l limits) over(defaults limits) limits {
	if l.rate == unset {
		l.rate = defaults.rate
	}
	l.burst = cmp.Or(l.burst, defaults.burst, max(1, int(math.Ceil(l.rate))))
	l.streams = cmp.Or(l.streams, defaults.streams)
	return l
}

// maxPeers bounds the parties without a name. Beyond it, further addresses share one.
const maxPeers = 1 << 16

// partyKey names a party: a caller, or an address where callers have no names. The zero key stands for the addresses beyond
// maxPeers.
type partyKey struct {
	caller string
	peer   netip.Prefix // an IPv4 address or an IPv6 network of 64 bits
	other  string       // of a connection without an IP address
}

// party is one that limits bind, with what it uses of them.
type party struct {
	limits  limits        // guarded by parties.mu
	limiter *rate.Limiter // does its own locking
	streams int           // open now; guarded by parties.mu
}

// parties is everyone who has streams open, or has called so lately that it counts against its rate. All methods may be called
// from any goroutine.
type parties struct {
	mu    sync.Mutex // guards the following
	known map[partyKey]*party
}

// party returns the one of that key, bound by the limits from now on. mu must be held.
func (p *parties) party(key partyKey, l limits) *party {
	who := p.known[key]
	if who == nil && key.caller == "" && len(p.known) >= maxPeers {
		key = partyKey{}
		who = p.known[key]
	}
	switch {
	case who == nil:
		who = &party{limits: l, limiter: rate.NewLimiter(l.limit(), l.burst)}
		p.known[key] = who
	case who.limits != l:
		who.limits = l
		who.limiter.SetLimit(l.limit())
		who.limiter.SetBurst(l.burst)
	}
	return who
}

func (l limits) limit() rate.Limit {
	if l.rate == 0 {
		return rate.Inf
	}
	return rate.Limit(l.rate)
}

// call counts a call. The error is a *RateError or nil.
func (p *parties) call(key partyKey, l limits) error {
	if l.rate == 0 {
		return nil
	}
	limiter := p.limiter(key, l)
	if limiter.Allow() {
		return nil
	}
	missing := max(0, 1-limiter.Tokens())
	return &RateError{Retry: max(time.Millisecond, time.Duration(missing/l.rate*float64(time.Second)))}
}

func (p *parties) limiter(key partyKey, l limits) *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.party(key, l).limiter
}

// wait counts a message of a stream and returns when it may be carried out, or with the context's error.
func (p *parties) wait(ctx context.Context, key partyKey, l limits) error {
	if l.rate == 0 {
		return nil
	}
	r := p.limiter(key, l).Reserve()
	delay := r.Delay()
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		r.Cancel()
		return ctx.Err()
	}
}

// open counts a stream until done is called, once. The error is ErrStreams or nil.
func (p *parties) open(key partyKey, l limits) (done func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who := p.party(key, l)
	if who.streams >= l.streams {
		return nil, ErrStreams
	}
	who.streams++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		who.streams--
	}, nil
}

// forget forgets those of whom nothing need be known any more.
func (p *parties) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, who := range p.known {
		if who.streams == 0 && (who.limits.rate == 0 || who.limiter.Tokens() >= float64(who.limiter.Burst())) {
			delete(p.known, key)
		}
	}
}

// peerKey names the party that a call without a name is counted against.
func peerKey(ctx context.Context) partyKey {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return partyKey{}
	}
	tcp, ok := p.Addr.(*net.TCPAddr)
	if !ok {
		return partyKey{other: p.Addr.String()}
	}
	bits := 32
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil { // an address that is none
		return partyKey{}
	}
	return partyKey{peer: prefix}
}
