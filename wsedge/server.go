package wsedge

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
	"github.com/realtime-svc/realtime-svc/wsedge/transport"
)

// Observer hears what sockets do.
type Observer interface {
	// Observe hears one event. It must not block, must not call back into the
	// socket's client, and must not emit where Config.Recovery is used: an emit
	// of the namespace may be what it is called from. Calls for one socket come one after the other, in
	// the order connected, events, disconnected (I1). The event is immutable
	// and may be kept. What it returns is done to the client before anything
	// else of that client is handled (Server.Resume takes it back); the holds of
	// a socket that is gone say nothing.
	Observe(e *rooms.Event) rooms.Flow
}

// Admitter decides which sockets may connect.
type Admitter interface {
	// Admit answers at once when it can (ok). Otherwise it calls later exactly
	// once, from another goroutine; by then the client may be gone, and the
	// answer is without effect. It must not block.
	Admit(q *rooms.Question, later func(rooms.Verdict)) (v rooms.Verdict, ok bool)
}

// HandshakeAdmitter decides which clients may begin a session, before they have
// named a namespace.
type HandshakeAdmitter interface {
	// AsksHandshakes reports whether AdmitHandshake has to be called at this
	// moment. While it has not, everybody may begin a session, and handshakes are
	// as fast as without a HandshakeAdmitter. It is called for each, must not block
	// and should cost next to nothing.
	AsksHandshakes() bool
	// AdmitHandshake decides; of a refusal, Message is told to the client, and of an
	// acceptance there is nothing to tell. It may block for 30 s and bounds how many
	// calls of it do: each keeps a connection and its goroutine. ctx ends when the
	// client goes, and what is said after that is without effect.
	AdmitHandshake(ctx context.Context, q *rooms.Question) rooms.Verdict
}

// What a Config shares with package transport.
type (
	// HTTPConfig configures what concerns requests: CORS, origins, cookie, hooks.
	HTTPConfig = transport.HTTPConfig
	// CORS says which pages of other origins may read the answers.
	CORS = transport.CORS
	// DeflateConfig configures permessage-deflate.
	DeflateConfig = transport.DeflateConfig
)

