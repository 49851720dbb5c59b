package netpoll

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Defaults of Door.
const (
	defaultHeadTimeout = 10 * time.Second
	defaultMaxHead     = 8 << 10
	defaultMaxPending  = 4096
)

// Door accepts connections and decides where each goes by its first bytes: to
// Fast, if they are the complete head of a request that begins with one of
// Prefixes, and otherwise to net/http through the listener HTTP, with every
// byte as it came.
//
// Set the fields before the first call of a method and do not copy a Door
// after it. The zero value of a field is its documented default.
type Door struct {
	// HeadTimeout is the time from the accept to the end of the head, a PROXY
	// header and a TLS handshake included; a connection that takes longer, or sends nothing, is
	// closed without an answer. The deadline is cleared before the connection is
	// handed on. 0 means 10 s.
	HeadTimeout time.Duration
	// MaxHead is the size of the buffer for the head in bytes. A head that
	// does not fit goes to HTTP. 0 means 8 KiB.
	MaxHead int
	// MaxPending is how many connections may be in their head at once, each
	// with a goroutine and a buffer of MaxHead. One more, and the oldest of
	// them is closed: those who are slow on purpose are the oldest, while an
	// honest client needs one round trip. 0 means 4096.
	MaxPending int
	// Logger hears about failures to accept, panics of Fast and, at info level, connections that are closed for a bound or
	// for their PROXY header. Nil means slog.Default().
	Logger *slog.Logger
	// TLS makes every connection one of TLS, with that configuration; for HTTP/2
	// it names "h2" in NextProtos. Nil means that connections are what the
	// listener makes them, which may be TLS as well, but not together with
	// ProxyProtocol, as the PROXY header precedes TLS.
	TLS *tls.Config
	// ProxyProtocol names the peers that begin each connection with a PROXY
	// header, of version 1 or 2, IPv4 prefixes as such. From them it is required:
	// the protocol forbids to guess whether one is there, since a client behind
	// the proxy could send its own. From all others it is not believed: their
	// connections begin with TLS or the head. The address that the header names
	// is the RemoteAddr of the connection from then on; where it names none (the
	// proxy's own health check, an unknown source) the peer's stays. A broken or
	// late header, or one above 4 KiB, closes the connection. Empty: no one does.
	ProxyProtocol []netip.Prefix
	// Enter is asked for each connection, once, as soon as it is known whose it
	// is: at the accept, or after the PROXY header. addr is its IP address, IPv4 as
	// such, without a zone; the zero Addr if it has none. False closes the
	// connection, without an answer. It must not block, and may be called from
	// several goroutines. Nil: all may enter.
	Enter func(addr netip.Addr) bool
	// Leave follows each Enter that said true, once, when the connection was
	// closed or taken over by Fast, which has returned then. It does not follow
	// for a connection that HTTP has accepted: whoever serves HTTP sees its end.
	// It is set if Enter is.
	Leave func(addr netip.Addr)
	// Prefixes are how requests begin whose head is worth reading to its end,
	// such as "GET /socket.io/". Everything else is handed to HTTP as soon as
	// it differs. None: everything is handed on unread.
	Prefixes [][]byte
	// Fast decides on a connection. head is a complete request head; its lines
	// end in CRLF, and so does it, by an empty one. early is what came after it.
	// Both are valid during the call only, which runs on a goroutine of its own;
	// head must not be changed, early may be if the answer is true.
	//
	// True: Fast has taken c over, or has closed it. False: it has neither
	// read, written nor closed c, which goes to HTTP. c is a *tls.Conn if it
	// speaks TLS, and otherwise the listener's, or a wrapper with the address of a
	// PROXY header that Engine.Attach undoes; its deadlines are clear. A panic is
	// logged and closes c.
	Fast func(c net.Conn, head, early []byte) bool

	once  sync.Once // sets the following
	done  chan struct{}
	heads sync.Pool // of *buffer, all of MaxHead
	web   *handover

	visits sync.WaitGroup // one for each goroutine
	counts struct{ accepted, fast, http, evicted, failed, proxy, refused atomic.Uint64 }

	mu        sync.Mutex // guards the following; no other lock is taken under it
	closed    bool       // by Close
	retired   bool       // by Retire or Close
	serving   sync.WaitGroup
	listeners map[net.Listener]struct{}
	pending   queue
}

// DoorStats counts the connections of a Door since it began.
type DoorStats struct {
	Accepted uint64 // all
	Fast     uint64 // taken over by Fast
	HTTP     uint64 // handed to HTTP
	Evicted  uint64 // closed as the oldest, because MaxPending were in their head
	Failed   uint64 // closed as their head, TLS handshake or PROXY header did not come whole and in time
	Proxy    uint64 // those of Failed whose PROXY header it was
	Refused  uint64 // closed because Enter said no
	Pending  int    // in their head now
}

