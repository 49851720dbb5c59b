package service

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/service/access"
)

func keyed(key, event string) *realtimev1.EmitRequest {
	return &realtimev1.EmitRequest{Target: everyone(), Event: event, IdempotencyKey: key}
}

// A repeated key is answered like the first; it does not matter by which method it comes.
func TestIdempotencyKeys(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "")
	e := w.emitStream(t)
	first, err := w.emit.Emit(w.ctx, keyed("k", "one"))
	if err != nil || first.GetReplayed() || first.GetMatched() != 1 {
		t.Fatalf("%v, %v", first, err)
	}
	w.socket(t, "/", "") // who comes later was not met
	for range 2 {
		again, err := w.emit.Emit(w.ctx, keyed("k", "one"))
		if err != nil || !again.GetReplayed() || again.GetMatched() != 1 || again.GetDelivered() != 1 {
			t.Errorf("%v, %v", again, err)
		}
	}
	if r := e.ask(1, keyed("k", "one")).GetEmitted(); !r.GetReplayed() || r.GetMatched() != 1 {
		t.Errorf("%v", r)
	}
	_, err = w.emit.Emit(w.ctx, keyed("k", "two"))
	wantStatus(t, err, codes.FailedPrecondition, "IDEMPOTENCY_CONFLICT")
	wantStatus(t, fromStatus(e.ask(2, keyed("k", "two")).GetError()), codes.FailedPrecondition, "IDEMPOTENCY_CONFLICT")
	if got := f.events(); len(got) != 1 || got[0] != "one" {
		t.Errorf("events %v", got)
	}
	if got, want := w.svc.Idempotency(), (IdempotencyStats{Keys: 1, Replayed: 3, Conflicts: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What fails is not remembered: the caller mends its request, or tries again.
func TestFailedEmitsAreNotRemembered(t *testing.T) {
	w := newWorld(t)
	bad := keyed("k", "e")
	bad.Target = &realtimev1.Target{Namespace: "/none"}
	for range 2 {
		_, err := w.emit.Emit(w.ctx, bad)
		wantStatus(t, err, codes.NotFound, "NAMESPACE_NOT_FOUND")
	}
	if r, err := w.emit.Emit(w.ctx, keyed("k", "e")); err != nil || r.GetReplayed() {
		t.Errorf("%v, %v", r, err)
	}
	long := keyed(string(make([]byte, maxKeyBytes+1)), "")
	_, err := w.emit.Emit(w.ctx, long)
	wantStatus(t, err, codes.InvalidArgument, "", "idempotency_key", "event")
}

// Keys of callers with different names do not meet.
func TestIdempotencyKeysAreTheCallers(t *testing.T) {
	p := newRepeats(IdempotencyConfig{}.withDefaults())
	emits := 0
	for _, caller := range []string{"", "a", "b", "a", ""} {
		if _, err := p.do(t.Context(), caller, keyed("k", caller), func() (*realtimev1.EmitResponse, error) {
			emits++
			return &realtimev1.EmitResponse{}, nil
		}); err != nil {
			t.Error(err)
		}
	}
	if emits != 3 {
		t.Errorf("%d emits", emits)
	}
	if callerOf(access.NewContext(t.Context(), nil)) != "" {
		t.Error("nobody has a name")
	}
}

// The window begins when the request was carried out; then the key is new again.
func TestIdempotencyWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRepeats(IdempotencyConfig{Window: time.Minute}.withDefaults())
		do := func(key string) bool {
			r, err := p.do(t.Context(), "", keyed(key, "e"), func() (*realtimev1.EmitResponse, error) {
				time.Sleep(10 * time.Second) // virtual
				return &realtimev1.EmitResponse{}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return r.GetReplayed()
		}
		do("k")
		time.Sleep(time.Minute - 1)
		if !do("k") {
			t.Error("forgotten within the window")
		}
		time.Sleep(time.Nanosecond)
		if got := p.snapshot().Keys; got != 0 {
			t.Errorf("%d keys after the window", got)
		}
		if do("k") {
			t.Error("remembered after the window")
		}
	})
}

// Beyond the bound the oldest is forgotten, and this is counted.
func TestIdempotencyKeysAreBounded(t *testing.T) {
	p := newRepeats(IdempotencyConfig{Keys: 3}.withDefaults())
	do := func(i int) bool {
		r, err := p.do(t.Context(), "", keyed(fmt.Sprint(i), "e"), func() (*realtimev1.EmitResponse, error) { return &realtimev1.EmitResponse{}, nil })
		if err != nil {
			t.Fatal(err)
		}
		return r.GetReplayed()
	}
	for i := range 5 {
		do(i)
	}
	if do(4); !do(2) || do(1) {
		t.Error("not the oldest were forgotten")
	}
	if got, want := p.snapshot(), (IdempotencyStats{Keys: 3, Replayed: 2, Forgotten: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(p.known) != p.order.Len() {
		t.Errorf("%d keys, %d in order", len(p.known), p.order.Len())
	}
}

// Who comes while the first is carried out waits for it: one of them is carried out, whoever fails.
func TestRepeatsWaitForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRepeats(IdempotencyConfig{}.withDefaults())
		var began, carried, replayed atomic.Int32
		emit := func() (*realtimev1.EmitResponse, error) {
			n := began.Add(1)
			time.Sleep(time.Second) // virtual
			if n == 1 {
				return nil, errors.New("fails")
			}
			carried.Add(1)
			return &realtimev1.EmitResponse{Matched: 5}, nil
		}
		failed := make(chan error, 9)
		for range 9 {
			go func() {
				r, err := p.do(t.Context(), "", keyed("k", "e"), emit)
				if r.GetReplayed() && r.GetMatched() == 5 {
					replayed.Add(1)
				}
				failed <- err
			}()
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		synctest.Wait()
		if _, err := p.do(impatient, "", keyed("k", "e"), emit); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who does not wait gets %v", err)
		}
		errs := 0
		for range 9 {
			if err := <-failed; err != nil {
				errs++
			}
		}
		if errs != 1 || carried.Load() != 1 || replayed.Load() != 7 {
			t.Errorf("%d failed, %d carried out, %d replayed", errs, carried.Load(), replayed.Load())
		}
	})
}

// A panic while the request is carried out does not leave those waiting who repeat it.
func TestRepeatsSurviveAPanic(t *testing.T) {
	p := newRepeats(IdempotencyConfig{}.withDefaults())
	func() {
		defer func() { _ = recover() }()
		_, _ = p.do(t.Context(), "", keyed("k", "e"), func() (*realtimev1.EmitResponse, error) { panic("a bug") })
	}()
	if r, err := p.do(t.Context(), "", keyed("k", "e"), func() (*realtimev1.EmitResponse, error) { return &realtimev1.EmitResponse{}, nil }); err != nil || r.GetReplayed() {
		t.Errorf("%v, %v", r, err)
	}
}

func BenchmarkEmitWithKey(b *testing.B) {
	p := newRepeats(IdempotencyConfig{}.withDefaults())
	response := &realtimev1.EmitResponse{}
	r := &realtimev1.EmitRequest{Target: everyone(), Event: "e", Arguments: `["about as long as what people say"]`}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		r.IdempotencyKey = fmt.Sprint(i)
		if _, err := p.do(b.Context(), "", r, func() (*realtimev1.EmitResponse, error) { return response, nil }); err != nil {
			b.Fatal(err)
		}
	}
}
