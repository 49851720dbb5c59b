package consumer

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

var errBroken = status.Error(codes.Unavailable, "transport is closing")

func TestReconnects(t *testing.T) {
	h := newScript()
	inWorld(t, Config{ReconnectPause: exactly}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1), event("a", "a2", 1), event("b", "b1", 1))
		h.wantRunning(t, "a1", "b1")
		h.end("b1", nil)
		s.want("ack 3")
		s.answers <- errBroken

		again := w.member()
		if cause := context.Cause(h.ctx("a1")); !errors.Is(cause, ErrStreamLost) || h.ctx("a1").Err() == nil {
			t.Errorf("the context of the running handler ended with %v", cause)
		}
		again.give(event("a", "a1", 2), event("a", "a2", 1))
		h.wantRunning(t) // K1: the first handler of a1 still runs
		h.end("a1", nil)
		h.wantRunning(t, "a1#2")
		again.want() // what it said was about the old stream
		h.end("a1", nil)
		h.wantRunning(t, "a2")
		h.end("a2", nil)
		again.want("ack 1", "ack 2")
		s.want()
		if w.conn.resets != 1 {
			t.Errorf("the connection's backoff was reset %d times, want once", w.conn.resets)
		}
	})
}

// What was nacked on the old stream is no reason to distrust deliveries of the new one.
func TestFencesEndWithTheirStream(t *testing.T) {
	h := newScript()
	inWorld(t, Config{ReconnectPause: exactly}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 3))
		h.running()
		h.end("a1", errors.New("no"))
		s.answers <- errBroken
		w.member().give(event("a", "a2", 1))
		h.wantRunning(t, "a2")
		h.end("a2", nil)
	})
}

func TestReconnectPauses(t *testing.T) {
	withRetryInfo, err := status.New(codes.Unavailable, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	inWorld(t, Config{ReconnectPause: Backoff{time.Second, 3 * time.Second}}, HandlerFunc(nil), func(w *world) {
		failed := func(err error, least, most time.Duration) {
			t.Helper()
			began := time.Now()
			w.conn.refuse <- err
			for len(w.conn.refuse) > 0 {
				time.Sleep(time.Millisecond) // of virtual time
			}
			if got := time.Since(began); got < least || got > most+2*time.Millisecond {
				t.Errorf("tried again after %v, want %v to %v", got, least, most)
			}
		}
		s := w.member()
		w.conn.refuse <- errBroken
		s.answers <- errBroken
		synctest.Wait()
		began := time.Now()
		for len(w.conn.refuse) > 0 {
			time.Sleep(time.Millisecond) // of virtual time
		}
		if got := time.Since(began); got > 1002*time.Millisecond {
			t.Errorf("first after %v", got)
		}
		failed(status.Error(codes.ResourceExhausted, "too many groups"), 1600*time.Millisecond, 2*time.Second)
		failed(withRetryInfo.Err(), 2400*time.Millisecond, 3*time.Second)
		failed(errBroken, time.Minute, time.Minute)
		s = w.member() // which puts it right
		s.answers <- io.EOF
		failed(errBroken, 800*time.Millisecond, time.Second)
	})
}

func TestErrorsThatEndRun(t *testing.T) {
	for code, ends := range map[codes.Code]bool{
		codes.InvalidArgument: true, codes.NotFound: true, codes.FailedPrecondition: true, codes.Unauthenticated: true,
		codes.PermissionDenied: true, codes.Unimplemented: true,
		codes.Unavailable: false, codes.ResourceExhausted: false, codes.Internal: false, codes.Unknown: false, codes.DeadlineExceeded: false,
		codes.Canceled: false, codes.Aborted: false, codes.DataLoss: false,
	} {
		t.Run(code.String(), func(t *testing.T) {
			inWorld(t, Config{}, HandlerFunc(nil), func(w *world) {
				s := <-w.conn.streams
				s.answers <- status.Error(code, "so it is")
				if !ends {
					w.member()
					return
				}
				if err := w.ends(); status.Code(err) != code {
					t.Errorf("Run returns %v", err)
				}
			})
		})
	}
}

// An error that ends Run lets the handlers that run come to their end.
func TestErrorWaitsForHandlers(t *testing.T) {
	h := newScript()
	inWorld(t, Config{}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1))
		s.answers <- status.Error(codes.PermissionDenied, "not any more")
		synctest.Wait()
		select {
		case err := <-w.result:
			t.Fatalf("Run returns %v while a handler runs", err)
		default:
		}
		h.end("a1", nil)
		if err := w.ends(); status.Code(err) != codes.PermissionDenied {
			t.Errorf("Run returns %v", err)
		}
	})
}

func TestStreamMustBeginWithOpened(t *testing.T) {
	inWorld(t, Config{}, HandlerFunc(nil), func(w *world) {
		s := <-w.conn.streams
		s.answers <- &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Batch{Batch: &realtimev1.ConsumeBatch{}}}
		w.member()
		if !w.log.has("did not begin with opened") {
			t.Errorf("logged %s", w.log.text.String())
		}
	})
}

