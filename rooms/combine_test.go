package rooms

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// taker is a member that takes batches.
type taker struct {
	fake
	batches [][]string
	refuses string // the event that it does not take
}

func (f *taker) Deliver(m *Message) bool { return f.fake.Deliver(m) && m.Event != f.refuses }

func (f *taker) DeliverBatch(b *Batch) (taken uint64) {
	var names []string
	for i, m := range b.Messages {
		names = append(names, m.Event)
		if f.Deliver(m) {
			taken |= 1 << i
		}
	}
	f.batches = append(f.batches, names)
	return taken
}

// shared is a room that an emit is delivered to, and is held up at its first member.
type shared struct {
	t       *testing.T
	n       *Namespace
	first   *fake
	takers  []*taker
	release chan struct{}
	emits   sync.WaitGroup
}

func newShared(t *testing.T) *shared {
	h := newHub(t, HubConfig{Namespaces: []string{"/"}})
	s := &shared{t: t, release: make(chan struct{})}
	s.n, _ = h.Namespace("/")
	s.first = add(t, s.n, 0, "", "r")
	for i := 1; i < combineFrom; i++ {
		f := new(taker)
		f.Init(idOf(i))
		if err := s.n.Add(f, "", []string{"r"}); err != nil {
			t.Fatal(err)
		}
		s.takers = append(s.takers, f)
	}
	return s
}

var sharedRoom = Target{Rooms: []string{"r"}}

// hold begins an emit that is held up until release is closed.
func (s *shared) hold() {
	held := make(chan struct{})
	once := sync.OnceFunc(func() { close(held); <-s.release })
	s.first.onDeliver = func(*Message) bool { once(); return true }
	s.emits.Go(func() { s.n.Emit(sharedRoom, &Message{Event: "held"}) })
	<-held
}

// wait emits, and returns when it waits.
func (s *shared) wait(m *Message, done func(matched, delivered int)) {
	before := s.waiting()
	s.emits.Go(func() { done(s.n.Emit(sharedRoom, m)) })
	for s.waiting() == before {
		runtime.Gosched()
	}
}

func (s *shared) waiting() int {
	s.n.combiner.mu.Lock()
	defer s.n.combiner.mu.Unlock()
	return len(s.n.combiner.waiting[sharedRoom.source()])
}

func (s *shared) finish() {
	close(s.release)
	s.emits.Wait()
	if s.n.combiner.flows.Load() != 0 || len(s.n.combiner.waiting) != 0 {
		s.t.Errorf("something is left: %v", s.n.combiner.waiting)
	}
}

// Emits that come while one is being delivered to the same room are delivered together, in order, and each learns what became
// of it.
func TestEmitsToOneRoomAreCombined(t *testing.T) {
	s := newShared(t)
	s.takers[3].refuses = "m5"
	s.hold()
	want := []string{"held"}
	for i := range 10 {
		name := fmt.Sprint("m", i)
		want = append(want, name)
		s.wait(&Message{Event: name}, func(matched, delivered int) {
			expected := combineFrom + 1 // with who came meanwhile
			if name == "m5" {
				expected--
			}
			if matched != combineFrom+1 || delivered != expected {
				t.Errorf("%s: matched %d, delivered %d", name, matched, delivered)
			}
		})
	}
	late := add(t, s.n, 1000, "", "r")
	other := add(t, s.n, 1001, "", "elsewhere")
	s.n.Emit(Target{Rooms: []string{"elsewhere"}}, &Message{Event: "to others"}) // waits for nobody
	if len(other.got) != 1 {
		t.Error("an emit to another room waits")
	}
	s.finish()
	for _, f := range s.takers {
		if got := eventsOf(&f.fake); !slices.Equal(got, want) {
			t.Errorf("%s got %v", f.ID(), got)
		}
		if len(f.batches) != 1 || len(f.batches[0]) != 10 {
			t.Errorf("%s got batches %v", f.ID(), f.batches)
		}
	}
	if got := eventsOf(s.first); !slices.Equal(got, want) {
		t.Errorf("who takes no batches got %v", got)
	}
	if got := eventsOf(late); !slices.Equal(got, want[1:]) {
		t.Errorf("who came meanwhile got %v", got)
	}
}

func eventsOf(f *fake) (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.got {
		names = append(names, m.Event)
	}
	return names
}

