package transport

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func limitsOf(cfg Config, trusted ...netip.Prefix) *limits { return newLimits(&cfg, trusted, &Stats{}) }

// size is how many addresses are remembered.
func (l *limits) size() int {
	n := 0
	for i := range l.shards {
		l.shards[i].mu.Lock()
		n += len(l.shards[i].entries)
		l.shards[i].mu.Unlock()
	}
	return n
}

// start begins a session for addr and returns its handshake, or nil and the refusal.
func (l *limits) start(addr string) (*Handshake, *excess) {
	h := &Handshake{Address: addr}
	if e := l.begin(h); e != nil {
		return nil, e
	}
	return h, nil
}

func TestHandshakesPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitsOf(Config{HandshakesPerSecond: 2, HandshakeBurst: 3})
		try := func(want int, retry time.Duration) {
			t.Helper()
			got := 0
			for {
				h, e := l.start("192.0.2.1")
				if e != nil {
					if e.message != "Too many handshakes" || e.retry != retry {
						t.Errorf("%+v", e)
					}
					break
				}
				got++
				l.end(h.encode())
			}
			if got != want {
				t.Errorf("%d sessions, want %d", got, want)
			}
		}
		try(3, 500*time.Millisecond)
		try(0, 500*time.Millisecond)
		<-time.After(400 * time.Millisecond)
		try(0, 100*time.Millisecond)
		<-time.After(100 * time.Millisecond)
		try(1, 500*time.Millisecond)
		<-time.After(time.Second)
		try(2, 500*time.Millisecond)
		<-time.After(time.Hour)
		try(3, 500*time.Millisecond)
		if _, e := l.start("192.0.2.2"); e != nil {
			t.Errorf("another address: %+v", e)
		}
	})
}

func TestBucketBounds(t *testing.T) {
	for _, c := range []struct {
		rate         float64
		burst        int
		every, ahead time.Duration
	}{
		{2, 3, 500 * time.Millisecond, time.Second},
		{2, 0, 500 * time.Millisecond, 19 * 500 * time.Millisecond}, // ten seconds' worth
		{0.01, 0, 100 * time.Second, 0},
		{1e-9, 1, time.Hour, 0},
		{1e-9, 1 << 40, time.Hour, 999_999 * time.Hour},
		{1e30, 1 << 40, time.Microsecond, 999_999 * time.Microsecond},
	} {
		if every, ahead := bucket(c.rate, c.burst); every != c.every || ahead != c.ahead {
			t.Errorf("%v, %d: %v, %v", c.rate, c.burst, every, ahead)
		}
	}
}

func TestMaxSessionsPerAddress(t *testing.T) {
	l := limitsOf(Config{MaxSessionsPerAddress: 2, HandshakesPerSecond: 0.001, HandshakeBurst: 3})
	first, _ := l.start("192.0.2.1")
	second, _ := l.start("192.0.2.1")
	if first == nil || second == nil || !first.counted {
		t.Fatal("two were to be had")
	}
	for range 5 { // a refusal costs nothing of the rate
		if _, e := l.start("192.0.2.1"); e == nil || e.message != "Too many sessions" || e.retry != sessionRetry || e.count != &l.stats.LimitedSessions {
			t.Fatalf("%+v", e)
		}
	}
	l.end(first.encode())
	if h, e := l.start("192.0.2.1"); h == nil {
		t.Errorf("after an end: %+v", e)
	}
	l.end(second.encode())
	if _, e := l.start("192.0.2.1"); e == nil || e.message != "Too many handshakes" || e.count != &l.stats.LimitedHandshakes {
		t.Errorf("%+v", e)
	}
}

// The address that counts is a customer's: an IPv4 address, a /64.
func TestWhatIsOneAddress(t *testing.T) {
	for _, c := range []struct {
		a, b string
		one  bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
		{"::1", "0.0.0.1", false},
	} {
		if one := keyOf(netip.MustParseAddr(c.a)) == keyOf(netip.MustParseAddr(c.b)); one != c.one {
			t.Errorf("%s and %s: %t", c.a, c.b, one)
		}
		l := limitsOf(Config{MaxSessionsPerAddress: 1})
		l.start(c.a)
		if _, e := l.start(c.b); (e != nil) != c.one {
			t.Errorf("%s after %s: %+v", c.b, c.a, e)
		}
	}
}

