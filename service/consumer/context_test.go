package consumer

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// An eventContext is a context whether or not somebody looks at Done before it ends.
func TestEventContextEnds(t *testing.T) {
	lost := errors.New("lost")
	for _, tt := range []struct {
		name       string
		end        func(c *eventContext, cancel context.CancelCauseFunc)
		err, cause error
	}{
		{"not", func(*eventContext, context.CancelCauseFunc) {}, nil, nil},
		{"with the handler", func(c *eventContext, _ context.CancelCauseFunc) { c.end() }, context.Canceled, context.Canceled},
		{"with the stream", func(_ *eventContext, cancel context.CancelCauseFunc) { cancel(lost) }, context.Canceled, lost},
		{"in time", func(*eventContext, context.CancelCauseFunc) { time.Sleep(time.Minute) }, context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		for _, looks := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					c := &eventContext{parent: parent, deadline: time.Now().Add(time.Minute)} // time.Sleep is of virtual time
					defer c.end()
					if looks {
						c.Done()
					}
					tt.end(c, cancel)
					synctest.Wait()
					if err, cause := c.Err(), context.Cause(c); err != tt.err || cause != tt.cause {
						t.Errorf("looked at before: %v; ends with %v, %v, want %v, %v", looks, err, cause, tt.err, tt.cause)
					}
					select {
					case <-c.Done():
						if tt.err == nil {
							t.Error("Done is closed")
						}
					default:
						if tt.err != nil {
							t.Error("Done is not closed")
						}
					}
				})
			})
		}
	}
}

// What a handler makes of its context, for a call it makes, ends with it and needs no goroutine.
func TestEventContextHasChildren(t *testing.T) {
	c := &eventContext{parent: context.WithValue(t.Context(), ctxKey{}, "of the parent"), deadline: time.Now().Add(time.Hour)}
	before := runtime.NumGoroutine()
	children := make([]context.Context, 100)
	for i := range children {
		var cancel context.CancelFunc
		children[i], cancel = context.WithTimeout(context.WithValue(c, key{}, i), time.Minute)
		defer cancel()
	}
	if n := runtime.NumGoroutine() - before; n > 10 {
		t.Errorf("%d goroutines for %d contexts", n, len(children))
	}
	if got := children[7].Value(ctxKey{}); got != "of the parent" {
		t.Errorf("value %v", got)
	}
	c.end()
	for _, child := range children {
		<-child.Done()
	}
}

// What was taken as the stream broke does not begin any more.
func TestNothingBeginsOnALostStream(t *testing.T) {
	ctx, lost := context.WithCancel(t.Context())
	lost()
	d := newDispatcher(Config{}.withDefaults(), HandlerFunc(func(context.Context, *Event) error {
		t.Error("it begins")
		return nil
	}))
	one := &delivery{
		Event: Event{Event: event("a", "a1", 1).GetEvent(), Attempt: 1}, stream: &stream{ctx: ctx, out: newOutbox()},
		until: time.Now().Add(time.Hour),
	}
	l := &lane{running: true} // as a worker has it that has just taken the event
	d.running = 1
	d.handle(l, one)
	if l.running || d.running != 0 {
		t.Error("it is left running")
	}
}