func TestOpensWithItsConfig(t *testing.T) {
	cfg := Config{
		Namespaces: []string{"/", "/chat"}, Kinds: []realtimev1.EventKind{realtimev1.EventKind_EVENT_KIND_RECEIVED}, EventNames: []string{"x"},
		EventPrefixes: []string{"y:"}, MaxEvents: 7, MaxBytes: 1 << 20, AckTimeout: time.Minute,
	}
	inWorld(t, cfg, HandlerFunc(nil), func(w *world) {
		s := <-w.conn.streams
		open := (<-s.said).(*realtimev1.ConsumeRequest).GetOpen()
		want := `group:"g" namespaces:"/" namespaces:"/chat" kinds:EVENT_KIND_RECEIVED event_names:"x" event_prefixes:"y:" ` +
			`max_events:7 max_bytes:1048576 ack_timeout:{seconds:60}`
		if got := strings.ReplaceAll(open.String(), "  ", " "); got != want {
			t.Errorf("opens with\n%s, want\n%s", got, want)
		}
	})
}

func TestOpenedComesBeforeEvents(t *testing.T) {
	var order []string
	var contexts []context.Context
	fail := true
	cfg := Config{Opened: func(ctx context.Context, opened *realtimev1.ConsumeOpened) error {
		order = append(order, "opened")
		contexts = append(contexts, ctx)
		if fail {
			fail = false
			return status.Error(codes.NotFound, "not now") // which would end Run, were it the stream's
		}
		return nil
	}}
	handler := HandlerFunc(func(_ context.Context, event *Event) error {
		order = append(order, event.GetReceived().GetName())
		return nil
	})
	inWorld(t, cfg, handler, func(w *world) {
		first := w.member()
		if !first.closed || first.ctx.Err() == nil || contexts[0].Err() == nil {
			t.Error("the stream is kept though Opened failed, or not closed in order")
		}
		second := w.member()
		second.give(event("a", "a1", 1))
		if got := strings.Join(order, " "); got != "opened opened a1" {
			t.Errorf("order %s", got)
		}
		if contexts[1].Err() != nil {
			t.Errorf("the context of Opened has ended: %v", contexts[1].Err())
		}
		second.answers <- errBroken
		synctest.Wait()
		if contexts[1].Err() == nil {
			t.Error("the context of Opened outlives its stream")
		}
	})
}

func TestGivesUpAStreamThatDoesNotEnd(t *testing.T) {
	cfg := Config{ReconnectPause: exactly, Opened: func(context.Context, *realtimev1.ConsumeOpened) error { return errors.New("no") }}
	inWorld(t, cfg, HandlerFunc(nil), func(w *world) {
		s := <-w.conn.streams
		s.deaf = true
		s.answers <- &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Opened{Opened: &realtimev1.ConsumeOpened{}}}
		s.answers <- &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Batch{Batch: &realtimev1.ConsumeBatch{
			Deliveries: []*realtimev1.ConsumeDelivery{event("a", "a1", 1)},
		}}}
		began := time.Now()
		<-w.conn.streams
		if got := time.Since(began); got != closeGrace+exactly.Base || s.ctx.Err() == nil {
			t.Errorf("given up after %v, %v", got, s.ctx.Err())
		}
	})
}

func TestDrainsWhenItsContextEnds(t *testing.T) {
	h := newScript()
	inWorld(t, Config{Concurrency: 1}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1), event("a", "a2", 1), event("b", "b1", 1))
		h.wantRunning(t, "a1")
		w.cancel()
		s.want("leave", "release 2", "release 3")
		if err := h.ctx("a1").Err(); err != nil {
			t.Errorf("the context of the running handler: %v", err)
		}
		s.give(event("c", "c1", 1)) // was on its way
		s.want("release 4")
		h.end("a1", nil)
		s.want("ack 1")
		select {
		case err := <-w.result:
			t.Fatalf("Run returns %v before the server has ended the stream", err)
		default:
		}
		s.answers <- io.EOF
		if err := w.ends(); err != nil {
			t.Errorf("Run returns %v", err)
		}
		h.wantRunning(t)
	})
}

func TestDrain(t *testing.T) {
	h := newScript()
	inWorld(t, Config{DrainTimeout: time.Nanosecond}, h, func(w *world) {
		s := w.member()
		s.give(event("a", "a1", 1))
		drained := make(chan error, 1)
		go func() { drained <- w.consumer.Drain(w.Context()) }()
		s.want("leave")
		time.Sleep(time.Minute / 3) // of virtual time: DrainTimeout is for those who only end the context
		h.end("a1", nil)
		s.want("ack 1")
		s.answers <- io.EOF
		if err := <-drained; err != nil {
			t.Errorf("Drain returns %v", err)
		}
		if err := w.ends(); err != nil {
			t.Errorf("Run returns %v", err)
		}
		if err := w.consumer.Drain(w.Context()); err != nil {
			t.Errorf("the second Drain returns %v", err)
		}
	})
}

