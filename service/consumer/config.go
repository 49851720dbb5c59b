package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Config says which events a [Consumer] gets, and how it treats them. All members of a group must say the same in Namespaces, Kinds,
// EventNames and EventPrefixes.
type Config struct {
	// Group is the name of the consumer group, 1 to 256 bytes. Required.
	Group string
	// Namespaces are those whose events come, e.g. "/chat". Empty: all.
	Namespaces []string
	// Kinds are the kinds of events that come. Empty: connected, received and disconnected.
	Kinds []realtimev1.EventKind
	// EventNames are the names of the received events that come, and EventPrefixes what their names may begin with instead. Both empty:
	// all. Other kinds are not filtered by them.
	EventNames, EventPrefixes []string

	// MaxEvents is how many events the server may send before any of them is settled, 1 to 100,000. Zero means 256.
	MaxEvents int
	// MaxBytes is how many bytes these may have together, 64 KiB to 1 GiB. Zero means 8 MiB.
	MaxBytes int64
	// AckTimeout is how long an event may be here before the server sends it again, waiting for its turn included: 100 milliseconds to
	// 1 hour. It is the deadline of the handler's context. Zero means 30 seconds.
	AckTimeout time.Duration
	// Concurrency is how many handlers run at a time, 1 to 100,000. Zero means 64.
	Concurrency int

	// RetryPause is how long an event whose handler failed is held back: Base after the first attempt, twice as much after each further
	// one. Base is at most 1 hour. Zero means 200 milliseconds up to 1 minute.
	RetryPause Backoff
	// ReconnectPause is the same for a stream that broke; it starts afresh with a stream that stands. A server that says how long to
	// wait (RetryInfo) is obeyed. Zero means 100 milliseconds up to 5 seconds.
	ReconnectPause Backoff
	// DrainTimeout is how long handlers may go on after the context of Run has ended. Then their contexts end. Zero means 10 seconds.
	DrainTimeout time.Duration

	// Opened is called when the membership stands, each time that it does, before the first event of that stream is handled; events wait
	// meanwhile, and AckTimeout runs. ctx ends with the stream. On an error the stream is given up and opened anew after a pause. It is for
	// taking stock: what has happened before Opened is called can be asked for, what happens later comes as an event. Nil: nothing is called.
	Opened func(ctx context.Context, opened *realtimev1.ConsumeOpened) error
	// Context makes the context of a handler out of the one it would get: to begin a span, for example, with event.GetTraceparent() as its
	// parent. ctx ends when the handler has returned, which context.AfterFunc notices. It must return ctx or one made of it. Nil: ctx.
	Context func(ctx context.Context, event *Event) context.Context
	// ReplyFailed is told of each reply that did not reach its client, with a gRPC status as error: mostly that the client has left
	// meanwhile. It must not block. Nil: it is logged at level debug.
	ReplyFailed func(ackToken string, err error)
	// Logger is told of streams that break, and of handlers that fail. Nil means slog.Default().
	Logger *slog.Logger
}

// Bounds of the contract (proto/realtime/v1/event_service.proto), and what zero stands for.
const (
	maxGroup         = 256
	maxMaxEvents     = 100_000
	minMaxBytes      = 64 << 10
	maxMaxBytes      = 1 << 30
	minAckTimeout    = 100 * time.Millisecond
	maxAckTimeout    = time.Hour
	maxRetryPause    = time.Hour
	maxConcurrency   = 100_000
	defMaxEvents     = 256
	defMaxBytes      = 8 << 20
	defAckTimeout    = 30 * time.Second
	defConcurrency   = 64
	defDrainTimeout  = 10 * time.Second
	defRetryBase     = 200 * time.Millisecond
	defRetryMax      = time.Minute
	defReconnectBase = 100 * time.Millisecond
	defReconnectMax  = 5 * time.Second
)

// Validate reports every field that is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("consumer: "+format, args...))
		}
	}
	check(len(c.Group) >= 1 && len(c.Group) <= maxGroup, "Group must have 1 to %d bytes, not %d", maxGroup, len(c.Group))
	check(c.MaxEvents >= 1 && c.MaxEvents <= maxMaxEvents, "MaxEvents must be 1 to %d, not %d", maxMaxEvents, c.MaxEvents)
	check(c.MaxBytes >= minMaxBytes && c.MaxBytes <= maxMaxBytes, "MaxBytes must be %d to %d, not %d", minMaxBytes, maxMaxBytes, c.MaxBytes)
	check(c.AckTimeout >= minAckTimeout && c.AckTimeout <= maxAckTimeout,
		"AckTimeout must be %v to %v, not %v", minAckTimeout, maxAckTimeout, c.AckTimeout)
	check(c.Concurrency >= 1 && c.Concurrency <= maxConcurrency, "Concurrency must be 1 to %d, not %d", maxConcurrency, c.Concurrency)
	check(c.RetryPause.valid() && c.RetryPause.Base <= maxRetryPause, "RetryPause must be positive and rising, its Base at most %v, not %+v",
		maxRetryPause, c.RetryPause)
	check(c.ReconnectPause.valid(), "ReconnectPause must be positive and rising, not %+v", c.ReconnectPause)
	check(c.DrainTimeout > 0, "DrainTimeout must be positive, not %v", c.DrainTimeout)
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	orDefault(&c.MaxEvents, defMaxEvents)
	orDefault(&c.MaxBytes, defMaxBytes)
	orDefault(&c.AckTimeout, defAckTimeout)
	orDefault(&c.Concurrency, defConcurrency)
	orDefault(&c.DrainTimeout, defDrainTimeout)
	orDefault(&c.RetryPause, Backoff{defRetryBase, defRetryMax})
	orDefault(&c.ReconnectPause, Backoff{defReconnectBase, defReconnectMax})
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// open is what the member says first.
func (c Config) open() *realtimev1.ConsumeOpen {
	return &realtimev1.ConsumeOpen{
		Group: c.Group, Namespaces: c.Namespaces, Kinds: c.Kinds, EventNames: c.EventNames, EventPrefixes: c.EventPrefixes,
		MaxEvents: uint32(c.MaxEvents), MaxBytes: uint64(c.MaxBytes), AckTimeout: durationpb.New(c.AckTimeout),
	}
}

// Backoff is a pause that doubles: Base the first time, at most Max. Up to a fifth less at random, so that many who fail together do not
// come back together.
type Backoff struct {
	// Base is the first pause. It must be positive.
	Base time.Duration
	// Max is the longest. It must not be less than Base.
	Max time.Duration
}

func (b Backoff) valid() bool { return b.Base > 0 && b.Max >= b.Base }

// pause is how long to wait after the given number of failures in a row, 1 or more.
func (b Backoff) pause(failures int) time.Duration {
	pause := b.Base
	for ; failures > 1 && pause < b.Max; failures-- {
		pause += min(pause, b.Max-pause) // which does not overflow
	}
	return pause - rand.N(pause/5+1)
}
