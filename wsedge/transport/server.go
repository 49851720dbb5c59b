package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
)

// Config configures a Server. OnSession is required; for the rest the zero
// value means the documented default.
type Config struct {
	// OnSession is called for each new session before anything else, and returns
	// the application's side of it. It may SetAlarm; Handler.Opened, which
	// follows, may do everything.
	OnSession func(*Session) Handler

	// Path is the prefix of all requests that are Engine.IO's. It begins with a
	// slash; one at its end is added. Empty means "/engine.io/".
	Path string
	// HTTP configures what concerns requests: CORS, origins, hooks and so on.
	HTTP HTTPConfig
	// Settings are the timing and size rules. The zero value means
	// engineio.DefaultSettings().
	Settings engineio.Settings
	// Transports are the enabled ones. Empty means polling and WebSocket.
	Transports []engineio.Transport
	// AllowEIO3 lets clients in that speak revision 3 of Engine.IO, that is
	// Socket.IO 1.x and 2.x.
	AllowEIO3 bool
	// Deflate is permessage-deflate on WebSockets. The zero value is off.
	Deflate DeflateConfig
	// MaxOutbox bounds in bytes what may wait for one session; each message
	// counts for its memory, about a hundred bytes more than its text. 0 means
	// 4 MiB.
	MaxOutbox int
	// KeepHeaders names the request headers that a Handshake keeps, in lower
	// case; "*" stands for all. Each costs memory for the life of the session.
	KeepHeaders []string
	// HeadTimeout is how long a client may take from connecting to the end of
	// its request head. 0 means 10 s.
	HeadTimeout time.Duration
	// BodyTimeout is how long a client may take to send the body of a request.
	// 0 means 30 s.
	BodyTimeout time.Duration
	// MaxPendingHeads bounds the connections whose head is being read. 0 means
	// netpoll's default.
	MaxPendingHeads int
	// MaxIdleConnections bounds the connections that net/http holds without a
	// request under way: kept alive between two, or slow in sending their first
	// head. One more closes the one that has been idle for longest. 0 means 16384.
	MaxIdleConnections int
	// MaxBodies bounds in bytes what is held of all request bodies that are being
	// received; the one that goes beyond is answered 503, and its session stays.
	// 0 means 256 MiB.
	MaxBodies int64
	// TLS makes the connections of Serve's listener TLS connections; NextProtos
	// names "h2" if HTTP/2 is wanted. Nil means that they are what the listener
	// makes them, which must be plain TCP if ProxyProtocol is set.
	TLS *tls.Config
	// ProxyProtocol names the peers, such as layer 4 load balancers, whose
	// connections begin with a PROXY header of version 1 or 2. It is required from
	// them and not believed from others; the address in it takes the place of the
	// peer's in all that follows. Empty means that none is expected.
	ProxyProtocol []netip.Prefix
	// TrustedProxies names the peers, such as layer 7 proxies, that are believed
	// what X-Forwarded-For and X-Forwarded-Proto say: the client's address is the
	// rightmost one that is not one of theirs. It is what a Handshake and the
	// limits per address go by. Empty means that the headers are not read.
	TrustedProxies []netip.Prefix
	// MaxSessionsPerAddress bounds the live sessions of one client address (of one
	// /64 with IPv6). A handshake beyond it is answered 429. 0 means no bound.
	MaxSessionsPerAddress int
	// MaxConnectionsPerAddress bounds the connections of one address that carry no
	// WebSocket: those whose head is being read and those that net/http holds, be
	// they idle or a poll. One more is closed at once, as nothing can be answered
	// before a head. TrustedProxies are exempt. It binds what comes by Serve. A
	// browser has up to six. 0 means no bound.
	MaxConnectionsPerAddress int
	// HandshakesPerSecond is how many sessions one client address may begin in a
	// second in the long run, and HandshakeBurst how many at once. A handshake
	// beyond it is answered 429. 0 means no bound, and a burst of 10 s' worth.
	// A rate below one in an hour counts as that.
	HandshakesPerSecond float64
	HandshakeBurst      int
	// WebTransportTLS has the certificates of ServeWebTransport. It is required
	// when WebTransport is among Transports.
	WebTransportTLS *tls.Config
	// Files serves a file under Path (such as a client bundle) and reports
	// whether it did. Nil means that there are none.
	Files func(http.ResponseWriter, *http.Request) bool
	// Fallback answers requests outside Path, and sets the deadlines that it
	// wants for them. Nil means 404.
	Fallback http.Handler
	// Engine configures what drives the connections.
	Engine netpoll.Config
	// Logger hears about the server and, at info level, what was refused to
	// clients or dropped, with a "reason" from a closed set and never with what
	// they sent. There may be very many such lines: bound them. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// Defaults of Config.
const (
	defaultPath        = "/engine.io/"
	defaultMaxOutbox   = 4 << 20
	defaultHeadTimeout = 10 * time.Second
	defaultBodyTimeout = 30 * time.Second
	// maxHead is the largest head that the fast way in takes; net/http takes
	// heads of up to maxHTTPHead.
	maxHead     = 8 << 10
	maxHTTPHead = 16 << 10
	idleTimeout = 2 * time.Minute
	// answerTimeout is how long a client may take to read an answer. Without
	// it those who never do would keep the answer and its goroutine for ever.
	answerTimeout = 30 * time.Second

	defaultMaxIdle         = 16 << 10
	defaultMaxBodies int64 = 256 << 20
)

func (c *Config) setDefaults() error {
	if c.OnSession == nil {
		return errors.New("transport: Config.OnSession is nil")
	}
	if c.Path == "" {
		c.Path = defaultPath
	}
	prefix, err := c.HTTP.prefix(c.Path)
	if err = errors.Join(err, c.HTTP.setDefaults()); err != nil {
		return err
	}
	c.Path = prefix
	if c.Settings == (engineio.Settings{}) {
		c.Settings = engineio.DefaultSettings()
	}
	if len(c.Transports) == 0 {
		c.Transports = []engineio.Transport{engineio.Polling, engineio.WebSocket}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.MaxOutbox = orDefault(c.MaxOutbox, defaultMaxOutbox)
	c.HeadTimeout = orDefault(c.HeadTimeout, defaultHeadTimeout)
	c.BodyTimeout = orDefault(c.BodyTimeout, defaultBodyTimeout)
	c.MaxIdleConnections = orDefault(c.MaxIdleConnections, defaultMaxIdle)
	c.MaxBodies = orDefault(c.MaxBodies, defaultMaxBodies)
	c.Engine.Logger = c.Logger
	if slices.Contains(c.Transports, engineio.WebTransport) && c.WebTransportTLS == nil {
		return errors.New("transport: WebTransport needs Config.WebTransportTLS")
	}
	return c.Deflate.setDefaults()
}

func orDefault[T int | int64 | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// Server is an Engine.IO server: it accepts, routes, and keeps the sessions.
// All methods may be called from any goroutine.
type Server struct {
	// Fixed at construction.
	cfg    Config
	engine netpoll.Engine
	door   *netpoll.Door
	http   *http.Server
	// webTransport is nil unless WebTransport is among Transports.
	webTransport *webTransportServer

	proxies proxies      // Config.TrustedProxies
	limits  *limits      // nil: none per address
	origins *originList  // nil: all are allowed
	handler http.Handler // of Engine.IO's requests
	// accepting ends, by stop, when new sessions are refused.
	accepting context.Context
	stop      context.CancelFunc
	deflate   *deflater // nil when permessage-deflate is off

	idle     idlers
	bodies   bodies
	posts    waiters
	sessions sessionTable
	stats    Stats
	panics   atomic.Uint64  // of handlers in a POST or at the beginning; the engine counts the others
	refusing atomic.Bool    // new sessions
	closing  atomic.Bool    // the listener is being closed, or is
	stopOnce sync.Once      // of StopAccepting
	begun    sync.Mutex     // held while Serve decides whether to begin
	served   sync.WaitGroup // the goroutines of Serve
}

// NewServer makes a Server. It has goroutines from the start (the engine's):
// Shutdown ends them.
func NewServer(cfg Config) (*Server, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	trusted, err := newProxies(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	heralds, err := newProxies(cfg.ProxyProtocol)
	if err != nil {
		return nil, err
	}
	engine, err := netpoll.New(cfg.Engine)
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	s := &Server{cfg: cfg, engine: engine, proxies: trusted, idle: idlers{max: cfg.MaxIdleConnections}}
	s.accepting, s.stop = context.WithCancel(context.Background())
	s.limits = newLimits(&s.cfg, trusted, &s.stats)
	s.origins, _ = newOriginList(cfg.HTTP.AllowedOrigins) // setDefaults has seen it
	s.handler = s.engineHandler()
	if cfg.Deflate.Enabled {
		s.deflate = newDeflater(cfg.Deflate)
	}
	s.http = s.newHTTP()
	s.door = s.newDoor(heralds)
	if err := s.newWebTransport(); err != nil {
		engine.Shutdown()
		return nil, err
	}
	return s, nil
}

func (s *Server) newHTTP() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.cfg.HeadTimeout,
		WriteTimeout:      s.cfg.BodyTimeout + answerTimeout, // from the end of the head
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHTTPHead,
		ConnState:         s.connState,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
}

func (s *Server) newDoor(heralds []netip.Prefix) *netpoll.Door {
	cfg := &s.cfg
	return &netpoll.Door{
		HeadTimeout: cfg.HeadTimeout,
		MaxHead:     maxHead,
		MaxPending:  cfg.MaxPendingHeads,
		Prefixes:    [][]byte{[]byte("GET " + cfg.Path)},
		Fast:        s.upgradeHead,
		Logger:      cfg.Logger,

		TLS:           cfg.TLS,
		ProxyProtocol: heralds,
		Enter:         s.limits.enter,
		Leave:         s.limits.leave,
	}
}

// Serve accepts on l until Shutdown, then returns nil. It may be called once.
func (s *Server) Serve(l net.Listener) error {
	s.begun.Lock()
	if s.closing.Load() {
		s.begun.Unlock()
		return l.Close()
	}
	s.served.Add(1)
	s.begun.Unlock()
	go func() {
		defer s.served.Done()
		if err := s.http.Serve(s.door.HTTP()); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.cfg.Logger.Error("http server stopped", "error", err)
		}
	}()
	err := s.door.Serve(l)
	if errors.Is(err, net.ErrClosed) && s.closing.Load() {
		return nil
	}
	return err
}

// ServeHTTP answers one request: Engine.IO's under Path, everything else by
// Fallback. It lets a Server live inside another http.Server; WebSocket
// upgrades need a hijackable connection then.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ours := strings.HasPrefix(r.RequestURI, s.cfg.Path)
	control := http.NewResponseController(w) // not every writer has deadlines
	if !ours && s.cfg.Fallback != nil {
		_ = control.SetWriteDeadline(time.Time{})
		s.cfg.Fallback.ServeHTTP(w, r)
		return
	}
	if r.ContentLength != 0 { // also if nobody wants the body: net/http skips it
		_ = control.SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout))
	}
	switch {
	case !ours:
		foreign(w, r)
	case s.cfg.HTTP.CORS.serve(w, r): // a preflight
	case s.cfg.Files != nil && s.cfg.Files(w, r):
	default:
		s.handler.ServeHTTP(w, r)
	}
}

