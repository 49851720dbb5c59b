package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// cutGrace is how long Run waits for handlers whose contexts it has ended.
const cutGrace = time.Second

// ErrUsed is what [Consumer.Run] returns the second time.
var ErrUsed = errors.New("consumer: Run was called before")

// Consumer is a member of a consumer group. Drain may be called from any goroutine.
type Consumer struct {
	// Fixed at construction.
	cfg    Config
	events realtimev1.EventServiceClient
	conn   grpc.ClientConnInterface
	quit   context.Context // ends when Drain is called
	leave  context.CancelFunc
	done   chan struct{} // closed when Run has returned

	mu       sync.Mutex // guards the following
	used     bool
	patience context.Context // of Drain; nil before
	err      error           // of Run
}

// New makes a consumer that uses a connection, which stays the caller's. It makes no call yet. A server that vanishes without a word is
// noticed if the connection has grpc.WithKeepaliveParams.
//
// Errors: those of [Config.Validate].
func New(conn grpc.ClientConnInterface, config Config) (*Consumer, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	quit, leave := context.WithCancel(context.Background())
	return &Consumer{
		cfg: config.withDefaults(), events: realtimev1.NewEventServiceClient(conn), conn: conn,
		quit: quit, leave: leave, done: make(chan struct{}),
	}, nil
}

// Run has handler handle the group's events until ctx ends or Drain is called, and then leaves the group as the package's documentation says.
// Handlers' contexts have the values of ctx and not its end. Run may be called once.
//
// Streams that break are opened again after a pause, for as long as it takes. These end Run with their gRPC status, as trying again is
// of no use: INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNAUTHENTICATED, PERMISSION_DENIED, UNIMPLEMENTED. The handlers that run then
// are waited for as when ctx ends.
//
// It returns nil if it was asked to leave and no handler is left. Other errors: ErrCutOff, ErrUsed.
func (c *Consumer) Run(ctx context.Context, handler Handler) error {
	c.mu.Lock()
	used := c.used
	c.used = true
	c.mu.Unlock()
	if used {
		return ErrUsed
	}
	defer close(c.done)
	if c.quit.Err() != nil {
		return nil // drained before it began
	}
	err := c.run(ctx, handler)
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
	return err
}

// Drain has Run leave the group, waits until it has returned, and returns what it did. When ctx ends first, the contexts of the handlers
// that still run end; Config.DrainTimeout is not looked at. If Run was not called, it will return at once. A handler must not call it: it
// would wait for itself.
func (c *Consumer) Drain(ctx context.Context) error {
	c.mu.Lock()
	used := c.used
	if c.patience == nil {
		c.patience = ctx
	}
	c.mu.Unlock()
	c.leave()
	if !used {
		return nil
	}
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Consumer) run(ctx context.Context, handler Handler) error {
	quit, leave := context.WithCancel(ctx)
	defer leave()
	defer context.AfterFunc(c.quit, leave)()
	base, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	d := newDispatcher(c.cfg, handler)

	var watching sync.WaitGroup
	over, finished := context.WithCancel(context.Background())
	watching.Go(func() { c.watch(quit, over, cut) })
	link := link{c.conn, c.cfg.ReconnectPause, c.cfg.Logger.With("group", c.cfg.Group)}
	err := link.keep(quit, func() (bool, error) { return c.serve(base, quit, d) })
	leave() // if err is why; what runs is waited for in either case
	d.drain()
	left := d.close(base)
	cutOff := base.Err() != nil
	finished()
	watching.Wait()
	switch {
	case left > 0:
		return errors.Join(err, fmt.Errorf("%w: %d handlers still run", ErrCutOff, left))
	case cutOff:
		return errors.Join(err, ErrCutOff)
	}
	return err
}

// watch cuts off what has not come to its end in time after quit.
func (c *Consumer) watch(quit, over context.Context, cut context.CancelCauseFunc) {
	<-quit.Done()
	c.mu.Lock()
	patience := c.patience
	c.mu.Unlock()
	if patience == nil {
		var cancel context.CancelFunc
		patience, cancel = context.WithTimeout(context.Background(), c.cfg.DrainTimeout)
		defer cancel()
	}
	select {
	case <-patience.Done():
		cut(ErrCutOff)
	case <-over.Done():
	}
}