func TestCutOff(t *testing.T) {
	obeys := HandlerFunc(func(ctx context.Context, _ *Event) error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
	for _, tt := range []struct {
		name    string
		handler Handler // nil: a script
		leave   func(w *world)
		after   time.Duration
		want    string
	}{
		{"handlers that obey", obeys, func(w *world) { w.cancel() }, 10 * time.Second, "consumer: cut off before it was drained"},
		{"by Drain", obeys, func(w *world) {
			ctx, cancel := context.WithTimeout(w.Context(), 2*time.Second)
			go func() {
				defer cancel()
				_ = w.consumer.Drain(ctx)
			}()
		}, 2 * time.Second, "consumer: cut off before it was drained"},
		{"handlers that do not", nil, func(w *world) { w.cancel() }, 10*time.Second + cutGrace, "cut off before it was drained: 1 handlers still run"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newScript()
			if tt.handler == nil {
				tt.handler = h
			}
			inWorld(t, Config{}, tt.handler, func(w *world) {
				w.member().give(event("a", "a1", 1))
				began := time.Now()
				tt.leave(w)
				err := w.ends()
				if !errors.Is(err, ErrCutOff) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Run returns %v, want %s", err, tt.want)
				}
				if got := time.Since(began); got != tt.after {
					t.Errorf("after %v, want %v", got, tt.after)
				}
				h.end("a1", nil)
			})
		})
	}
}

// Nothing is unsettled, but the server does not end the stream.
func TestCutOffOfAStreamThatDoesNotEnd(t *testing.T) {
	inWorld(t, Config{}, HandlerFunc(nil), func(w *world) {
		w.member()
		w.cancel()
		if err := w.ends(); !errors.Is(err, ErrCutOff) {
			t.Errorf("Run returns %v", err)
		}
	})
}

func TestLeavesAtAnyMoment(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg   Config
		until func(w *world)
	}{
		"before opened": {Config{}, func(w *world) { <-w.conn.streams }},
		"in Opened": {Config{Opened: func(ctx context.Context, _ *realtimev1.ConsumeOpened) error {
			<-ctx.Done()
			return nil
		}}, func(w *world) { w.member() }},
		"in a pause": {Config{ReconnectPause: Backoff{time.Hour, time.Hour}}, func(w *world) { w.member().answers <- errBroken }},
		"as the stream breaks": {Config{}, func(w *world) {
			s := w.member()
			w.cancel()
			synctest.Wait()
			s.answers <- errBroken
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, tt.cfg, HandlerFunc(nil), func(w *world) {
				tt.until(w)
				synctest.Wait()
				began := time.Now()
				w.cancel()
				if err := w.ends(); err != nil || time.Since(began) != 0 {
					t.Errorf("Run returns %v after %v", err, time.Since(began))
				}
			})
		})
	}
}

func TestRunsOnce(t *testing.T) {
	inWorld(t, Config{}, HandlerFunc(nil), func(w *world) {
		w.member()
		if err := w.consumer.Run(w.Context(), HandlerFunc(nil)); !errors.Is(err, ErrUsed) {
			t.Errorf("the second Run returns %v", err)
		}
	})
}

func TestDrainBeforeRun(t *testing.T) {
	c, err := New(newFakeConn(), Config{Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Drain(t.Context()), c.Run(t.Context(), HandlerFunc(nil))); err != nil {
		t.Error(err)
	}
}

func TestReplyFailed(t *testing.T) {
	failed := &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_ReplyFailed{ReplyFailed: &realtimev1.ConsumeReplyFailed{
		AckToken: "token", Error: &realtimev1.Status{Code: int32(codes.FailedPrecondition), Message: "answered before"},
	}}}
	t.Run("hook", func(t *testing.T) {
		var tokens []string
		cfg := Config{ReplyFailed: func(token string, err error) { tokens = append(tokens, token, status.Code(err).String()) }}
		inWorld(t, cfg, HandlerFunc(nil), func(w *world) {
			w.member().answers <- failed
			synctest.Wait()
			if got := strings.Join(tokens, " "); got != "token FailedPrecondition" {
				t.Errorf("told %q", got)
			}
		})
	})
	t.Run("log", func(t *testing.T) {
		inWorld(t, Config{}, HandlerFunc(nil), func(w *world) {
			w.member().answers <- failed
			synctest.Wait()
			if !w.log.has("level=DEBUG") || !w.log.has("answered before") {
				t.Errorf("logged %s", w.log.text.String())
			}
		})
	})
}

// A message of a kind that was added to the contract later is ignored.
func TestIgnoresWhatItDoesNotKnow(t *testing.T) {
	h := newScript()
	inWorld(t, Config{}, h, func(w *world) {
		s := w.member()
		s.answers <- &realtimev1.ConsumeResponse{}
		s.give(event("a", "a1", 1))
		h.wantRunning(t, "a1")
		h.end("a1", nil)
		s.want("ack 1")
	})
}
