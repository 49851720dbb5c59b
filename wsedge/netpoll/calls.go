package netpoll

import (
	"errors"
	"io"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	// lingerTimeout is how long a closed connection may take to send what it
	// took before and to hear the peer's end. Closing a socket earlier, while
	// the peer still sends, makes the kernel reset the connection and drop
	// what has not arrived.
	lingerTimeout = 5 * time.Second
	// shutdownLinger replaces lingerTimeout once an engine shuts down.
	shutdownLinger = 500 * time.Millisecond
)

// clock counts milliseconds since it began.
type clock struct{ began time.Time }

// now is the time on the clock, at least 1.
func (c clock) now() Millis { return time.Since(c.began).Milliseconds() + 1 }

// caller makes the calls of Handlers and survives their panics: each of its
// methods reports whether the Handler returned.
type caller struct {
	log    *slog.Logger
	panics atomic.Uint64
}

func (r *caller) bind(f func(Conn), c Conn) (ok bool) {
	defer r.recovered("bind")
	if f != nil {
		f(c)
	}
	return true
}

func (r *caller) read(h Handler, p []byte) (ok bool) {
	defer r.recovered("OnRead")
	h.OnRead(p)
	return true
}

func (r *caller) resume(h Handler) (ok bool) {
	defer r.recovered("OnResume")
	h.OnResume()
	return true
}

func (r *caller) writable(h Handler) (ok bool) {
	defer r.recovered("OnWritable")
	h.OnWritable()
	return true
}

func (r *caller) deadline(h Handler, now Millis) (ok bool) {
	defer r.recovered("OnDeadline")
	h.OnDeadline(now)
	return true
}

// end calls OnClose. A panic there has nothing left to close.
func (r *caller) end(h Handler, err error) {
	defer r.recovered("OnClose")
	if errors.Is(err, io.EOF) {
		err = nil
	}
	h.OnClose(err)
}

// recovered must be deferred directly.
func (r *caller) recovered(call string) {
	if v := recover(); v != nil {
		r.panics.Add(1)
		r.log.Error("netpoll: handler panicked", "call", call, "panic", v, "stack", string(debug.Stack()))
	}
}
