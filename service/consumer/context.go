package consumer

import (
	"context"
	"sync"
	"time"
)

// eventContext is the context of one handler: that of its stream, until a deadline and until the handler returns. It makes the timer and the
// registrations of a context only for handlers that look at Done: most events are handled in less time than these take.
type eventContext struct {
	// Fixed before the handler begins.
	parent   context.Context
	deadline time.Time

	mu     sync.Mutex      // guards the following
	inner  context.Context // nil until somebody looks
	cancel context.CancelFunc
	over   bool // the handler has returned
}

// Deadline is when the server sends the event again.
func (c *eventContext) Deadline() (deadline time.Time, ok bool) { return c.deadline, true }

// Done is closed when the context ends.
func (c *eventContext) Done() <-chan struct{} { return c.real().Done() }

// Err says why the context has ended, if it has.
func (c *eventContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.inner != nil:
		return c.inner.Err()
	case c.over:
		return context.Canceled
	case c.parent.Err() != nil:
		return c.parent.Err()
	case !time.Now().Before(c.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

// Value is that of the context within, if there is one: package context asks it for the standard context beneath, so that contexts made of
// this one need no goroutine of their own, and context.Cause knows its cause.
func (c *eventContext) Value(key any) any {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return c.parent.Value(key)
}

func (c *eventContext) real() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.cancel = context.WithDeadline(c.parent, c.deadline)
		if c.over {
			c.cancel()
		}
	}
	return c.inner
}

// end ends the context, as the handler has returned.
func (c *eventContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.cancel != nil {
		c.cancel()
	}
}
