package jwt

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// socket is a socket as the edge would have it.
type socket struct {
	rooms.Membership
	t     *testing.T
	a     *Admitter
	ns    *rooms.Namespace
	grant any

	mu     sync.Mutex // guards the following
	asked  []time.Time
	answer func(m *rooms.Message) // nil: it does not answer
	gone   time.Time              // when it was disconnected
}

func (s *socket) Deliver(m *rooms.Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, time.Now())
	if s.answer != nil {
		go s.answer(m)
	}
	return true
}

func (*socket) ForgetAck(uint64)                     {}
func (*socket) Reply(uint64, []byte, [][]byte) error { return nil }
func (*socket) SetData([]byte)                       {}
func (*socket) Info() rooms.Info                     { return rooms.Info{} }

func (s *socket) Disconnect(bool) {
	s.mu.Lock()
	s.gone = time.Now()
	s.mu.Unlock()
	s.leave(false)
}

// connect lets a client in, and tells of it as the edge does.
func connect(t *testing.T, a *Admitter, token string) *socket {
	t.Helper()
	v := admit(a, withToken(token))
	if v.Refused {
		t.Fatal(brief(v))
	}
	ns, _ := a.cfg.Hub.Namespace("/")
	s := &socket{t: t, a: a, ns: ns, grant: v.Grant}
	s.Init(rooms.NewSocketID())
	s.enter(false)
	return s
}

func (s *socket) enter(recovered bool) {
	var m rooms.Member = s
	if recovered {
		m = &back{socket: s}
		m.(*back).Init(s.ID())
		s.grant = nil
	}
	if err := s.ns.Add(m, "", nil); err != nil {
		s.t.Error(err)
	}
	s.a.Observe(&rooms.Event{Kind: rooms.KindConnected, Namespace: "/", Socket: s.ID(), Info: &rooms.Info{Grant: s.grant}, Recovered: recovered})
}

// back is a socket that came back: its Membership is another one.
type back struct {
	rooms.Membership
	*socket
}

func (b *back) ID() rooms.SocketID { return b.Membership.ID() }

func (s *socket) leave(recoverable bool) {
	s.ns.Remove(s)
	s.a.Observe(&rooms.Event{Kind: rooms.KindDisconnected, Namespace: "/", Socket: s.ID(), Recoverable: recoverable})
}

func (s *socket) when(begun time.Time) (asked int, gone time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone.IsZero() {
		gone = s.gone.Sub(begun)
	}
	return len(s.asked), gone
}

func tokenFor(t *testing.T, s *signer, user string, d time.Duration) string {
	t.Helper()
	return s.sign(t, gojwt.MapClaims{"sub": user, "exp": in(d)})
}

// J4: a socket goes when its token expires, to the second, with the leeway; one that left is forgotten.
func TestJ4Expiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pair("EdDSA", "")
		a := started(t, Config{KeysFile: write(t, "", s.pem(t)), UserClaim: "sub", Leeway: 5 * time.Second, NoExpiry: true}, nobody)
		begun := time.Now()
		long, short := connect(t, a, tokenFor(t, s, "ann", time.Hour)), connect(t, a, tokenFor(t, s, "ann", time.Minute))
		left := connect(t, a, tokenFor(t, s, "ann", time.Minute))
		never := connect(t, a, s.sign(t, gojwt.MapClaims{"sub": "ann"}))
		left.leave(false)
		if got := a.Stats().Watched; got != 2 {
			t.Errorf("%d are watched", got)
		}
		time.Sleep(2 * time.Hour)
		for name, tt := range map[string]struct {
			s    *socket
			gone time.Duration
		}{"long": {long, time.Hour + 5*time.Second}, "short": {short, time.Minute + 5*time.Second}, "left": {left, 0}, "never": {never, 0}} {
			if _, gone := tt.s.when(begun); gone != tt.gone {
				t.Errorf("%s: gone after %s, want %s", name, gone, tt.gone)
			}
		}
		if got := a.Stats(); got.Watched != 0 || got.Expired != 2 {
			t.Errorf("%+v", got)
		}
		a.Stop()
	})
}

