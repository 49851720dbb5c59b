package adminui

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// person is a socket that keeps what it is told.
type person struct {
	rooms.Membership
	info rooms.Info

	mu     sync.Mutex
	told   []string // "event args"
	closed []bool
}

func (p *person) Deliver(m *rooms.Message) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, m.Event+" "+string(m.Args))
	return true
}
func (*person) ForgetAck(uint64)                     {}
func (*person) Reply(uint64, []byte, [][]byte) error { return nil }
func (*person) SetData([]byte)                       {}
func (p *person) Info() rooms.Info                   { return p.info }
func (p *person) Disconnect(closeSession bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = append(p.closed, closeSession)
}
func (p *person) names() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.told {
		name, _, _ := strings.Cut(one, " ")
		names = append(names, name)
	}
	p.told = nil
	return names
}

// others is who is asked and told of everything else.
type others struct{ asked, heard int }

func (o *others) Admit(*rooms.Question, func(rooms.Verdict)) (rooms.Verdict, bool) {
	o.asked++
	return rooms.Verdict{User: "somebody"}, true
}

func (o *others) Observe(*rooms.Event) rooms.Flow {
	o.heard++
	return rooms.Flow{}
}

// fixture is a UI with a hub of its own, in a bubble of virtual time.
type fixture struct {
	t      *testing.T
	hub    *rooms.Hub
	feed   *feed.Feed
	others *others
	stats  atomic.Pointer[Stats]
	*UI
}

var hash, _ = bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)

func inBubble(t *testing.T, test func(f *fixture), edit ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{t: t, others: &others{}}
		f.stats.Store(&Stats{})
		var err error
		if f.feed, err = feed.New(feed.Config{WantRoomEvents: func(n int) { f.hub.WantRoomEvents(n) }}); err != nil {
			t.Fatal(err)
		}
		if f.hub, err = rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/", "/admin"}, RoomEvents: f.feed.ObserveRooms}); err != nil {
			t.Fatal(err)
		}
		cfg := Config{
			Hub: f.hub, Feed: f.feed, Username: "admin", PasswordHash: string(hash), Development: true, Node: "n1",
			Stats: func() Stats { return *f.stats.Load() },
		}
		for _, e := range edit {
			e(&cfg)
		}
		if f.UI, err = New(cfg, f.others, f.others); err != nil {
			t.Fatal(err)
		}
		f.Start()
		test(f)
		f.Stop()
		f.feed.Shutdown()
	})
}

// ask is a question, and its answer when it has come.
func (f *fixture) ask(namespace, auth string) rooms.Verdict {
	var late rooms.Verdict
	verdict, ok := f.Admit(&rooms.Question{Namespace: namespace, Auth: []byte(auth), Handshake: &rooms.Handshake{}}, func(v rooms.Verdict) { late = v })
	if ok {
		return verdict
	}
	synctest.Wait()
	return late
}

// enter connects a socket.
func (f *fixture) enter(namespace string, grant any) *person {
	f.t.Helper()
	ns, err := f.hub.Enter(namespace)
	if err != nil {
		f.t.Fatal(err)
	}
	p := &person{}
	id := rooms.NewSocketID()
	p.Init(id)
	p.info = rooms.Info{ID: id, Namespace: namespace, Transport: "websocket", Grant: grant, Handshake: rooms.Handshake{Query: "EIO=4&a=b"}, Data: []byte(`{"x":1}`), User: "ann"}
	if err := ns.Add(p, "", nil); err != nil {
		f.t.Fatal(err)
	}
	f.happens(&rooms.Event{Kind: rooms.KindConnected, Namespace: namespace, Socket: id, Info: &p.info})
	return p
}

// happens tells the UI, and others the feed, of an event.
func (f *fixture) happens(e *rooms.Event) {
	if f.Observe(e); !f.Hides(e) {
		f.feed.Observe(e)
	}
	synctest.Wait()
}