// A batch is bounded in messages and in bytes; what is larger goes alone.
func TestBatchesAreBounded(t *testing.T) {
	s := newShared(t)
	s.hold()
	var want []string
	for i := range MaxBatch + 3 {
		want = append(want, "small")
		s.wait(&Message{Event: "small"}, func(int, int) {})
		if i == MaxBatch+2 {
			s.wait(&Message{Event: "large", Args: []byte(strings.Repeat("1", maxBatchBytes))}, func(int, int) {})
			s.wait(&Message{Event: "half", Args: []byte(strings.Repeat("1", maxBatchBytes/2))}, func(int, int) {})
			s.wait(&Message{Event: "quarter", Attachments: [][]byte{make([]byte, maxBatchBytes/4)}}, func(int, int) {})
			want = append(want, "large", "half", "quarter")
		}
	}
	s.finish()
	var sizes []int
	for _, b := range s.takers[0].batches {
		sizes = append(sizes, len(b))
	}
	if !slices.Equal(sizes, []int{MaxBatch, 3, 2}) { // the large one is no batch
		t.Errorf("batches of %v", sizes)
	}
	if got := eventsOf(&s.takers[0].fake); !slices.Equal(got[1:], want) {
		t.Errorf("got %v", got)
	}
}

// A member that panics costs one emit of the batch, and leaves nobody waiting.
func TestCombinedEmitsSurviveAPanic(t *testing.T) {
	s := newShared(t)
	s.takers[7].onDeliver = func(m *Message) bool {
		if m.Event == "b" {
			panic("a bug")
		}
		return true
	}
	s.hold()
	panicked := make(chan any, 3)
	for i, name := range []string{"a", "b", "c"} {
		s.emits.Go(func() {
			defer func() { panicked <- recover() }()
			s.n.Emit(sharedRoom, &Message{Event: name})
		})
		for s.waiting() <= i {
			runtime.Gosched()
		}
	}
	s.finish()
	if all := []any{<-panicked, <-panicked, <-panicked}; len(slices.DeleteFunc(all, func(v any) bool { return v == nil })) != 1 {
		t.Error("not one of them panicked")
	}
}

// I2, for callers at once: each one's messages come in its order, to every member, and each once.
func TestI2CombinedEmitsKeepTheOrder(t *testing.T) {
	s := newShared(t)
	const callers, each = 8, 300
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				if matched, delivered := s.n.Emit(sharedRoom, &Message{Event: fmt.Sprint(c, ",", i)}); matched != combineFrom || delivered != matched {
					t.Errorf("matched %d, delivered %d", matched, delivered)
				}
			}
		})
	}
	wg.Wait()
	combined := 0
	for _, f := range s.takers {
		next := [callers]int{}
		for _, name := range eventsOf(&f.fake) {
			var c, i int
			_, _ = fmt.Sscanf(name, "%d,%d", &c, &i)
			if i != next[c] {
				t.Fatalf("%s: message %d of caller %d comes instead of %d", f.ID(), i, c, next[c])
			}
			next[c]++
		}
		if next != [callers]int{each, each, each, each, each, each, each, each} {
			t.Fatalf("%s got %v", f.ID(), next)
		}
		combined += len(f.batches)
	}
	if combined == 0 {
		t.Error("nothing was combined")
	}
}

// What the key of a target is.
func TestSource(t *testing.T) {
	for _, tt := range []struct {
		t    Target
		want source
	}{
		{Target{}, source{"", sourceAll}},
		{Target{Rooms: []string{"a"}}, source{"a", sourceRoom}},
		{Target{Users: []string{"a"}}, source{"a", sourceUser}},
		{Target{Rooms: []string{"a", "b"}}, source{}},
		{Target{Rooms: []string{"a"}, Users: []string{"a"}}, source{}},
		{Target{Sockets: []SocketID{{1}}}, source{}},
		{Target{ExceptRooms: []string{"a"}}, source{}},
		{Target{Rooms: []string{"a"}, ExceptSockets: []SocketID{{1}}}, source{}},
	} {
		if got := tt.t.source(); got != tt.want {
			t.Errorf("%+v: %+v", tt.t, got)
		}
	}
}

func BenchmarkEmitsToOneRoom(b *testing.B) {
	n := crowd(b, 20_000)
	m := &Message{Event: "e"}
	for _, emitters := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(emitters, " emitters to 10k"), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism((emitters + 1) / 2)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n.Emit(Target{Rooms: []string{"half0"}}, m)
				}
			})
		})
	}
}