func TestMaxConnectionsPerAddress(t *testing.T) {
	l := limitsOf(Config{MaxConnectionsPerAddress: 2}, prefixesOf("10.0.0.0/8")...)
	addr := netip.MustParseAddr("192.0.2.1")
	for _, c := range []struct {
		leave bool
		addr  netip.Addr
		want  bool
	}{
		{false, addr, true}, {false, addr, true}, {false, addr, false}, {false, netip.MustParseAddr("192.0.2.2"), true},
		{true, addr, true}, {false, addr, true}, {false, addr, false},
	} {
		if c.leave {
			l.leave(c.addr)
		} else if got := l.enter(c.addr); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
	for _, free := range []netip.Addr{netip.MustParseAddr("10.0.0.1"), {}} {
		for range 5 {
			if !l.enter(free) {
				t.Errorf("%v is refused", free)
			}
		}
		l.leave(free)
	}
	if h, e := l.start("192.0.2.1"); e != nil || h.counted {
		t.Errorf("sessions have no bound: %+v", e)
	}
	if n := l.size(); n != 2 {
		t.Errorf("%d addresses", n)
	}
}

// No bounds, no table; and what has no IP address has no bounds.
func TestUnlimited(t *testing.T) {
	l := limitsOf(Config{})
	if l != nil {
		t.Fatalf("%+v", l)
	}
	h, e := l.start("192.0.2.1")
	if e != nil || h.counted || !l.enter(netip.MustParseAddr("192.0.2.1")) {
		t.Errorf("%+v", e)
	}
	l.leave(netip.MustParseAddr("192.0.2.1"))
	l.end(h.encode())
	l.end("")

	l = limitsOf(Config{MaxSessionsPerAddress: 1, HandshakesPerSecond: 1, HandshakeBurst: 1})
	for range 3 {
		if h, e := l.start("@"); e != nil || h.counted {
			t.Errorf("%+v", e)
		}
	}
	l.end((&Handshake{Address: "192.0.2.1"}).encode()) // never began
	if l.size() != 0 {
		t.Errorf("%d addresses", l.size())
	}
}

// An address that has nothing is forgotten: at once, or at a sweep after its rate has recovered.
func TestIdleAddressesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		address := func(i int) string { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String() }
		l := limitsOf(Config{MaxSessionsPerAddress: 1})
		for i := range 1000 {
			h, _ := l.start(address(i))
			l.end(h.encode())
		}
		if n := l.size(); n != 0 {
			t.Errorf("%d addresses are remembered for nothing", n)
		}
		l = limitsOf(Config{HandshakesPerSecond: 1, MaxConnectionsPerAddress: 1})
		kept := netip.MustParseAddr("192.0.2.1")
		l.enter(kept)
		for i := range 10_000 {
			h, _ := l.start(address(i))
			l.end(h.encode())
		}
		if n := l.size(); n != 10_001 {
			t.Errorf("%d addresses, though their rate has not recovered", n)
		}
		<-time.After(time.Minute)
		for i := range 10_000 {
			h, _ := l.start(address(1<<20 + i))
			l.end(h.encode())
		}
		if n := l.size(); n > 10_001+limitShards*(leastSweep+1) {
			t.Errorf("%d addresses, half of them idle", n)
		}
		if l.enter(kept) {
			t.Error("a connection was forgotten")
		}
	})
}

// However many addresses come, the table is bounded; those that have something are never forgotten.
func TestTheTableIsBounded(t *testing.T) {
	l := limitsOf(Config{HandshakesPerSecond: 0.001, HandshakeBurst: 1, MaxSessionsPerAddress: 1})
	var live []*Handshake
	for i := range 2 * maxAddresses {
		h, e := l.start(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff))
		if e != nil {
			t.Fatalf("%d: %+v", i, e)
		}
		if i%1000 == 0 {
			live = append(live, h)
		} else {
			l.end(h.encode())
		}
		if n := l.size(); i%4096 == 0 && n > maxAddresses+len(live) {
			t.Fatalf("%d addresses are remembered", n)
		}
	}
	for _, h := range live {
		if _, e := l.start(h.Address); e == nil || e.message != "Too many sessions" {
			t.Fatalf("%s: %+v", h.Address, e)
		}
		l.end(h.encode())
	}
}

// The table does what a list of all that happened would do.
func TestLimitsModel(t *testing.T) {
	rapid.Check(t, modelOfLimits)
}

