package netpoll

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"time"
)

// Millis is an instant on an engine's clock: monotonic milliseconds since the
// engine began, at least 1. Zero means "never" wherever an instant is wanted.
type Millis = int64

// Handler hears what happens on one Conn. The engine makes all calls for one
// Conn one after the other, never two at a time, and holds no lock meanwhile:
// a Handler may call any method of its own and of other Conns. It must not
// block, as it keeps other connections waiting.
//
// A Handler that panics costs its connection, not the process: the panic is
// logged, the Conn is closed and OnClose follows.
type Handler interface {
	// OnRead takes bytes that the peer sent, in order, at least one. p belongs
	// to the engine: it may be changed in place during the call and must not
	// be kept.
	OnRead(p []byte)
	// OnResume follows a Resume that ended a Pause, before any further OnRead: what was kept of the last one can be
	// handled now. It comes at once if an OnRead or an OnResume was under way during the Pause, otherwise perhaps only
	// when the peer has sent something. It may be late: the Conn may be paused again by then.
	OnResume()
	// OnWritable follows an Arm, once: the connection takes bytes again.
	OnWritable()
	// OnDeadline says that the deadline has passed. It is disarmed before the
	// call; now is the engine's clock.
	OnDeadline(now Millis)
	// OnClose is the last call and comes exactly once. err is nil when the
	// peer ended the stream in order, ErrClosed after Close or Shutdown,
	// ErrPanic after a panic of this Handler, and otherwise what the
	// connection failed with.
	OnClose(err error)
}

// Conn is one connection, or one timer, of an Engine. Every method may be
// called from any goroutine at any time and returns at once; after the end of
// the Conn all of them are harmless and do nothing.
type Conn interface {
	// TryWrite writes what can be written now. n < len(p) with a nil error
	// means that the rest would block: keep it, Arm, and go on in OnWritable.
	// p is not kept. The error is ErrClosed, or what the connection failed
	// with; then OnClose follows.
	//
	// TryWrite calls of several goroutines do not mix their bytes within one
	// call's n, but their order is the caller's business.
	TryWrite(p []byte) (n int, err error)
	// Arm asks for one OnWritable as soon as the connection takes bytes.
	Arm()
	// SetDeadline asks for one OnDeadline at or after the instant at, late by
	// Config.SweepEvery and 64 ms at most unless the process is overloaded. It
	// replaces the previous deadline; 0 disarms.
	SetDeadline(at Millis)
	// Pause stops OnRead, so that the peer is held back by its own full
	// buffers. One OnRead that is under way may still follow. Deadlines and
	// OnWritable go on; the peer's orderly end is seen after Resume only, a
	// reset perhaps at once, and then what was not read is lost. So it is once
	// a write has failed, before the Pause or during it.
	Pause()
	// Resume undoes Pause; OnResume follows. Without a Pause it does nothing.
	Resume()
	// Close ends the Conn. Bytes that TryWrite took before are still sent.
	// OnClose(ErrClosed) follows, never from within Close.
	Close()
}

// Engine drives connections. Every method may be called from any goroutine.
type Engine interface {
	// Attach takes c over, also when it fails: then c is closed and h hears
	// nothing, not even OnClose. bind runs first, on the caller's goroutine, so
	// that h knows its Conn before any other call. Bytes that were read from c
	// earlier are given as early: they go through h.OnRead on the caller's
	// goroutine before Attach returns, ahead of what the socket brings. bind
	// may be nil. The error is ErrShutdown or what the detaching of c failed with.
	Attach(c net.Conn, early []byte, h Handler, bind func(Conn)) error
	// Timer returns a Conn without a socket: it has deadlines and Close;
	// TryWrite returns ErrClosed, Arm, Pause and Resume do nothing. After
	// Shutdown the Timer is born closed and h hears OnClose(ErrClosed).
	Timer(h Handler) Conn
	// Now is the engine's clock.
	Now() Millis
	// Len counts the live Conns, Timers included.
	Len() int
	// Panics counts the panics of Handlers since the engine began.
	Panics() uint64
	// Shutdown closes every Conn, waits until each has heard OnClose, and
	// stops the engine's goroutines. It must not be called by a Handler.
	Shutdown()
}

// Errors that Handlers and callers see.
var (
	// ErrClosed is the end of a Conn that this side closed.
	ErrClosed = errors.New("netpoll: connection closed")
	// ErrPanic is the end of a Conn whose Handler panicked.
	ErrPanic = errors.New("netpoll: handler panicked")
	// ErrShutdown refuses an Attach to an engine that has been shut down.
	ErrShutdown = errors.New("netpoll: engine shut down")
	// ErrUnsupported is returned by NewLoops where there is no epoll.
	ErrUnsupported = errors.New("netpoll: descriptor loops are not supported on this system")
)

// Kinds of engines, for Config.Kind.
const (
	// KindAuto is the descriptor engine where there is one, else the portable one.
	KindAuto = "auto"
	// KindLoops is the descriptor engine: epoll loops, Linux only.
	KindLoops = "loops"
	// KindPortable is the portable engine: goroutines over any net.Conn.
	KindPortable = "portable"
)

// Config configures an Engine. The zero value is the documented default.
type Config struct {
	// Kind chooses the engine: "auto" (also empty), "loops" or "portable".
	Kind string
	// Loops is the number of epoll loops. 0 means GOMAXPROCS; more never help.
	Loops int
	// ReadBuffer is the size of a read buffer in bytes, and thereby the most
	// that one connection gets in one turn. A loop has one for all of its
	// connections; a connection of the portable engine takes one, of 16 KiB at
	// most, while it is busy. 0 means 64 KiB.
	ReadBuffer int
	// SweepEvery is how often deadlines are looked at. 0 means 200 ms.
	SweepEvery time.Duration
	// WriteBuffer is how many bytes a Conn of the portable engine takes ahead
	// of its connection. 0 means 64 KiB.
	WriteBuffer int
	// Logger hears about panics of Handlers and failures of the engine. Nil
	// means slog.Default().
	Logger *slog.Logger
}

// Defaults of Config.
const (
	defaultReadBuffer  = 64 << 10
	defaultWriteBuffer = 64 << 10
	defaultSweepEvery  = 200 * time.Millisecond
)

// New makes the engine that cfg.Kind names. The error is ErrUnsupported, an
// unknown Kind, or what epoll failed with.
func New(cfg Config) (Engine, error) {
	switch cfg.Kind {
	case "", KindAuto:
		e, err := NewLoops(cfg)
		if errors.Is(err, ErrUnsupported) {
			return NewPortable(cfg), nil
		}
		return e, err
	case KindLoops:
		return NewLoops(cfg)
	case KindPortable:
		return NewPortable(cfg), nil
	default:
		return nil, fmt.Errorf("netpoll: unknown engine kind %q", cfg.Kind)
	}
}

// withDefaults returns cfg with every zero replaced.
func (cfg Config) withDefaults() Config {
	if cfg.Loops <= 0 {
		cfg.Loops = runtime.GOMAXPROCS(0)
	}
	if cfg.ReadBuffer <= 0 {
		cfg.ReadBuffer = defaultReadBuffer
	}
	if cfg.SweepEvery <= 0 {
		cfg.SweepEvery = defaultSweepEvery
	}
	if cfg.WriteBuffer <= 0 {
		cfg.WriteBuffer = defaultWriteBuffer
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return cfg
}
