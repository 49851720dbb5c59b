package feed

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/realtime-svc/realtime-svc/rooms"
)

func newFeed(tb testing.TB, cfg Config) *Feed {
	tb.Helper()
	f, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func watch(tb testing.TB, f *Feed, filter Filter) *Watcher {
	tb.Helper()
	w, err := f.Watch(filter)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.Close)
	return w
}

// event is one whose name is the number i.
func event(i int) *rooms.Event {
	return &rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Name: strconv.Itoa(i)}
}

func observe(f *Feed, from, to int) {
	for i := from; i < to; i++ {
		f.Observe(event(i))
	}
}

// next returns the batch in short: "+3" for what was missed, then the names.
func next(tb testing.TB, w *Watcher) string {
	tb.Helper()
	b, err := w.Next(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return short(b)
}

func short(b Batch) string {
	var words []string
	if b.Missed > 0 {
		words = append(words, "+"+strconv.FormatUint(b.Missed, 10))
	}
	for _, e := range b.Events {
		words = append(words, e.Name)
	}
	return strings.Join(words, " ")
}

func expect(tb testing.TB, w *Watcher, want ...string) {
	tb.Helper()
	for _, want := range want {
		if got := next(tb, w); got != want {
			tb.Errorf("batch %q, want %q", got, want)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want []string
	}{
		{Config{}, nil},
		{Config{QueueEvents: 1, QueueBytes: MaxEventBytes}, nil},
		{Config{QueueEvents: -1}, []string{"QueueEvents"}},
		{Config{QueueBytes: MaxEventBytes - 1}, []string{"QueueBytes"}},
		{Config{QueueEvents: -1, QueueBytes: -1}, []string{"QueueEvents", "QueueBytes"}},
	} {
		err := tt.cfg.Validate()
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%+v: %v", tt.cfg, err)
		}
		for _, field := range tt.want {
			if !strings.Contains(err.Error(), field) {
				t.Errorf("%+v: %q does not name %s", tt.cfg, err, field)
			}
		}
		if f, newErr := New(tt.cfg); (newErr == nil) != (err == nil) || (f == nil) != (err != nil) {
			t.Errorf("%+v: New returns %v, %v", tt.cfg, f, newErr)
		}
	}
}

// I1: every watcher sees the events in the order of the calls, whatever the batches.
func TestI1WatchersSeeTheOrder(t *testing.T) {
	const events = 2000
	f := newFeed(t, Config{})
	var wg sync.WaitGroup
	for range 3 {
		w := watch(t, f, Filter{})
		wg.Go(func() {
			for want := 0; want < events; {
				b, err := w.Next(t.Context())
				if err != nil || b.Missed != 0 {
					t.Errorf("missed %d, error %v", b.Missed, err)
					return
				}
				for _, e := range b.Events {
					if e.Name != strconv.Itoa(want) {
						t.Errorf("event %s, want %d", e.Name, want)
						return
					}
					want++
				}
			}
		})
	}
	observe(f, 0, events)
	wg.Wait()
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, Config{})
		w := watch(t, f, Filter{Names: []string{"1"}})
		got := make(chan string)
		go func() { got <- next(t, w) }()
		synctest.Wait()
		f.Observe(event(0)) // does not match and wakes nobody
		synctest.Wait()
		select {
		case b := <-got:
			t.Fatalf("batch %q of nothing", b)
		default:
		}
		f.Observe(event(1))
		if b := <-got; b != "1" {
			t.Errorf("batch %q", b)
		}

		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := w.Next(ctx)
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestWhatComesBeforeWatchIsNotSeen(t *testing.T) {
	f := newFeed(t, Config{})
	f.Observe(event(0))
	w := watch(t, f, Filter{})
	f.Observe(event(1))
	expect(t, w, "1")
}

// I5: the places and numbers of what was lost are told.
func TestI5MissedEventsAreCountedWhereTheyWereLost(t *testing.T) {
	f := newFeed(t, Config{QueueEvents: 3})
	w := watch(t, f, Filter{})
	observe(f, 0, 5) // 3 and 4 are lost
	expect(t, w, "0 1 2")
	observe(f, 5, 7)
	expect(t, w, "+2 5 6")

	observe(f, 7, 11) // 10 is lost, and nothing comes after it
	expect(t, w, "7 8 9", "+1")

	observe(f, 11, 13)
	f.Observe(&rooms.Event{Kind: rooms.KindEvent, Name: "large", Args: make([]byte, MaxEventBytes)})
	observe(f, 13, 14)
	expect(t, w, "11 12", "+1 13") // a gap in the middle cuts the batch
	if got, want := f.Stats(), (Stats{Watchers: 1, Queued: 11, Missed: 4}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

// I4: the bytes are bounded, and given back when they are read.
func TestI4QueueIsBoundedInBytes(t *testing.T) {
	const size = 1 << 20
	f := newFeed(t, Config{QueueBytes: 4 << 20})
	w := watch(t, f, Filter{})
	e := event(0)
	e.Args = make([]byte, size-eventOverhead-len(e.Name))
	for range 6 {
		f.Observe(e)
	}
	expect(t, w, "0") // as many as fit into a batch
	for range 2 {     // one fits again
		f.Observe(e)
	}
	expect(t, w, "0", "0", "0", "+2 0", "+1")
}

// I3: an event that a watcher does not read costs nobody anything.
func TestI3SlowWatcherHoldsUpNobody(t *testing.T) {
	f := newFeed(t, Config{QueueEvents: 2})
	slow, quick := watch(t, f, Filter{}), watch(t, f, Filter{})
	for i := range 100 {
		f.Observe(event(i))
		expect(t, quick, strconv.Itoa(i))
	}
	expect(t, slow, "0 1", "+98")
}

func TestBatches(t *testing.T) {
	f := newFeed(t, Config{})
	w := watch(t, f, Filter{})
	observe(f, 0, 2*MaxBatchEvents+1)
	for _, want := range []int{MaxBatchEvents, MaxBatchEvents, 1} {
		if b, err := w.Next(t.Context()); err != nil || len(b.Events) != want {
			t.Errorf("%d events, error %v, want %d", len(b.Events), err, want)
		}
	}
	large, small := event(1), event(2)
	large.Attachments = [][]byte{make([]byte, MaxBatchBytes), make([]byte, 1)}
	for _, e := range []*rooms.Event{small, large, small, small} {
		f.Observe(e)
	}
	expect(t, w, "2", "1", "2 2") // what does not fit behind others comes alone
}

// The queue does not grow without end while it is read and filled but never empty.
func TestQueueStaysSmall(t *testing.T) {
	const bound = 4 * MaxBatchEvents
	f := newFeed(t, Config{QueueEvents: bound})
	w := watch(t, f, Filter{})
	observe(f, 0, bound)
	for range 50 {
		if _, err := w.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		observe(f, 0, MaxBatchEvents)
	}
	if n := cap(w.queue); n > 4*bound {
		t.Errorf("the queue's slice has room for %d entries, its bound is %d", n, bound)
	}
	f.Shutdown()
	for {
		if _, err := w.Next(t.Context()); err != nil {
			break
		}
	}
	if w.bytes != 0 {
		t.Errorf("%d bytes are counted in an empty queue", w.bytes)
	}
}

func TestClose(t *testing.T) {
	f := newFeed(t, Config{})
	closed, other := watch(t, f, Filter{}), watch(t, f, Filter{})
	observe(f, 0, 1)
	closed.Close()
	closed.Close()
	observe(f, 1, 2)
	expect(t, other, "0 1")
	if b, err := closed.Next(t.Context()); !errors.Is(err, ErrShutdown) {
		t.Errorf("a closed watcher reads %q, error %v", short(b), err)
	}
	other.Close()
	if f.watchers.Load() != nil {
		t.Error("Observe still has a list to walk")
	}
	if got := f.Stats().Watchers; got != 0 {
		t.Errorf("%d watchers", got)
	}
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, Config{QueueEvents: 2})
		behind, waiting := watch(t, f, Filter{}), watch(t, f, Filter{Names: []string{"none"}})
		observe(f, 0, 3)
		failed := make(chan error)
		go func() {
			_, err := waiting.Next(t.Context())
			failed <- err
		}()
		synctest.Wait()
		f.Shutdown()
		f.Shutdown()
		if err := <-failed; !errors.Is(err, ErrShutdown) {
			t.Errorf("error %v", err)
		}
		observe(f, 3, 4) // nobody sees it
		expect(t, behind, "0 1", "+1")
		if _, err := behind.Next(t.Context()); !errors.Is(err, ErrShutdown) {
			t.Errorf("error %v", err)
		}
		if _, err := f.Watch(Filter{}); !errors.Is(err, ErrShutdown) {
			t.Errorf("Watch after Shutdown: %v", err)
		}
	})
}

