package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// exactly is a pause without chance: what is taken off at random is at most a fifth, and of these values nothing.
var exactly = Backoff{Base: 4, Max: 4}

func TestAcksWhenTheHandlerReturns(t *testing.T) {
	h := newScript()
	inWorld(t, Config{}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1), event("b", "b1", 1))
		h.wantRunning(t, "a1", "b1")
		s.want()
		h.end("b1", nil)
		s.want("ack 2")
		h.end("a1", nil)
		s.want("ack 1")
	})
}

func TestOneSocketInOrderOthersInParallel(t *testing.T) {
	h := newScript()
	inWorld(t, Config{}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1), event("a", "a2", 1), event("b", "b1", 1))
		s.give(event("a", "a3", 1), event("c", "c1", 1))
		h.wantRunning(t, "a1", "b1", "c1")
		h.end("a1", nil)
		h.wantRunning(t, "a2")
		h.end("b1", nil)
		h.end("a2", nil)
		h.wantRunning(t, "a3")
		h.end("a3", nil)
		h.end("c1", nil)
		s.want("ack 1", "ack 3", "ack 2", "ack 4", "ack 5")
	})
}

// Events of rooms have no socket: those of one namespace are in order.
func TestEventsOfRoomsInOrder(t *testing.T) {
	roomEvent := func(namespace, name string) *realtimev1.ConsumeDelivery {
		d := event("", name, 1)
		d.Event.Namespace = namespace
		return d
	}
	h := newScript()
	inWorld(t, Config{}, h, func(w *world) {
		s := w.member()
		s.give(roomEvent("/", "r1"), roomEvent("/", "r2"), roomEvent("/chat", "c1"))
		h.wantRunning(t, "c1", "r1")
		h.end("r1", nil)
		h.wantRunning(t, "r2")
		h.end("r2", nil)
		h.end("c1", nil)
	})
}

// Clients of old versions have the same id in several namespaces: these are different sockets.
func TestSocketsOfTwoNamespaces(t *testing.T) {
	h := newScript()
	inWorld(t, Config{}, h, func(w *world) {
		s := w.member()
		other := event("a", "other", 2)
		other.Event.Namespace = "/chat"
		s.give(event("a", "a1", 1), other, event("a", "a2", 1))
		h.wantRunning(t, "a1", "other#2")
		for _, name := range []string{"other", "a1", "a2"} {
			h.end(name, nil)
		}
		s.want("ack 2", "ack 1", "ack 3")
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	h := newScript()
	inWorld(t, Config{Concurrency: 3}, h, func(w *world) {
		s := w.member()
		for i := range 10 {
			s.give(event(fmt.Sprint("socket ", i), fmt.Sprint("e", i), 1))
		}
		h.wantRunning(t, "e0", "e1", "e2")
		for i := range 10 {
			h.end(fmt.Sprint("e", i), nil)
		}
		if got := h.running(); len(got) != 7 {
			t.Errorf("%q began afterwards", got)
		}
		if got := s.settled(); len(got) != 10 {
			t.Errorf("settled %q", got)
		}
	})
}

// K2: what is idle is forgotten.
func TestForgetsSockets(t *testing.T) {
	d := newDispatcher(Config{Concurrency: 8, MaxEvents: 4, Logger: slog.New(slog.DiscardHandler)}.withDefaults(), HandlerFunc(
		func(_ context.Context, event *Event) error {
			if strings.HasPrefix(event.GetSocketId(), "bad") {
				return errors.New("no")
			}
			return nil
		}))
	s := &stream{ctx: context.Background(), out: newOutbox()}
	synctest.Test(t, func(t *testing.T) {
		s.out.wake = make(chan struct{}, 1)
		give := func(socket string) {
			one := event(socket, "e", 1)
			now := time.Now()
			d.add([]*delivery{{Event: Event{Event: one.Event, Attempt: 1}, stream: s, until: now.Add(time.Minute)}}, now)
			synctest.Wait()
		}
		for i := range 100 {
			give(fmt.Sprint("good ", i))
		}
		if len(d.lanes) != 0 {
			t.Errorf("%d sockets are remembered, and none has events", len(d.lanes))
		}
		for i := range 100 {
			give(fmt.Sprint("bad ", i))
		}
		if len(d.lanes) > 4 || len(d.fenced) > 4 {
			t.Errorf("%d sockets are remembered with %d fences, want 4", len(d.lanes), len(d.fenced))
		}
		time.Sleep(fenceLasts + 1) // of virtual time
		give("bad 1")
		if len(d.lanes) != 1 || len(d.fenced) != 1 {
			t.Errorf("%d sockets are remembered with %d fences, want the last", len(d.lanes), len(d.fenced))
		}
		d.drain()
		d.close(context.Background())
	})
}

func TestFailedEventsComeAgain(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name    string
		err     error
		attempt uint32
		want    string
		log     string
	}{
		{"an error", broken, 1, "nack 1 4ns", "event not handled"},
		{"an error, later", broken, 3, "nack 1 4ns", "attempt=3"},
		{"with a time", Retry(broken, time.Minute), 1, "nack 1 1m0s", "in=1m0s"},
		{"with a time, wrapped", fmt.Errorf("so: %w", Retry(broken, time.Minute)), 1, "nack 1 1m0s", "so: broken"},
		{"at once", Retry(broken, -1), 1, "nack 1 0s", "event not handled"},
		{"beyond the contract", Retry(broken, 25*time.Hour), 1, "nack 1 1h0m0s", "event not handled"},
		{"dropped", Drop(broken), 1, "ack 1", "event dropped"},
		{"dropped, wrapped", fmt.Errorf("so: %w", Drop(broken)), 1, "ack 1", "event dropped"},
		{"nothing to retry", Retry(nil, time.Minute), 1, "ack 1", ""},
		{"nothing to drop", Drop(nil), 1, "ack 1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			handler := HandlerFunc(func(context.Context, *Event) error { return tt.err })
			inWorld(t, Config{RetryPause: exactly}, handler, func(w *world) {
				s := w.member()
				s.give(event("a", "a1", tt.attempt))
				s.want(tt.want)
				if !w.log.has(tt.log) {
					t.Errorf("logged %s", w.log.text.String())
				}
			})
		})
	}
	if err := Retry(broken, 1); !errors.Is(err, broken) || err.Error() != "broken" {
		t.Errorf("Retry makes %v", err)
	}
	if err := Drop(broken); !errors.Is(err, broken) || err.Error() != "broken" {
		t.Errorf("Drop makes %v", err)
	}
}

