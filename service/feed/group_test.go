package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// socketOf is a readable id.
func socketOf(name string) rooms.SocketID {
	return rooms.SocketID(fmt.Appendf(nil, "%-20s", name))
}

// say has sockets send events: "a1" is event 1 of socket a.
func say(f *Feed, names ...string) (flow rooms.Flow) {
	for _, name := range names {
		flow = f.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Socket: socketOf(name[:1]), Name: name, Time: time.Now()})
	}
	return flow
}

func join(t *testing.T, f *Feed, cfg MemberConfig) *Member {
	t.Helper()
	if cfg.MaxEvents == 0 {
		cfg.MaxEvents = 100
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 1 << 20
	}
	if cfg.AckTimeout == 0 {
		cfg.AckTimeout = time.Hour
	}
	m, _, err := f.Join("g", Filter{}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// takes returns what the member gets now, as "a1 b1#2", where #2 is the second attempt; and the ids.
func takes(t *testing.T, m *Member) (text string, ids []uint64) {
	t.Helper()
	batch, err := m.take()
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, d := range batch {
		word := d.Event.Name
		if d.Attempt > 1 {
			word += fmt.Sprint("#", d.Attempt)
		}
		words = append(words, word)
		ids = append(ids, d.ID)
	}
	return strings.Join(words, " "), ids
}

func wantTakes(t *testing.T, m *Member, want string) (ids []uint64) {
	t.Helper()
	got, ids := takes(t, m)
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	return ids
}

// grouped runs the test on virtual time with a feed and what it did to clients.
func grouped(t *testing.T, cfg GroupConfig, test func(t *testing.T, f *Feed, done func() []string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var did []string
		cfg.Resume = func(_ string, id rooms.SocketID) { did = append(did, "resume "+strings.TrimSpace(string(id[:]))) }
		cfg.Disconnect = func(_ string, id rooms.SocketID) { did = append(did, "disconnect "+strings.TrimSpace(string(id[:]))) }
		f := newFeed(t, Config{Groups: cfg})
		test(t, f, func() []string {
			synctest.Wait()
			return did
		})
		f.Shutdown()
	})
}

// A negative acknowledgement brings the event and what is behind it again, after its delay; other sockets go on.
func TestNacks(t *testing.T) {
	grouped(t, GroupConfig{}, func(t *testing.T, f *Feed, _ func() []string) {
		m := join(t, f, MemberConfig{})
		defer m.Close(false)
		say(f, "a1", "a2", "a3", "b1")
		ids := wantTakes(t, m, "a1 a2 a3 b1")
		m.Settle([]uint64{ids[1]}, []Nack{{ID: ids[0], Delay: time.Minute}})
		say(f, "a4", "b2")
		wantTakes(t, m, "b2")
		time.Sleep(time.Minute + 1)
		wantTakes(t, m, "a1#2 a3#2 a4") // a2 was acknowledged
		m.Settle([]uint64{ids[2], 999}, nil)
		if s := f.Groups()[0]; s.Stale != 2 || s.Nacked != 1 || s.Redelivered != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// A release is no failure and lets the socket go to another member.
func TestRelease(t *testing.T) {
	grouped(t, GroupConfig{MaxFailures: 1}, func(t *testing.T, f *Feed, _ func() []string) {
		one := join(t, f, MemberConfig{})
		say(f, "a1", "b1")
		ids := wantTakes(t, one, "a1 b1")
		two := join(t, f, MemberConfig{})
		defer one.Close(false)
		defer two.Close(false)
		one.Settle(nil, []Nack{{ID: ids[0], Release: true}})
		wantTakes(t, two, "a1#2")
		wantTakes(t, one, "")
	})
}

// After so many failures an event is given up, by whatever they came about; what is behind it stays where it is, and a lost
// member costs each socket one failure.
func TestDeadLetters(t *testing.T) {
	grouped(t, GroupConfig{MaxFailures: 2, DeadLetter: DeadLetterDisconnect}, func(t *testing.T, f *Feed, done func() []string) {
		m := join(t, f, MemberConfig{AckTimeout: time.Second})
		say(f, "a1", "a2", "b1")
		ids := wantTakes(t, m, "a1 a2 b1")
		m.Settle(nil, []Nack{{ID: ids[0]}})
		ids = wantTakes(t, m, "a1#2 a2#2")
		m.Settle([]uint64{3}, []Nack{{ID: ids[0]}}) // the second time
		m.Settle([]uint64{ids[1]}, nil)             // it is still in flight
		if s := f.Groups()[0]; s.DeadLettered != 1 || s.Backlog != 0 || s.Acked != 2 {
			t.Errorf("%+v", s)
		}
		if got := done(); !slices.Equal(got, []string{"disconnect a"}) {
			t.Errorf("%q", got)
		}
		say(f, "c1", "c2", "c3", "d1")
		wantTakes(t, m, "c1 c2 c3 d1")
		m.Close(true)
		m = join(t, f, MemberConfig{})
		wantTakes(t, m, "c1#2 c2#2 c3#2 d1#2")
		m.Close(true) // c1 and d1 have failed twice, c2 and c3 never
		m = join(t, f, MemberConfig{})
		defer m.Close(false)
		wantTakes(t, m, "c2#3 c3#3")
		if s := f.Groups()[0]; s.DeadLettered != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// What is not acknowledged in time comes again, to another member if one is well.
func TestAckTimeouts(t *testing.T) {
	grouped(t, GroupConfig{}, func(t *testing.T, f *Feed, _ func() []string) {
		slow := join(t, f, MemberConfig{AckTimeout: time.Second})
		say(f, "a1", "a2")
		wantTakes(t, slow, "a1 a2")
		well := join(t, f, MemberConfig{})
		defer slow.Close(false)
		defer well.Close(false)
		time.Sleep(time.Second + 1)
		wantTakes(t, well, "a1#2 a2#2")
		say(f, "b1")
		wantTakes(t, well, "b1") // not to the one that was late
		time.Sleep(time.Second)
		say(f, "c1", "d1")
		if got, _ := takes(t, slow); got != "c1" && got != "d1" {
			t.Errorf("who was late is tried with %q", got)
		}
	})
}

// A member that waits hears of it when a timeout makes room for what it owns, also if that goes to another.
func TestTimeoutWakesWhoHasRoom(t *testing.T) {
	grouped(t, GroupConfig{}, func(t *testing.T, f *Feed, _ func() []string) {
		one := join(t, f, MemberConfig{MaxBytes: 1, AckTimeout: time.Second})
		say(f, "a1")
		wantTakes(t, one, "a1")
		two := join(t, f, MemberConfig{MaxBytes: 1, AckTimeout: 100 * time.Millisecond})
		say(f, "c1")
		wantTakes(t, two, "c1")
		say(f, "b1")
		time.Sleep(200 * time.Millisecond) // two is late, and one gets its socket
		got := make(chan string, 1)
		go func() {
			batch, err := one.Next(t.Context())
			if err != nil || len(batch) == 0 {
				got <- fmt.Sprint(err)
				return
			}
			got <- batch[0].Event.Name
		}()
		time.Sleep(900 * time.Millisecond) // one is, too, and a1 goes to two
		synctest.Wait()
		select {
		case name := <-got:
			if name != "b1" && name != "c1" {
				t.Errorf("got %s", name)
			}
		default:
			t.Error("the member still waits")
		}
		one.Close(false)
		two.Close(false)
	})
}

// Credit bounds what is unsettled, in events and bytes; one event of any size goes to who has none.
func TestCredit(t *testing.T) {
	grouped(t, GroupConfig{}, func(t *testing.T, f *Feed, _ func() []string) {
		m := join(t, f, MemberConfig{MaxEvents: 2})
		defer m.Close(false)
		say(f, "a1", "a2", "a3", "a4", "a5")
		ids := wantTakes(t, m, "a1 a2")
		m.Credit(0, 0)
		m.Settle(ids, nil)
		wantTakes(t, m, "")
		m.Credit(100, 1)
		ids = wantTakes(t, m, "a3")
		wantTakes(t, m, "")
		m.Credit(100, 1<<20)
		wantTakes(t, m, "a4 a5")
		m.Settle(ids, nil)
	})
}

// A member that leaves gets no more, settles what it has, and hands over what it has not begun.
func TestLeaving(t *testing.T) {
	grouped(t, GroupConfig{}, func(t *testing.T, f *Feed, _ func() []string) {
		leaves := join(t, f, MemberConfig{MaxEvents: 1})
		say(f, "a1", "a2")
		ids := wantTakes(t, leaves, "a1")
		stays := join(t, f, MemberConfig{})
		defer stays.Close(false)
		leaves.Leave()
		wantTakes(t, stays, "") // a1 is still in flight
		wantTakes(t, leaves, "")
		leaves.Settle(ids, nil)
		wantTakes(t, stays, "a2")
		if _, err := leaves.Next(t.Context()); !errors.Is(err, ErrLeft) {
			t.Errorf("%v", err)
		}
		leaves.Close(false)
	})
}

// At the bound of a socket or of the group, by its size or age, clients are held and resumed when there is room.
func TestOverflowPauses(t *testing.T) {
	grouped(t, GroupConfig{SocketBytes: 300, MaxAge: time.Minute}, func(t *testing.T, f *Feed, done func() []string) {
		m := join(t, f, MemberConfig{})
		defer m.Close(false)
		if say(f, "a1", "a2").Holds != 0 || say(f, "a3").Holds != 1 || say(f, "a4").Holds != 0 || say(f, "b1").Holds != 0 {
			t.Error("a is to be held with its third event, once")
		}
		m.Settle(wantTakes(t, m, "a1 a2 a3 a4 b1")[:4], nil)
		if got := done(); !slices.Equal(got, []string{"resume a"}) {
			t.Errorf("%q", got)
		}
		time.Sleep(time.Minute)
		if f.HasRoom("/") || say(f, "c1").Holds != 1 {
			t.Error("an event that is too old fills the group")
		}
		m.Settle([]uint64{5}, nil)
		m.Settle(wantTakes(t, m, "c1"), nil)
		time.Sleep(time.Second)
		if got := done(); !slices.Equal(got, []string{"resume a", "resume c"}) || !f.HasRoom("/") {
			t.Errorf("%q", got)
		}
	})
}

func TestOverflowRefuses(t *testing.T) {
	grouped(t, GroupConfig{SocketBytes: 200, Overflow: OverflowRefuse}, func(t *testing.T, f *Feed, _ func() []string) {
		m := join(t, f, MemberConfig{})
		defer m.Close(false)
		w := watch(t, f, Filter{})
		if say(f, "a1", "a2").Refused != "" || say(f, "a3").Refused != rooms.RefusedOverloaded || say(f, "b1").Refused != "" {
			t.Error("a's third event is to be refused, and nothing of b's")
		}
		expect(t, w, "a1 a2 b1") // it was told to nobody
		large := &rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Socket: socketOf("c"), Args: make([]byte, MaxEventBytes)}
		if got := f.Observe(large).Refused; got != rooms.RefusedTooLarge {
			t.Errorf("refused: %q", got)
		}
	})
}

// What the client said as it connected is left out if that is too much, also of what the event counts for.
func TestLargeConnected(t *testing.T) {
	grouped(t, GroupConfig{}, func(t *testing.T, f *Feed, _ func() []string) {
		m := join(t, f, MemberConfig{})
		defer m.Close(false)
		auth := make([]byte, MaxEventBytes)
		f.Observe(&rooms.Event{Kind: rooms.KindConnected, Namespace: "/", Socket: socketOf("a"), Info: &rooms.Info{User: "ann", Auth: auth}, Auth: auth})
		if n := f.Groups()[0].BacklogBytes; n > 1000 {
			t.Errorf("it counts for %d bytes", n)
		}
		batch, err := m.take()
		if err != nil || len(batch) != 1 || batch[0].Event.Auth != nil || batch[0].Event.Info.User != "ann" {
			t.Errorf("%+v, %v", batch, err)
		}
	})
}

// At the end a member gets what is left and settles it; who has nothing and can get nothing ends at once.
func TestShutdownOfGroups(t *testing.T) {
	grouped(t, GroupConfig{}, func(t *testing.T, f *Feed, _ func() []string) {
		wants := join(t, f, MemberConfig{MaxEvents: 1})
		idle := join(t, f, MemberConfig{})
		idle.Credit(0, 0)
		say(f, "a1", "a2")
		ids := wantTakes(t, wants, "a1")
		f.Shutdown()
		if _, err := idle.Next(t.Context()); !errors.Is(err, ErrShutdown) {
			t.Errorf("who wants nothing: %v", err)
		}
		idle.Close(false)
		wants.Settle(ids, nil)
		wants.Settle(wantTakes(t, wants, "a2"), nil)
		if _, err := wants.Next(t.Context()); !errors.Is(err, ErrShutdown) {
			t.Errorf("who has settled everything: %v", err)
		}
		wants.Close(false)
		if _, _, err := f.Join("g", Filter{}, MemberConfig{}); !errors.Is(err, ErrShutdown) {
			t.Errorf("who comes later: %v", err)
		}
	})
}

// Who may join.
func TestJoinRefuses(t *testing.T) {
	grouped(t, GroupConfig{MaxGroups: 2, MaxMembers: 1}, func(t *testing.T, f *Feed, _ func() []string) {
		one, _, _ := f.Join("one", Filter{Names: []string{"b", "a"}}, MemberConfig{})
		if _, _, err := f.Join("one", Filter{Names: []string{"a", "b"}}, MemberConfig{}); !errors.Is(err, ErrTooMany) {
			t.Errorf("a second member: %v", err)
		}
		two, _, _ := f.Join("two", Filter{}, MemberConfig{})
		if _, _, err := f.Join("three", Filter{}, MemberConfig{}); !errors.Is(err, ErrTooMany) {
			t.Errorf("a third group: %v", err)
		}
		one.Close(false)
		two.Close(false)
	})
	grouped(t, GroupConfig{}, func(t *testing.T, f *Feed, _ func() []string) {
		one, _, _ := f.Join("g", Filter{Names: []string{"b", "a"}}, MemberConfig{})
		if _, _, err := f.Join("g", Filter{Names: []string{"a"}}, MemberConfig{}); !errors.Is(err, ErrMismatch) {
			t.Errorf("another filter: %v", err)
		}
		same, joined, err := f.Join("g", Filter{Names: []string{"a", "b"}}, MemberConfig{})
		if err != nil || joined.Created || joined.Members != 2 {
			t.Errorf("the same filter: %+v, %v", joined, err)
		}
		one.Close(false)
		same.Close(false)
	})
}

func BenchmarkGroup(b *testing.B) {
	for _, sockets := range []int{1, 15_000} {
		b.Run(fmt.Sprint(sockets, " sockets"), func(b *testing.B) {
			f := newFeed(b, Config{})
			m, _, err := f.Join("g", Filter{}, MemberConfig{MaxEvents: 1000, MaxBytes: 1 << 30, AckTimeout: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close(false)
			events := make([]*rooms.Event, sockets)
			for i := range events {
				events[i] = &rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Socket: socketOf(fmt.Sprint(i)), Time: time.Now()}
			}
			ids := make([]uint64, 0, MaxBatchEvents)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.Observe(events[i%sockets])
				if i%100 != 99 {
					continue
				}
				batch, _ := m.take()
				ids = ids[:0]
				for _, d := range batch {
					ids = append(ids, d.ID)
				}
				m.Settle(ids, nil)
			}
		})
	}
}