// Config configures a Server. Hub is required; for the rest the zero value
// means the documented default.
type Config struct {
	// Hub holds the namespaces that clients may connect to.
	Hub *rooms.Hub
	// Observer hears what sockets do. Nil: nobody does.
	Observer Observer
	// Admitter decides which sockets may connect. Nil: all may.
	Admitter Admitter
	// Handshakes decides which clients may begin a session, after HTTP.Admit, if
	// that is set, and only about those whom it admits; HTTP.AdmitTimeout is then
	// for both. Nil: all may.
	Handshakes HandshakeAdmitter
	// AdmissionHeaders names request headers (lower case) that Handshakes sees beside
	// those of KeepHeaders. They are not kept.
	AdmissionHeaders []string

	// Path is the prefix of all requests that are Socket.IO's; it begins with a
	// slash, and one at its end is added. Empty means "/socket.io/".
	Path string
	// HTTP configures what concerns requests: CORS, origins, cookie, hooks.
	HTTP HTTPConfig
	// Transports are "polling", "websocket" and "webtransport". Empty means the
	// first two.
	Transports []string
	// DisableUpgrades keeps sessions that began with polling there.
	DisableUpgrades bool
	// PingInterval and PingTimeout are the heartbeat: a ping that often, and so
	// long for its answer. 0 means 25 s and 20 s.
	PingInterval, PingTimeout time.Duration
	// UpgradeTimeout is how long an upgrade may take. 0 means 10 s.
	UpgradeTimeout time.Duration
	// ConnectTimeout is how long a client may take to connect to its first
	// namespace. 0 means 45 s.
	ConnectTimeout time.Duration
	// AllowEIO3 lets clients of Socket.IO 1.x and 2.x in, which speak revision 3
	// of Engine.IO.
	AllowEIO3 bool
	// Deflate is permessage-deflate on WebSockets. The zero value is off.
	Deflate DeflateConfig
	// TLS makes the connections that Serve accepts those of TLS. Nil: they speak plain HTTP, or what the listener makes of them.
	TLS *tls.Config
	// WebTransportTLS has the certificates of ServeWebTransport. It is required
	// when "webtransport" is among Transports.
	WebTransportTLS *tls.Config
	// Recovery keeps lost sockets for a while, so that their clients can come
	// back to them. The Hub must have been made with its Recorder. Nil: none.
	Recovery *Recovery
	// MaxPayload bounds in bytes one message, and one polling body, from a
	// client. 0 means 1,000,000.
	MaxPayload int
	// MaxOutbox bounds in bytes what may wait for one client. 0 means 4 MiB.
	MaxOutbox int
	// MaxPendingAcks bounds, for each socket and either direction, the
	// acknowledgements that are outstanding. 0 means 1024.
	MaxPendingAcks int
	// MaxNamespaces bounds in how many namespaces one client may be at a time.
	// 0 means 100.
	MaxNamespaces int
	// EventsPerSecond and BytesPerSecond bound what one client may send, over all
	// its namespaces; twice as much may come at once, and one message of
	// MaxPayload always. A client that sends more loses its session. 0: no limit.
	EventsPerSecond, BytesPerSecond int
	// ProxyProtocol names the peers whose connections begin with a PROXY header,
	// TrustedProxies those that are believed what X-Forwarded-For and
	// X-Forwarded-Proto say; see transport.Config.
	ProxyProtocol, TrustedProxies []netip.Prefix
	// MaxSessionsPerAddress bounds the live sessions of one client address,
	// MaxConnectionsPerAddress its connections that carry no WebSocket, and
	// HandshakesPerSecond the sessions that it may begin; see transport.Config. 0:
	// no bound.
	MaxSessionsPerAddress, MaxConnectionsPerAddress int
	HandshakesPerSecond                             float64
	// KeepAuth keeps the auth payload of each socket for those who ask for the
	// socket later. It costs memory, and tokens in it stay visible to services.
	KeepAuth bool
	// KeepHeaders names the request headers (lower case, "*" for all) that a
	// handshake shows to services. Each costs memory for the life of the session.
	KeepHeaders []string
	// CredentialHeaders names further headers (lower case) that only the Admitter is
	// shown at each namespace, such as those with credentials. They cost the same.
	CredentialHeaders []string
	// HeadTimeout is how long a client may take to send its request head. 0
	// means 10 s.
	HeadTimeout time.Duration
	// MaxPendingHeads bounds the connections whose request head is being read.
	// 0 means netpoll's default.
	MaxPendingHeads int
	// DisableClient stops serving the client bundle under Path.
	DisableClient bool
	// Web answers requests outside Path, and sets the deadlines that it wants
	// for them. Nil means 404.
	Web http.Handler
	// Engine is what drives the connections: "auto" (also empty), "loops" or
	// "portable".
	Engine string
	// Logger hears about the server and, at info level, what was refused to
	// clients or dropped, with a "reason" from a closed set and never with what
	// they sent. There may be very many such lines: bound them. Nil means
	// slog.Default().
	Logger *slog.Logger
}

const (
	defaultPath           = "/socket.io/"
	defaultConnectTimeout = 45 * time.Second
	defaultMaxOutbox      = 4 << 20
	defaultMaxPendingAcks = 1024
	defaultMaxNamespaces  = 100
	// maxQuery bounds the query that clients 2.x put behind a namespace.
	maxQuery = 8 << 10
)