func modelOfLimits(t *rapid.T) {
	const maxSessions, maxConnections, burst, every = 3, 2, 4, time.Hour // the time the test itself takes does not matter
	l := limitsOf(Config{MaxSessionsPerAddress: maxSessions, MaxConnectionsPerAddress: maxConnections,
		HandshakesPerSecond: 1 / every.Seconds(), HandshakeBurst: burst})
	type had struct {
		sessions    []*Handshake
		connections int
		tokens      float64
		at          time.Duration
	}
	model := make(map[string]*had)
	var passed time.Duration
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		name := rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}).Draw(t, "address")
		m := model[name]
		if m == nil {
			m = &had{tokens: burst}
			model[name] = m
		}
		m.tokens = min(burst, m.tokens+(passed-m.at).Hours())
		m.at = passed
		addr := netip.MustParseAddr(name)
		switch rapid.IntRange(0, 4).Draw(t, "step") {
		case 0:
			h, e := l.start(name)
			if may := len(m.sessions) < maxSessions && m.tokens > 0.95; may != (e == nil) {
				t.Fatalf("%s: %+v with %+v", name, e, m)
			}
			if e == nil {
				m.sessions = append(m.sessions, h)
				m.tokens--
			}
		case 1:
			if n := len(m.sessions); n > 0 {
				l.end(m.sessions[n-1].encode())
				m.sessions = m.sessions[:n-1]
			}
		case 2:
			if may := m.connections < maxConnections; may != l.enter(addr) {
				t.Fatalf("%s: %t with %+v", name, !may, m)
			} else if may {
				m.connections++
			}
		case 3:
			if m.connections > 0 {
				l.leave(addr)
				m.connections--
			}
		case 4:
			d := time.Duration(rapid.IntRange(0, 30).Draw(t, "tenths")) * every / 10
			l.began = l.began.Add(-d)
			passed += d
		}
	}
}

// Many at once never have more than they may, and in the end nothing is left.
func TestLimitsAtOnce(t *testing.T) {
	l := limitsOf(Config{MaxSessionsPerAddress: 3, MaxConnectionsPerAddress: 3})
	var group sync.WaitGroup
	var mu sync.Mutex
	open := make(map[string]int)
	for i := range 16 {
		group.Go(func() {
			name := fmt.Sprint("192.0.2.", i%2)
			addr := netip.MustParseAddr(name)
			for range 500 {
				if l.enter(addr) {
					l.leave(addr)
				}
				h, e := l.start(name)
				if e != nil {
					continue
				}
				mu.Lock()
				if open[name]++; open[name] > 3 {
					t.Errorf("%d sessions", open[name])
				}
				mu.Unlock()
				runtime.Gosched()
				mu.Lock()
				open[name]--
				mu.Unlock()
				l.end(h.encode())
			}
		})
	}
	group.Wait()
	if l.size() != 0 {
		t.Errorf("%d addresses are left", l.size())
	}
}

// The refusal is an Engine.IO error (PROTOCOL 1.2), on an upgrade request the text alone.
func TestRefuseExcess(t *testing.T) {
	s := &Server{cfg: Config{Logger: slog.New(slog.DiscardHandler)}}
	e := &excess{"Too many handshakes", 1200 * time.Millisecond, &s.stats.LimitedHandshakes}
	for _, c := range []struct {
		upgrade                         bool
		contentType, connection, answer string
	}{
		{false, "application/json", "", `{"code":4,"message":"Too many handshakes"}`},
		{true, "text/html", "close", "Too many handshakes"},
	} {
		w := httptest.NewRecorder()
		s.refuseExcess(w, e, c.upgrade)
		h := w.Header()
		if w.Code != 429 || w.Body.String() != c.answer || h.Get("Retry-After") != "2" || h.Get("Content-Type") != c.contentType ||
			h.Get("Connection") != c.connection || h.Get("Content-Length") != fmt.Sprint(len(c.answer)) {
			t.Errorf("%d %v %q", w.Code, h, w.Body)
		}
	}
	if n := s.stats.LimitedHandshakes.Load(); n != 2 {
		t.Errorf("%d are counted", n)
	}
}

func BenchmarkLimits(b *testing.B) {
	for name, cfg := range map[string]Config{
		"none": {}, "sessions": {MaxSessionsPerAddress: 10}, "all": {MaxSessionsPerAddress: 10, HandshakesPerSecond: 1e6},
	} {
		b.Run(name, func(b *testing.B) {
			l := limitsOf(cfg)
			encoded := (&Handshake{Address: "192.0.2.1", counted: true}).encode()
			b.ReportAllocs()
			for b.Loop() {
				h := Handshake{Address: "192.0.2.1"}
				if l.begin(&h) == nil {
					l.end(encoded)
				}
			}
		})
	}
}