// J4: who was away and came back still goes in time, also if it expired meanwhile; who does not come back is forgotten.
func TestJ4ExpiryOfWhoComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pair("EdDSA", "")
		a := started(t, Config{KeysFile: write(t, "", s.pem(t)), UserClaim: "sub"}, nobody)
		begun := time.Now()
		early, late, never := connect(t, a, tokenFor(t, s, "a", time.Minute)), connect(t, a, tokenFor(t, s, "b", time.Minute)), connect(t, a, tokenFor(t, s, "c", time.Minute))
		for _, one := range []*socket{early, late, never} {
			one.leave(true)
		}
		time.Sleep(30 * time.Second)
		early.enter(true)
		time.Sleep(time.Minute)
		late.enter(true)
		synctest.Wait()
		a.Observe(&rooms.Event{Kind: rooms.KindExpired, Namespace: "/", Socket: never.ID()})
		if _, gone := early.when(begun); gone != time.Minute {
			t.Errorf("who came back early is gone after %s", gone)
		}
		if _, gone := late.when(begun); gone != 90*time.Second {
			t.Errorf("who came back late is gone after %s", gone)
		}
		if got := a.Stats().Watched; got != 0 {
			t.Errorf("%d are watched", got)
		}
		a.Stop()
	})
}

// A socket that is asked and brings a good token stays as long as that says; every other answer changes nothing.
func TestExpiryAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pair("EdDSA", "")
		a := started(t, Config{
			KeysFile: write(t, "", s.pem(t)), UserClaim: "sub", Expiry: ExpiryAsk, RefreshEvent: "again", RefreshBefore: 10 * time.Second, NoExpiry: true,
		}, nobody)
		begun := time.Now()
		answers := map[string]struct {
			args  func() string
			asked int
			gone  time.Duration
		}{
			"a good one":       {func() string { return `"` + tokenFor(t, s, "ann", time.Hour) + `"` }, 2, 0},
			"with its scheme":  {func() string { return `"Bearer ` + s.sign(t, gojwt.MapClaims{"sub": "ann"}) + `"` }, 1, 0},
			"another user's":   {func() string { return `"` + tokenFor(t, s, "eve", time.Hour) + `"` }, 1, time.Minute},
			"one that expired": {func() string { return `"` + tokenFor(t, s, "ann", -time.Hour) + `"` }, 1, time.Minute},
			"a number":         {func() string { return `1` }, 1, time.Minute},
			"nothing":          {func() string { return `` }, 1, time.Minute},
			"a long text":      {func() string { return `"` + string(make([]byte, 9000)) + `"` }, 1, time.Minute},
			"a shorter one":    {func() string { return `"` + tokenFor(t, s, "ann", 5*time.Second) + `"` }, 1, time.Minute},
			"no answer at all": {nil, 1, time.Minute},
		}
		sockets := map[string]*socket{}
		for name, tt := range answers {
			one := connect(t, a, tokenFor(t, s, "ann", time.Minute))
			sockets[name] = one
			if tt.args == nil {
				continue
			}
			one.mu.Lock()
			one.answer = func(m *rooms.Message) {
				if m.Event != "again" {
					t.Errorf("asked with %s", m.Event)
				}
				m.Acks.Acked(one.ID(), []byte(tt.args()), nil)
			}
			one.mu.Unlock()
		}
		time.Sleep(2*time.Hour + 10*time.Second)
		for name, tt := range answers {
			if asked, gone := sockets[name].when(begun); asked != tt.asked || gone != tt.gone {
				t.Errorf("%s: asked %d times, gone after %s", name, asked, gone)
			}
		}
		if got := a.Stats(); got.Extended != 3 || got.Refused["other_user"] != 1 || got.Refused["malformed"] != 2 || got.Refused["oversized"] != 1 {
			t.Errorf("%+v", got)
		}
		a.Stop()
	})
}

// With ignore nobody is watched.
func TestExpiryIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pair("EdDSA", "")
		a := started(t, Config{KeysFile: write(t, "", s.pem(t)), UserClaim: "sub", Expiry: ExpiryIgnore}, nobody)
		one := connect(t, a, tokenFor(t, s, "ann", time.Minute))
		time.Sleep(time.Hour)
		if _, gone := one.when(time.Now()); gone != 0 || a.Stats().Watched != 0 {
			t.Error("a socket is watched")
		}
		a.Stop()
	})
}

// Tens of thousands whose tokens expire in the same second go, and nothing of them stays.
func TestManyExpireAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pair("EdDSA", "")
		a := started(t, Config{KeysFile: write(t, "", s.pem(t)), UserClaim: "sub"}, nobody)
		token := tokenFor(t, s, "ann", time.Minute)
		for range 3000 {
			connect(t, a, token)
		}
		time.Sleep(time.Minute + time.Second)
		if got := a.Stats(); got.Expired != 3000 || got.Watched != 0 {
			t.Errorf("%+v", got)
		}
		a.Stop()
	})
}