func (c *Config) setDefaults() error {
	if c.Hub == nil {
		return errors.New("wsedge: Config.Hub is nil")
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Admitter == nil {
		c.Admitter = nobody{}
	}
	if c.Path == "" {
		c.Path = defaultPath
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = defaultConnectTimeout
	}
	if c.MaxOutbox == 0 {
		c.MaxOutbox = defaultMaxOutbox
	}
	if c.MaxPendingAcks == 0 {
		c.MaxPendingAcks = defaultMaxPendingAcks
	}
	if c.MaxPayload == 0 {
		c.MaxPayload = engineio.DefaultSettings().MaxPayload
	}
	if c.MaxNamespaces == 0 {
		c.MaxNamespaces = defaultMaxNamespaces
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return nil
}

// nobody observes nothing and admits everybody.
type nobody struct{}

func (nobody) Observe(*rooms.Event) rooms.Flow { return rooms.Flow{} }
func (nobody) Admit(*rooms.Question, func(rooms.Verdict)) (rooms.Verdict, bool) {
	return rooms.Verdict{}, true
}

// settings translates the timing and size rules.
func (c *Config) settings() engineio.Settings {
	s := engineio.DefaultSettings()
	millis := func(dst *engineio.Millis, d time.Duration) {
		if d != 0 {
			*dst = engineio.Millis(d.Milliseconds())
		}
	}
	millis(&s.PingInterval, c.PingInterval)
	millis(&s.PingTimeout, c.PingTimeout)
	millis(&s.UpgradeTimeout, c.UpgradeTimeout)
	s.MaxPayload = c.MaxPayload
	s.AllowUpgrades = !c.DisableUpgrades
	return s
}

// transports translates the enabled transports.
func (c *Config) transports() ([]engineio.Transport, error) {
	var out []engineio.Transport
	for _, name := range c.Transports {
		switch name {
		case engineio.Polling.String():
			out = append(out, engineio.Polling)
		case engineio.WebSocket.String():
			out = append(out, engineio.WebSocket)
		case engineio.WebTransport.String():
			out = append(out, engineio.WebTransport)
		default:
			return nil, errors.New("wsedge: unknown transport " + name)
		}
	}
	return out, nil
}

// Server is a Socket.IO server. All methods may be called from any goroutine.
type Server struct {
	// Fixed at construction.
	cfg       Config
	limits    socketio.Limits
	oldLimits socketio.Limits // of clients of Engine.IO v3
	hidden    []string        // the headers that only the Admitter is shown
	transport *transport.Server

	stats counters
}

// New makes a Server. It has goroutines from the start: Shutdown ends them.
func New(cfg Config) (*Server, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	transports, err := cfg.transports()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, oldLimits: socketio.Limits{QueryBytes: maxQuery}, hidden: cfg.hiddenHeaders()}
	if cfg.Recovery != nil {
		cfg.Recovery.serve(s)
	}
	var files func(http.ResponseWriter, *http.Request) bool
	if !cfg.DisableClient {
		files = newBundle(cfg.Path).serve
	}
	s.transport, err = transport.NewServer(transport.Config{
		OnSession:       s.onSession,
		Path:            cfg.Path,
		HTTP:            s.http(),
		Settings:        cfg.settings(),
		Transports:      transports,
		AllowEIO3:       cfg.AllowEIO3,
		Deflate:         cfg.Deflate,
		TLS:             cfg.TLS,
		WebTransportTLS: cfg.WebTransportTLS,
		ProxyProtocol:   cfg.ProxyProtocol,
		TrustedProxies:  cfg.TrustedProxies,

		MaxSessionsPerAddress:    cfg.MaxSessionsPerAddress,
		MaxConnectionsPerAddress: cfg.MaxConnectionsPerAddress,
		HandshakesPerSecond:      cfg.HandshakesPerSecond,

		MaxOutbox:       cfg.MaxOutbox,
		KeepHeaders:     cfg.keptHeaders(),
		HeadTimeout:     cfg.HeadTimeout,
		MaxPendingHeads: cfg.MaxPendingHeads,
		Files:           files,
		Fallback:        cfg.Web,
		Engine:          netpoll.Config{Kind: cfg.Engine},
		Logger:          cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Serve accepts clients on l until Shutdown, then returns nil. It may be called
// once.
func (s *Server) Serve(l net.Listener) error { return s.transport.Serve(l) }

// ServeWebTransport takes WebTransport clients from pc, which it closes, until
// Shutdown, then returns nil. It may be called once.
func (s *Server) ServeWebTransport(pc net.PacketConn) error { return s.transport.ServeWebTransport(pc) }

// ServeHTTP answers one request, so that a Server can live inside another
// http.Server.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.transport.ServeHTTP(w, r) }

// keptAuth is what is kept of a client's auth payload.
func (s *Server) keptAuth(auth []byte) []byte {
	if !s.cfg.KeepAuth {
		return nil
	}
	return auth
}

// Polling counts the sessions that are carried by polling now. It looks at each.
func (s *Server) Polling() (n int) {
	for _, session := range s.transport.Sessions() {
		if session.Transport() == engineio.Polling {
			n++
		}
	}
	return n
}

// Shutdown stops accepting, disconnects every socket ("server shutting down"),
// gives up those that are away, closes every session so that its client reconnects elsewhere, waits until the
// clients have been told or ctx ends, and stops all goroutines.
func (s *Server) Shutdown(ctx context.Context) error {
	s.transport.StopAccepting()
	for _, session := range s.transport.Sessions() {
		session.Handler().(*Client).shutDown()
	}
	if r := s.cfg.Recovery; r != nil {
		r.close()
	}
	return s.transport.Shutdown(ctx)
}