func TestPausesGrowByAttempt(t *testing.T) {
	b := Backoff{Base: 100, Max: 1000}
	for failures, want := range []time.Duration{1: 100, 2: 200, 3: 400, 4: 800, 5: 1000, 6: 1000, 1 << 10: 1000} {
		if want == 0 {
			continue
		}
		seen := map[time.Duration]bool{}
		for range 200 {
			got := b.pause(failures)
			if seen[got] = true; got > want || got < want-want/5 {
				t.Fatalf("pause(%d) = %d, want %d or up to a fifth less", failures, got, want)
			}
		}
		if len(seen) < 5 {
			t.Errorf("pause(%d) is hardly random: %v", failures, seen)
		}
	}
	if got := (Backoff{Base: 1 << 62, Max: 1<<63 - 1}).pause(100); got <= 0 {
		t.Errorf("a pause of %v", got)
	}
}

func TestPanicsAreContained(t *testing.T) {
	for name, handle := range map[string]func(){
		"panic":  func() { panic("at the disco") },
		"nil":    func() { _ = make([]int, 0)[time.Now().Nanosecond()&1] },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			handler := HandlerFunc(func(_ context.Context, event *Event) error {
				if event.Attempt == 1 {
					handle()
				}
				return event.Reply("fine")
			})
			inWorld(t, Config{RetryPause: exactly, Concurrency: 1}, handler, func(w *world) {
				s := w.member()
				s.give(event("a", "a1", 1))
				s.want("nack 1 4ns")
				s.give(event("a", "a1", 2)) // with the only worker that there may be
				s.want(`reply ["fine"]`, "ack 2")
				if name == "panic" && !w.log.has("at the disco") || name != "goexit" && !w.log.has("dispatch_test.go") {
					t.Errorf("logged %s", w.log.text.String())
				}
			})
		})
	}
}

// K5: what waits behind an event that failed comes again behind it, and is not handled before.
func TestWhatWaitsBehindAFailureIsDropped(t *testing.T) {
	h := newScript()
	inWorld(t, Config{RetryPause: exactly}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1), event("a", "a2", 1), event("a", "a3", 1), event("b", "b1", 1))
		h.wantRunning(t, "a1", "b1")
		h.end("a1", errors.New("no"))
		s.want("nack 1 4ns", "release 2", "release 3")
		s.give(event("a", "a4", 1)) // was on its way when the server heard of the nack
		h.wantRunning(t)
		s.want("release 5")
		s.give(event("a", "a1", 2), event("a", "a2", 2), event("a", "a3", 2), event("a", "a4", 2), event("a", "a5", 1))
		h.wantRunning(t, "a1#2")
		for _, name := range []string{"a1", "a2", "a3", "a4", "a5"} {
			h.end(name, nil)
		}
		h.wantRunning(t, "a2#2", "a3#2", "a4#2", "a5")
		h.end("b1", nil)
		s.want("ack 6", "ack 7", "ack 8", "ack 9", "ack 10", "ack 4")
	})
}