// Every event of every sender is read or counted as missed, while watchers come and go.
func TestConcurrent(t *testing.T) {
	const senders, events = 4, 500
	f := newFeed(t, Config{QueueEvents: 50})
	w := watch(t, f, Filter{})
	var sending, reading sync.WaitGroup
	for sender := range senders {
		sending.Go(func() {
			for i := range events {
				f.Observe(&rooms.Event{Kind: rooms.KindEvent, User: strconv.Itoa(sender), AckID: uint64(i)})
			}
		})
		sending.Go(func() {
			for range 50 {
				other, err := f.Watch(Filter{})
				if err != nil {
					t.Error(err)
					return
				}
				other.Close()
			}
		})
	}
	var read, missed uint64
	reading.Go(func() {
		last := map[string]uint64{}
		for {
			b, err := w.Next(t.Context())
			if err != nil {
				return
			}
			missed += b.Missed
			for _, e := range b.Events {
				if before, ok := last[e.User]; ok && e.AckID <= before {
					t.Errorf("sender %s: %d after %d", e.User, e.AckID, before)
				}
				last[e.User] = e.AckID
				read++
			}
		}
	})
	sending.Wait()
	f.Shutdown()
	reading.Wait()
	if read+missed != senders*events {
		t.Errorf("%d read and %d missed of %d", read, missed, senders*events)
	}
}

