package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Handler handles events. It is called from many goroutines, for the events of one socket by one after the other, in their order. What its
// error does is the package's documentation.
type Handler interface {
	// Handle handles one event. ctx ends when the event is this member's no longer: [Config.AckTimeout] has passed, the stream broke
	// ([ErrStreamLost] is the cause), or the consumer was cut off as it drained ([ErrCutOff]). The event may be kept; Reply is of no use
	// after the return.
	Handle(ctx context.Context, event *Event) error
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, event *Event) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, event *Event) error { return f(ctx, event) }

// Funcs is a [Handler] with a function for each kind of event. An event whose function is nil is acknowledged and nothing else.
type Funcs struct {
	// Connected is called when a client has connected to a namespace.
	Connected func(ctx context.Context, event *Event, connected *realtimev1.Connected) error
	// Received is called when a client has sent an event.
	Received func(ctx context.Context, event *Event, received *realtimev1.Received) error
	// Disconnected is called when a socket is gone.
	Disconnected func(ctx context.Context, event *Event, disconnected *realtimev1.Disconnected) error
	// Other is called for all other kinds, which come only if Config.Kinds names them.
	Other func(ctx context.Context, event *Event) error
}

// Handle calls the function for the kind of event.
func (f Funcs) Handle(ctx context.Context, event *Event) error {
	switch kind := event.GetKind().(type) {
	case *realtimev1.Event_Connected:
		return callIf(ctx, f.Connected, event, kind.Connected)
	case *realtimev1.Event_Received:
		return callIf(ctx, f.Received, event, kind.Received)
	case *realtimev1.Event_Disconnected:
		return callIf(ctx, f.Disconnected, event, kind.Disconnected)
	}
	if f.Other == nil {
		return nil
	}
	return f.Other(ctx, event)
}

func callIf[K any](ctx context.Context, f func(context.Context, *Event, K) error, event *Event, kind K) error {
	if f == nil {
		return nil
	}
	return f(ctx, event, kind)
}

// Causes of a handler's context that has ended (context.Cause), beside context.DeadlineExceeded.
var (
	// ErrStreamLost says that the stream which the event came on broke. The event comes again.
	ErrStreamLost = errors.New("consumer: the stream is lost")
	// ErrCutOff says that the time for draining was up. It is also what Run returns then.
	ErrCutOff = errors.New("consumer: cut off before it was drained")
)

// retryError is made by Retry.
type retryError struct {
	error
	after time.Duration
}

func (e *retryError) Unwrap() error { return e.error }

// Retry makes an error that has the event come again after the given time, 0 to 1 hour; what is beyond is cut. Nil stays nil.
func Retry(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryError{err, min(max(after, 0), maxRetryPause)}
}

// dropError is made by Drop.
type dropError struct{ error }

func (e *dropError) Unwrap() error { return e.error }

// Drop makes an error that has the event acknowledged though it was not handled: it would fail the next time, too. Nil stays nil.
func Drop(err error) error {
	if err == nil {
		return nil
	}
	return &dropError{err}
}

// panicError is what a handler panicked with.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// What is not a handler's error, but stands in for one.
var (
	errGoexit  = errors.New("consumer: the handler called runtime.Goexit")
	errTooLate = errors.New("consumer: the ack timeout passed before the handler began")
)

// verdict is what a handler's error comes to.
func verdict(err error, attempt uint32, pause Backoff) (acked bool, retryIn time.Duration) {
	if err == nil {
		return true, 0
	}
	if drop := (*dropError)(nil); errors.As(err, &drop) {
		return true, 0
	}
	if retry := (*retryError)(nil); errors.As(err, &retry) {
		return false, retry.after
	}
	return false, min(pause.pause(int(max(attempt, 1))), maxRetryPause)
}