// The server may give up an event that failed too often, and go on with those behind it, which it has not taken back.
func TestGoesOnBehindAnEventThatIsGivenUp(t *testing.T) {
	h := newScript()
	inWorld(t, Config{RetryPause: exactly}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 5), event("a", "a2", 1), event("a", "a3", 1))
		h.running()
		h.end("a1", errors.New("no"))
		s.want("nack 1 4ns", "release 2", "release 3")
		s.give(event("a", "a4", 1)) // was on its way
		s.want("release 4")
		s.give(event("a", "a2", 2), event("a", "a3", 2), event("a", "a4", 2))
		for _, name := range []string{"a2", "a3", "a4"} {
			h.wantRunning(t, name+"#2")
			h.end(name, nil)
		}
		s.want("ack 5", "ack 6", "ack 7")
	})
}

// With nothing behind such an event, what comes next may have any attempt, and is given back a few times.
func TestFencesDoNotLast(t *testing.T) {
	h := newScript()
	inWorld(t, Config{RetryPause: exactly}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 5))
		h.running()
		h.end("a1", errors.New("no"))
		s.settled()
		s.give(event("a", "a2", 1))
		s.want("release 2")
		time.Sleep(fenceLasts + 1) // of virtual time
		s.give(event("a", "a2", 2))
		h.wantRunning(t, "a2#2")
		h.end("a2", nil)
		s.want("ack 3")
	})
}

// K1, for an event whose ack timeout has passed while its handler runs.
func TestRedeliveryWaitsForTheFirstHandler(t *testing.T) {
	h := newScript()
	inWorld(t, Config{AckTimeout: time.Minute}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1), event("a", "a2", 1))
		h.wantRunning(t, "a1")
		time.Sleep(time.Minute) // of virtual time
		s.give(event("a", "a1", 2), event("a", "a2", 2))
		h.wantRunning(t)
		if err := h.ctx("a1").Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the context of the first handler: %v", err)
		}
		h.end("a1", nil)
		h.wantRunning(t, "a1#2") // and not a2 of the first time
		h.end("a1", nil)
		h.wantRunning(t, "a2#2")
		h.end("a2", nil)
		s.want("release 2", "ack 1", "ack 3", "ack 4")
	})
}

// A late nack is not to take back what has come again since.
func TestLateFailureLeavesTheRedeliveryAlone(t *testing.T) {
	h := newScript()
	inWorld(t, Config{AckTimeout: time.Minute, RetryPause: exactly}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1))
		h.wantRunning(t, "a1")
		time.Sleep(time.Minute) // of virtual time
		s.give(event("a", "a1", 2))
		h.end("a1", errors.New("out of time"))
		h.wantRunning(t, "a1#2")
		h.end("a1", nil)
		s.want("nack 1 4ns", "ack 2")
	})
}

// The socket may be another member's by then: what waits here must not be handled, though its own time is not up.
func TestWhatWaitsBehindALateEventIsGivenBack(t *testing.T) {
	h := newScript()
	inWorld(t, Config{AckTimeout: time.Minute}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1))
		h.wantRunning(t, "a1")
		time.Sleep(time.Minute / 2) // of virtual time
		s.give(event("a", "a2", 1), event("a", "a3", 1))
		time.Sleep(time.Minute / 2)
		h.end("a1", nil)
		h.wantRunning(t)
		s.want("ack 1", "release 2", "release 3")
	})
}

func TestEventsThatWaitedTooLongDoNotBegin(t *testing.T) {
	h := newScript()
	inWorld(t, Config{AckTimeout: time.Minute, Concurrency: 1}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1), event("b", "b1", 1), event("b", "b2", 1))
		h.wantRunning(t, "a1")
		time.Sleep(time.Minute) // of virtual time
		h.end("a1", nil)
		h.wantRunning(t)
		s.want("ack 1", "release 2", "release 3")
		if !w.log.has("waited for its turn") {
			t.Error("and nothing is said about it")
		}
		s.give(event("b", "b1", 2))
		h.wantRunning(t, "b1#2")
		h.end("b1", nil)
		s.want("ack 4")
	})
}

func TestHandlerContext(t *testing.T) {
	h := newScript()
	type key struct{}
	var ended []string
	cfg := Config{AckTimeout: time.Minute, Context: func(ctx context.Context, event *Event) context.Context {
		context.AfterFunc(ctx, func() { ended = append(ended, event.GetReceived().GetName()) })
		return context.WithValue(ctx, key{}, "traced")
	}}
	inWorld(t, cfg, h, func(w *world) {
		s := w.member()
		began := time.Now()
		s.give(event("a", "a1", 1))
		h.wantRunning(t, "a1")
		ctx := h.ctx("a1")
		if deadline, ok := ctx.Deadline(); !ok || !deadline.Equal(began.Add(time.Minute)) {
			t.Errorf("deadline %v", deadline)
		}
		if ctx.Value(key{}) != "traced" || ctx.Value(ctxKey{}) != "of Run" {
			t.Error("values are missing")
		}
		if ctx.Err() != nil || len(ended) != 0 {
			t.Errorf("%v, %q while the handler runs", ctx.Err(), ended)
		}
		h.end("a1", nil)
		if ctx.Err() == nil || !slices.Equal(ended, []string{"a1"}) {
			t.Errorf("%v, %q when the handler has returned", ctx.Err(), ended)
		}
	})
}
