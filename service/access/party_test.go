package access

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/peer"
)

func newParties() *parties { return &parties{known: map[partyKey]*party{}} }

var ann = partyKey{caller: "ann"}

func TestLimitsOver(t *testing.T) {
	defaults := limits{rate: 2.5, streams: 7}
	for _, c := range []struct{ given, want limits }{
		{limits{rate: unset}, limits{2.5, 3, 7}},
		{limits{rate: 0}, limits{0, 1, 7}},
		{limits{rate: 100}, limits{100, 100, 7}},
		{limits{rate: 0.1, burst: 5, streams: 1}, limits{0.1, 5, 1}},
	} {
		if got := c.given.over(defaults); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.given, got, c.want)
		}
	}
	if got := (limits{rate: unset}).over(limits{rate: 5, burst: 50, streams: 1}); got.burst != 50 {
		t.Errorf("%+v", got)
	}
}

func TestCallsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := newParties(), limits{rate: 2, burst: 3, streams: 1}
		for i := range 3 {
			if err := p.call(ann, l); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		limit, ok := errors.AsType[*RateError](p.call(ann, l))
		if !ok || limit.Retry != 500*time.Millisecond {
			t.Fatalf("%+v", limit)
		}
		if err := p.call(partyKey{caller: "bob"}, l); err != nil {
			t.Errorf("another's call: %v", err)
		}
		time.Sleep(limit.Retry) // virtual: what it is told to wait is enough
		if err := p.call(ann, l); err != nil {
			t.Error(err)
		}
		if p.call(ann, l) == nil {
			t.Error("one too many")
		}
		if err := p.call(ann, limits{rate: 0}); err != nil {
			t.Errorf("without a bound: %v", err)
		}
	})
}

// A new version of the file changes the limits of who is there already.
func TestLimitsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParties()
		_ = p.call(ann, limits{rate: 1, burst: 1})
		if p.call(ann, limits{rate: 1, burst: 1}) == nil {
			t.Fatal("no limit")
		}
		time.Sleep(time.Second)
		for i := range 5 {
			if err := p.call(ann, limits{rate: 1000, burst: 5}); (err == nil) != (i == 0) { // a burst is earned with time
				t.Errorf("call %d: %v", i, err)
			}
		}
		time.Sleep(5 * time.Millisecond)
		for i := range 5 {
			if err := p.call(ann, limits{rate: 1000, burst: 5}); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		}
	})
}

func TestMessagesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l, began := newParties(), limits{rate: 10, burst: 5, streams: 1}, time.Now()
		for i := range 25 {
			if err := p.wait(t.Context(), ann, l); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("25 messages took %s", took)
		}
		if err := p.wait(t.Context(), ann, limits{}); err != nil {
			t.Errorf("without a bound: %v", err)
		}
	})
}

// Who gives up gives back its turn.
func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := newParties(), limits{rate: 1, burst: 1, streams: 1}
		_ = p.wait(t.Context(), ann, l)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.wait(ctx, ann, l) }()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		began := time.Now()
		if err := p.wait(t.Context(), ann, l); err != nil || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestStreamsAreCounted(t *testing.T) {
	p, l := newParties(), limits{streams: 2}
	first, err1 := p.open(ann, l)
	_, err2 := p.open(ann, l)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if _, err := p.open(ann, l); !errors.Is(err, ErrStreams) {
		t.Errorf("the third: %v", err)
	}
	if _, err := p.open(partyKey{caller: "bob"}, l); err != nil {
		t.Errorf("another's: %v", err)
	}
	first()
	if _, err := p.open(ann, l); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
}

func TestPartiesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParties()
		_ = p.call(partyKey{caller: "calls"}, limits{rate: 1, burst: 2})
		done, err := p.open(partyKey{caller: "streams"}, limits{streams: 1})
		if err != nil {
			t.Fatal(err)
		}
		p.forget()
		if len(p.known) != 2 {
			t.Errorf("%d are known", len(p.known))
		}
		time.Sleep(time.Second)
		done()
		p.forget()
		if len(p.known) != 0 {
			t.Errorf("%d are still known", len(p.known))
		}
	})
}

// However many addresses there are, memory stays bounded: those beyond the bound share their limits.
func TestPeersAreBounded(t *testing.T) {
	p, l := newParties(), limits{rate: 1, burst: 1, streams: 1}
	key := func(i int) partyKey {
		return partyKey{peer: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)}
	}
	for i := range maxPeers {
		if err := p.call(key(i), l); err != nil {
			t.Fatal(err)
		}
	}
	first, second := p.call(key(maxPeers), l), p.call(key(maxPeers+1), l)
	if first != nil || second == nil {
		t.Errorf("%v, %v", first, second)
	}
	if err := p.call(ann, l); err != nil {
		t.Errorf("a caller with a name: %v", err)
	}
	if len(p.known) != maxPeers+2 {
		t.Errorf("%d are known", len(p.known))
	}
}

func TestPartiesTogether(t *testing.T) {
	p, l := newParties(), limits{rate: 1e6, burst: 1e6, streams: 4}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 200 {
				key := partyKey{caller: fmt.Sprint(i % 2)}
				_ = p.call(key, l)
				if done, err := p.open(key, l); err == nil {
					done()
				}
				p.forget()
			}
		})
	}
	all.Wait()
	for key, who := range p.known {
		if who.streams != 0 {
			t.Errorf("%v has %d streams", key, who.streams)
		}
	}
}

func TestPeerKey(t *testing.T) {
	key := func(addr net.Addr) partyKey { return peerKey(peer.NewContext(t.Context(), &peer.Peer{Addr: addr})) }
	tcp := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }
	for _, c := range []struct {
		a, b net.Addr
		same bool
	}{
		{tcp("10.0.0.1", 1), tcp("10.0.0.1", 2), true},
		{tcp("10.0.0.1", 1), tcp("::ffff:10.0.0.1", 2), true},
		{tcp("10.0.0.1", 1), tcp("10.0.0.2", 1), false},
		{tcp("2001:db8::1", 1), tcp("2001:db8::2", 1), true},
		{tcp("2001:db8::1", 1), tcp("2001:db8:0:1::1", 1), false},
		{&net.UnixAddr{Name: "/a"}, &net.UnixAddr{Name: "/b"}, false},
		{tcp("10.0.0.1", 1), &net.UnixAddr{Name: "/a"}, false},
	} {
		if same := key(c.a) == key(c.b); same != c.same {
			t.Errorf("%v and %v: %v", c.a, c.b, same)
		}
	}
	if key(&net.TCPAddr{}) != (partyKey{}) || peerKey(t.Context()) != (partyKey{}) {
		t.Error("nobody has a key of its own")
	}
}