func TestSize(t *testing.T) {
	ten := bytes.Repeat([]byte("x"), 10)
	text := string(ten)
	for _, tt := range []struct {
		name  string
		event rooms.Event
		want  int
	}{
		{"empty", rooms.Event{}, 0},
		{"event", rooms.Event{User: text, Name: text, Args: ten, Attachments: [][]byte{ten, ten}}, 50},
		{"disconnected", rooms.Event{Description: text, Rooms: []string{text, text}}, 30},
		{"connected", rooms.Event{Auth: ten, Info: &rooms.Info{
			Data:      ten,
			Auth:      ten,
			Rooms:     []string{text},
			Handshake: rooms.Handshake{URL: text, Query: text, Headers: []rooms.Header{{Name: text, Value: text}}},
		}}, 80},
		{"joined", rooms.Event{Kind: rooms.KindJoined, Room: text, User: text}, 20},
	} {
		if got := size(&tt.event); got != tt.want+eventOverhead {
			t.Errorf("%s: %d bytes, want %d", tt.name, got-eventOverhead, tt.want)
		}
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	e := event(1)
	f := newFeed(t, Config{})
	if n := testing.AllocsPerRun(100, func() { f.Observe(e) }); n != 0 {
		t.Errorf("%v allocations with nobody watching", n)
	}
	w := watch(t, f, Filter{})
	if n := testing.AllocsPerRun(100, func() {
		f.Observe(e)
		if _, err := w.Next(t.Context()); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations with a watcher", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	e := event(1)
	for _, watchers := range []int{0, 1, 4} {
		b.Run(strconv.Itoa(watchers), func(b *testing.B) {
			f := newFeed(b, Config{})
			for range watchers {
				w := watch(b, f, Filter{})
				go func() {
					for {
						if _, err := w.Next(context.Background()); err != nil {
							return
						}
					}
				}()
			}
			for b.Loop() {
				f.Observe(e)
			}
			f.Shutdown()
		})
	}
}