func (f *fixture) does(p *person, name, args string) {
	f.happens(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/admin", Socket: p.ID(), Name: name, Args: []byte(args)})
}

func TestAdmit(t *testing.T) {
	inBubble(t, func(f *fixture) {
		if v := f.ask("/", ""); v.User != "somebody" || f.others.asked != 1 {
			t.Error("another namespace is not left to others")
		}
		good := f.ask("/admin", `{"username":"admin","password":"secret"}`)
		id, ok := good.Grant.(login)
		if good.Refused || !ok {
			t.Fatalf("%+v", good)
		}
		if v := f.ask("/admin", fmt.Sprintf(`{"sessionId":%q}`, id)); v.Refused {
			t.Error("a login is not good again")
		}
		for _, auth := range []string{``, `{}`, `7`, `{"username":"admin","password":"x"}`, `{"username":"x","password":"secret"}`, `{"sessionId":"x"}`, `{"username":"admin","password":"` + strings.Repeat("x", 100) + `"}`} {
			if v := f.ask("/admin", auth); !v.Refused || v.Message != "invalid credentials" {
				t.Errorf("%s: %+v", auth, v)
			}
		}
		time.Sleep(loginLasts)
		if v := f.ask("/admin", fmt.Sprintf(`{"sessionId":%q}`, id)); !v.Refused {
			t.Error("a login lasts for ever")
		}
	})
	inBubble(t, func(f *fixture) {
		if v := f.ask("/admin", ""); v.Refused {
			t.Error("it is not open")
		}
	}, func(c *Config) { c.Open, c.Username, c.PasswordHash = true, "", "" })
}

// Passwords cannot be tried as fast as somebody wants, and logins do not pile up.
func TestAttemptsAreBounded(t *testing.T) {
	inBubble(t, func(f *fixture) {
		let := 0
		for range 100 {
			if !f.ask("/admin", `{"username":"admin","password":"secret"}`).Refused {
				let++
			}
		}
		if let != 2*maxPerSecond {
			t.Errorf("%d attempts at once", let)
		}
		for i := range 3 * maxLogins {
			f.remember(fmt.Sprint(i))
		}
		if len(f.logins) != maxLogins || !f.knows(fmt.Sprint(3*maxLogins-1)) {
			t.Errorf("%d logins are kept", len(f.logins))
		}
	})
}

func TestDevelopmentShowsWhatHappens(t *testing.T) {
	inBubble(t, func(f *fixture) {
		f.enter("/", nil)
		looker := f.enter("/admin", login("L"))
		if got := fmt.Sprint(looker.names()); got != "[session config server_stats all_sockets]" {
			t.Error(got)
		}
		guest := f.enter("/", nil)
		f.happens(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Socket: guest.ID(), Name: "hi", Args: []byte(`1,"x"`)})
		looker.mu.Lock()
		last := looker.told[len(looker.told)-1]
		looker.mu.Unlock()
		if want := fmt.Sprintf(`event_received "/",%q,["hi",1,"x"],`, guest.ID()); !strings.HasPrefix(last, want) {
			t.Errorf("%s, want %s", last, want)
		}
		f.does(looker, "join", fmt.Sprintf(`"/","vip",%q`, guest.ID()))
		f.does(looker, "emit", `"/",["vip"],"news",{"a":1},2`)
		f.does(looker, "emit", `"/",null,"disconnect"`)
		f.does(looker, "emit", `"/admin",null,"config"`)
		f.does(looker, "emit", `"/nowhere",null,"x"`)
		f.does(looker, "emit", `{`)
		f.does(looker, "leave", `"/","vip"`)
		f.does(looker, "_disconnect", fmt.Sprintf(`"/",true,%q`, guest.ID()))
		guest.mu.Lock()
		if got := fmt.Sprint(guest.told, guest.closed); got != `[news {"a":1},2] [true]` {
			t.Error(got)
		}
		guest.mu.Unlock()
		if got := fmt.Sprint(looker.names()); got != "[room_joined socket_connected event_received room_joined room_left]" {
			t.Error(got)
		}
		// Nobody looks any more: nothing is followed.
		f.happens(&rooms.Event{Kind: rooms.KindDisconnected, Namespace: "/admin", Socket: looker.ID()})
		if n := f.feed.Stats().Watchers; n != 0 {
			t.Errorf("%d watchers are left", n)
		}
	})
}

func TestProductionShowsFigures(t *testing.T) {
	inBubble(t, func(f *fixture) {
		f.stats.Store(&Stats{Opened: 5, Closed: map[string]uint64{"ping timeout": 1}})
		looker := f.enter("/admin", nil)
		f.enter("/", nil)
		f.does(looker, "_disconnect", `"/",true`)
		if n := f.feed.Stats().Watchers; n != 0 {
			t.Errorf("%d watchers", n)
		}
		if got := fmt.Sprint(looker.names()); got != "[config server_stats]" {
			t.Error(got)
		}
		f.stats.Store(&Stats{Sessions: 3, Polling: 1, Opened: 7, Received: 4, Closed: map[string]uint64{"ping timeout": 2}})
		time.Sleep(statsEvery)
		synctest.Wait()
		looker.mu.Lock()
		defer looker.mu.Unlock()
		if len(looker.told) != 1 {
			t.Fatalf("%q", looker.told)
		}
		var told struct {
			ClientsCount, PollingClientsCount int
			AggregatedEvents                  []struct {
				Type, SubType string
				Count         int
			}
		}
		_, args, _ := strings.Cut(looker.told[0], " ")
		if err := json.Unmarshal([]byte(args), &told); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(told); got != "{3 1 [{rawConnection  2} {rawDisconnection ping timeout 1} {packetsIn  4}]}" {
			t.Error(got)
		}
	}, func(c *Config) { c.Development, c.ReadOnly = false, true })
}

func TestConfigRefuses(t *testing.T) {
	for want, c := range map[string]Config{
		"hash of a password are needed": {Username: "a"},
		"are needed":                    {},
		"no bcrypt hash":                {Username: "a", PasswordHash: "secret"},
		"nobody is asked for":           {Open: true, Username: "a"},
	} {
		if _, err := New(c, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}