// Sessions returns the sessions that live at the moment of the call.
func (s *Server) Sessions() []*Session { return s.sessions.all() }

// Len is the number of live sessions.
func (s *Server) Len() int { return s.sessions.len() }

// Open counts what the engine holds: a connection or timer for each session, and
// connections that wait for their client's close frame.
func (s *Server) Open() int { return s.engine.Len() }

// Stats returns the server's counters.
func (s *Server) Stats() *Stats { return &s.stats }

// Panics counts handlers that panicked; each cost its own session only.
func (s *Server) Panics() uint64 { return s.engine.Panics() + s.panics.Load() }

// newSession makes a session and its application side. It begins corked. wire
// makes what carries it; nil when it polls.
func (s *Server) newSession(t engineio.Transport, h *Handshake, rev engineio.Revision, wire func(*Session) *socketWire) *Session {
	session := &Session{srv: s, id: engineio.NewID(), handshake: h.encode(), corks: 1}
	if wire != nil {
		session.wire = wire(session)
	} else {
		session.poll = &poll{}
	}
	session.machine.Open(&s.cfg.Settings, t, rev, session.now(), s.firstPing())
	born := false
	defer func() {
		if !born {
			s.stillborn(session)
		}
	}()
	session.app = s.cfg.OnSession(session)
	s.stats.Opened[t].Add(1)
	s.sessions.add(session)
	session.app.Opened()
	born = true
	return session
}

