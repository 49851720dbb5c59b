package tracing

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// observed makes n spans.
func observed(t *Tracing, n int) {
	observer := t.Observer(quiet{})
	for range n {
		observer.Observe(&rooms.Event{Kind: rooms.KindEvent})
	}
}

// flush exports what waits.
func flush(t *testing.T, tracing *Tracing) {
	t.Helper()
	if err := tracing.provider.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The log hears when exports begin to fail, once a minute while they do, and when they succeed again; every lost span is in
// one of the lines.
func TestFailuresAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		fails := true
		c := &collector{answer: func(context.Context) error {
			if fails {
				return errors.New("nobody there")
			}
			return nil
		}}
		tracing := start(t, c, logTo(&log))
		for range 12 { // of 10 s each
			observed(tracing, 3)
			flush(t, tracing)
			time.Sleep(10 * time.Second)
		}
		fails = false
		observed(tracing, 5)
		flush(t, tracing)
		observed(tracing, 5)
		flush(t, tracing)
		want := `level=WARN msg="traces are not exported" error="nobody there" spans_lost=3
level=WARN msg="traces are not exported" error="nobody there" spans_lost=18
level=INFO msg="traces are exported again" spans_lost=15
`
		if log.String() != want {
			t.Errorf("logged\n%swant\n%s", log.String(), want)
		}
		if got, want := tracing.Stats(), (Stats{Recorded: 46, Exported: 10, Lost: 36}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		tracing.Shutdown(t.Context())
	})
}

// A collector that takes spans and never answers: nothing waits for it but the end of the process, and that only as long as
// it may.
func TestDeadCollectorHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := &collector{answer: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }}
		tracing := start(t, c, logTo(&log))
		began := time.Now()
		observed(tracing, 5000) // more than the queue holds
		if waited := time.Since(began); waited != 0 {
			t.Errorf("clients waited %v", waited)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		tracing.Shutdown(ctx)
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("the end took %v", waited)
		}
		stats := tracing.Stats()
		if stats.Recorded != 5000 || stats.Exported != 0 || stats.Lost < 2048 || stats.Lost > 2048+512 {
			t.Errorf("%+v", stats)
		}
		if !strings.Contains(log.String(), "the process ended first") || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("logged\n%s", log.String())
		}
	})
}

// What waits at the end is sent, and a second end is harmless.
func TestShutdownSendsWhatWaits(t *testing.T) {
	c := &collector{}
	tracing := start(t, c)
	observed(tracing, 2000)
	if spans := flushed(t, tracing, c); len(spans) != 2000 {
		t.Errorf("%d spans", len(spans))
	}
	tracing.Shutdown(t.Context())
	observed(tracing, 1)
	if got, want := tracing.Stats(), (Stats{Recorded: 2000, Exported: 2000}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