func (d *Door) init() {
	d.once.Do(func() {
		if d.HeadTimeout <= 0 {
			d.HeadTimeout = defaultHeadTimeout
		}
		if d.MaxHead <= 0 {
			d.MaxHead = defaultMaxHead
		}
		if d.MaxPending <= 0 {
			d.MaxPending = defaultMaxPending
		}
		if d.Logger == nil {
			d.Logger = slog.Default()
		}
		d.done = make(chan struct{})
		d.heads.New = func() any { return &buffer{b: make([]byte, d.MaxHead)} }
		d.web = &handover{door: d, conns: make(chan net.Conn), closed: make(chan struct{})}
		d.listeners = make(map[net.Listener]struct{})
	})
}

// HTTP is the listener whose connections are those that Fast did not take. It
// must be served, or they pile up. Closing it, as http.Server does when it
// shuts down, closes the connections that would come; Fast goes on.
func (d *Door) HTTP() net.Listener {
	d.init()
	return d.web
}

// Serve accepts from l until Retire or Close, which makes it return net.ErrClosed, or
// until l fails for good. l is closed in any case. While the process has no
// descriptors or memory left it backs off, from 5 ms up to 1 s, and closes the
// oldest connection whose head is being read. A listener that makes its
// connections TLS where the Door does so too, or expects PROXY headers, is a
// mistake that ends Serve with an error. Serve may be called for several
// listeners.
func (d *Door) Serve(l net.Listener) error {
	d.init()
	defer func() { _ = l.Close() }()
	if !d.track(l) {
		return net.ErrClosed
	}
	defer d.untrack(l)
	var delay time.Duration
	for {
		c, err := l.Accept()
		switch {
		case err == nil && d.twice(c):
			_ = c.Close()
			return errTLSTwice
		case err == nil:
			delay = 0
			d.admit(c)
		case d.isRetired():
			return net.ErrClosed
		case !passing(err):
			return err
		default:
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			d.Logger.Warn("netpoll: accept failed", "error", err, "retry_in", delay)
			d.evict()
			d.pause(delay)
		}
	}
}

var errTLSTwice = errors.New("netpoll: TLS belongs to Door.TLS, not to the listener, if that or Door.ProxyProtocol is set")

// twice says whether the listener has made c TLS though it must not.
func (d *Door) twice(c net.Conn) bool {
	_, made := c.(*tls.Conn)
	return made && (d.TLS != nil || len(d.ProxyProtocol) > 0)
}

// passing says whether an accept is worth another try.
func passing(err error) bool {
	var t interface{ Temporary() bool } // EMFILE, ENFILE, ECONNABORTED
	return errors.As(err, &t) && t.Temporary() ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// pause returns after delay, or when the Door closes.
func (d *Door) pause(delay time.Duration) {
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-d.done:
	}
}

// Retire stops accepting, and returns when every connection that was accepted has been handed on or closed, or ctx ends. It is
// the gentle beginning of Close, which is still to be called. It must not be called by Fast. The error is that of the listeners.
func (d *Door) Retire(ctx context.Context) error {
	d.init()
	err := d.stopListening()
	d.serving.Wait() // nobody is let in any more
	left := make(chan struct{})
	go func() { // ends with the last visit: with Close at the latest
		d.visits.Wait()
		close(left)
	}()
	select {
	case <-left:
	case <-ctx.Done():
	}
	return err
}

func (d *Door) stopListening() error {
	d.mu.Lock()
	if !d.retired {
		d.retired = true
		close(d.done)
	}
	listeners := slices.Collect(maps.Keys(d.listeners))
	d.mu.Unlock()
	var errs []error
	for _, l := range listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Close stops accepting, closes the connections whose head is being read, and
// returns when all calls of Fast have returned. Connections that were handed
// on are not touched. It must not be called by Fast. The error is that of the
// listeners.
func (d *Door) Close() error {
	d.init()
	err := d.stopListening()
	d.mu.Lock()
	d.closed = true
	var visits []*visit
	for v := d.pending.pop(); v != nil; v = d.pending.pop() {
		visits = append(visits, v)
	}
	d.mu.Unlock()
	for _, v := range visits {
		_ = v.conn.Close()
	}
	_ = d.web.Close()
	d.visits.Wait()
	return err
}

// Stats is the counts of this moment.
func (d *Door) Stats() DoorStats {
	d.mu.Lock()
	pending := d.pending.len
	d.mu.Unlock()
	return DoorStats{
		Accepted: d.counts.accepted.Load(), Fast: d.counts.fast.Load(), HTTP: d.counts.http.Load(),
		Evicted: d.counts.evicted.Load(), Failed: d.counts.failed.Load(),
		Proxy: d.counts.proxy.Load(), Refused: d.counts.refused.Load(), Pending: pending,
	}
}

func (d *Door) isRetired() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.retired
}

func (d *Door) track(l net.Listener) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.retired {
		d.listeners[l] = struct{}{}
		d.serving.Add(1)
	}
	return !d.retired
}

func (d *Door) untrack(l net.Listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.listeners, l)
	d.serving.Done()
}