// stillborn ends a session whose application panicked at its beginning. Its
// connection is for those to close who have it and meet the panic.
func (s *Server) stillborn(session *Session) {
	s.panics.Add(1)
	if session.app == nil {
		s.sessions.remove(session.id)
		s.limits.end(session.handshake)
		return
	}
	session.abandonFor(CauseInternal)
}

// firstPing spreads the first heartbeat over half an interval, so that clients
// that came back all at once are not pinged all at once for ever.
func (s *Server) firstPing() engineio.Millis {
	interval := s.cfg.Settings.PingInterval
	return interval - rand.N(interval/2+1)
}

func (s *Server) enabled(t engineio.Transport) bool { return slices.Contains(s.cfg.Transports, t) }

// openPacket is the first packet of a session.
func (s *Server) openPacket(session *Session, t engineio.Transport) *Prepared {
	var upgrades []string
	if t == engineio.Polling && s.cfg.Settings.AllowUpgrades {
		for _, to := range []engineio.Transport{engineio.WebSocket, engineio.WebTransport} {
			if s.enabled(to) {
				upgrades = append(upgrades, to.String())
			}
		}
	}
	packet := engineio.AppendOpen(nil, session.id, upgrades, &s.cfg.Settings)
	return preparePacket(engineio.Packet{Type: engineio.PacketOpen, Data: packet[1:]})
}
