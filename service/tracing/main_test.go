package tracing

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/realtime-svc/realtime-svc/rooms"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector keeps what is exported, or answers otherwise.
type collector struct {
	answer func(ctx context.Context) error // nil: takes it

	mu    sync.Mutex // guards the following
	spans tracetest.SpanStubs
	ended bool
}

func (c *collector) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if c.answer != nil {
		if err := c.answer(ctx); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, tracetest.SpanStubsFromReadOnlySpans(spans)...)
	return nil
}

func (c *collector) Shutdown(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return errors.New("ended twice")
	}
	c.ended = true
	return nil
}

// start traces everything to c, and adds to the log.
func start(tb testing.TB, c *collector, change ...func(*Config)) *Tracing {
	tb.Helper()
	cfg := Config{Exporter: c, Ratio: 1, Node: "n1", Version: "v1", Namespaces: []string{"/", "/chat"}}
	for _, change := range change {
		change(&cfg)
	}
	t, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { t.Shutdown(context.Background()) })
	return t
}

// flushed ends t and returns what c has got.
func flushed(tb testing.TB, t *Tracing, c *collector) tracetest.SpanStubs {
	tb.Helper()
	t.Shutdown(tb.Context())
	if !c.ended {
		tb.Error("the exporter was not shut down")
	}
	return c.spans
}

// logTo lets the log be read.
func logTo(out *bytes.Buffer) func(*Config) {
	return func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
	}
}

// heard notes what reaches the observer behind.
type heard struct {
	events []rooms.Event
	flow   rooms.Flow
}

func (h *heard) Observe(e *rooms.Event) rooms.Flow {
	h.events = append(h.events, *e)
	return h.flow
}

// attributes returns a span's as a map.
func attributes(list []attribute.KeyValue) map[string]string {
	out := make(map[string]string)
	for _, a := range list {
		out[string(a.Key)] = a.Value.String()
	}
	return out
}
