package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// WebTransport (PROTOCOL 1.10) is HTTP/3 on a UDP address of its own. The way in:
//
//	QUIC connection            admit: how many may be on their way in, in all and from one address
//	CONNECT, within            ServeHTTP: the path, Config.Verify
//	  HandshakeTimeout
//	bidirectional stream,      firstPacket: "0" = a new session, `0{"sid":"…"}` = the upgrade of that one
//	  open packet, within      then the stream is a net.Conn and Config.Accept has it
//	  UpgradeTimeout
//	a new session              Config.LetIn
//
// One QUIC connection carries one WebTransport session, and that one stream: QUIC's own limits keep the client from
// opening more. Datagrams are thrown away.

// webTransportConfig configures a webTransportServer. TLS, Ours, Handshake and Accept are required; for the rest the
// zero value means the documented default.
type webTransportConfig struct {
	// TLS has the certificates. It is not changed.
	TLS *tls.Config
	// Ours says whether a request is for our path. All others are answered with 404.
	Ours func(*http.Request) bool
	// Verify says why a client may not come in, nil if it may: disabled transports, the list of origins. It is called
	// before the client is answered. Nil means that everybody may: no browser applies CORS to WebTransport.
	Verify func(*http.Request) *engineio.Refusal
	// Handshake takes down what is kept of the first request.
	Handshake func(*http.Request) *Handshake
	// LetIn says whether a client may have a new session, once it has asked for one; false hangs up on it. ctx ends when the
	// client goes. It may block, while the client counts for MaxPending. Nil: it may.
	LetIn func(ctx context.Context, r *http.Request, h *Handshake) bool
	// Accept takes over a client's stream: c, of which early has been read already. sid is empty for a new session, which
	// LetIn has let in; otherwise the client wants to upgrade the session of that id, which has the shape of an id and need
	// not exist. To refuse is to close c. early belongs to Accept.
	Accept func(c net.Conn, sid string, h *Handshake, early []byte)

	// HandshakeTimeout is how long a client may take from its first packet to its CONNECT. 0 means 10 s.
	HandshakeTimeout time.Duration
	// UpgradeTimeout is how long a client may take from its CONNECT to its open packet. 0 means 10 s.
	UpgradeTimeout time.Duration
	// PingInterval and PingTimeout are those of the sessions. A connection that is silent for their sum and a little more
	// is closed. 0 means 25 s and 20 s.
	PingInterval, PingTimeout time.Duration
	// MaxPending bounds the connections that have not sent an open packet yet. 0 means 4096.
	MaxPending int
	// MaxPendingPerAddress bounds those of one IP address. 0 means 256.
	MaxPendingPerAddress int
	// Logger is as in Config.
	Logger *slog.Logger
}

// Defaults of webTransportConfig, and limits that are not configured.
const (
	defaultUpgradeTimeout       = 10 * time.Second
	defaultPingInterval         = 25 * time.Second
	defaultPingTimeout          = 20 * time.Second
	defaultMaxPending           = 4096
	defaultMaxPendingPerAddress = 256

	// The windows are what a client may send ahead of the reading. They grow from the first value to the second while
	// the client sends faster than a window a round trip; memory is used for what has come and was not read only. An
	// honest client fills them while its events have to wait; one that never lets a frame end costs no more.
	streamWindow        = 32 << 10
	maxStreamWindow     = 256 << 10
	connectionWindow    = 48 << 10
	maxConnectionWindow = 384 << 10
	// maxStreams is the CONNECT and the stream of the session.
	maxStreams = 2
	// maxUniStreams is HTTP/3's own: control, and two for header compression.
	maxUniStreams = 3
	// idleGrace is what a connection may be silent beyond what the heartbeat allows: that is to notice first.
	idleGrace = 5 * time.Second
	// browserIdle is the silence after which browsers close a connection. Where heartbeats are rarer than that, QUIC has
	// its own, keepAlive apart.
	browserIdle = 30 * time.Second
	keepAlive   = 20 * time.Second
	// hangUpAfter is how long the QUIC connection outlives its session, so that the client hears of its end.
	hangUpAfter = time.Second
)

func (c *webTransportConfig) setDefaults() error {
	if c.TLS == nil || c.Ours == nil || c.Handshake == nil || c.Accept == nil {
		return errors.New("transport: WebTransport needs TLS, Ours, Handshake and Accept")
	}
	if c.Verify == nil {
		c.Verify = func(*http.Request) *engineio.Refusal { return nil }
	}
	if c.LetIn == nil {
		c.LetIn = func(context.Context, *http.Request, *Handshake) bool { return true }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.HandshakeTimeout = orDefault(c.HandshakeTimeout, defaultHeadTimeout)
	c.UpgradeTimeout = orDefault(c.UpgradeTimeout, defaultUpgradeTimeout)
	c.PingInterval = orDefault(c.PingInterval, defaultPingInterval)
	c.PingTimeout = orDefault(c.PingTimeout, defaultPingTimeout)
	c.MaxPending = orDefault(c.MaxPending, defaultMaxPending)
	c.MaxPendingPerAddress = orDefault(c.MaxPendingPerAddress, defaultMaxPendingPerAddress)
	return nil
}

// webTransportStats counts what became of QUIC connections. The fields are read and written atomically.
type webTransportStats struct {
	Accepted atomic.Uint64 // streams that Accept was given
	Full     atomic.Uint64 // connections refused because too many were on their way in
	Refused  atomic.Uint64 // requests that were not answered with 200, and those that LetIn refused
	Failed   atomic.Uint64 // sessions closed for want of a good open packet in time
	Expired  atomic.Uint64 // connections closed for want of a CONNECT in time
}

// webTransportServer is the HTTP/3 side of a Server. All methods may be called from any goroutine.
//
// Goroutines: Serve's, and those of QUIC, HTTP/3 and WebTransport: ten for each client, all of which serving waits for,
// and one more while its request is answered.
//
// An idle session costs about 112 KB, a third of it stacks, the rest TLS and QUIC: a hundred times what a WebSocket does.
type webTransportServer struct {
	// Fixed at construction.
	cfg  webTransportConfig
	wt   *webtransport.Server
	quic *quic.Config

	stats   webTransportStats
	serving sync.WaitGroup // one for each connection

	mu        sync.Mutex // guards the following; a leaf
	closing   bool
	transport *quic.Transport
	pending   map[*webTransportClient]struct{} // on their way in
	byAddress map[string]int                   // of pending
}

// webTransportClient is one QUIC connection.
type webTransportClient struct {
	address string      // without the port
	claimed atomic.Bool // it has had its CONNECT

	conn atomic.Pointer[quic.Conn] // nil until Serve has it
}

// webTransportKey is where the context of a connection has its *webTransportClient.
type webTransportKey struct{}

// newWebTransportServer makes a server. It has no goroutine before Serve.
func newWebTransportServer(cfg webTransportConfig) (*webTransportServer, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &webTransportServer{
		cfg:       cfg,
		pending:   make(map[*webTransportClient]struct{}),
		byAddress: make(map[string]int),
		quic:      quicConfig(&cfg),
	}
	s.wt = &webtransport.Server{
		H3:                &http3.Server{Handler: s, MaxHeaderBytes: maxHTTPHead, Logger: cfg.Logger},
		ReorderingTimeout: cfg.UpgradeTimeout,
		CheckOrigin:       func(*http.Request) bool { return true }, // Verify has
	}
	webtransport.ConfigureHTTP3Server(s.wt.H3)
	return s, nil
}

func quicConfig(cfg *webTransportConfig) *quic.Config {
	c := &quic.Config{
		HandshakeIdleTimeout:             cfg.HandshakeTimeout,
		MaxIdleTimeout:                   cfg.PingInterval + cfg.PingTimeout + idleGrace,
		InitialStreamReceiveWindow:       streamWindow,
		MaxStreamReceiveWindow:           maxStreamWindow,
		InitialConnectionReceiveWindow:   connectionWindow,
		MaxConnectionReceiveWindow:       maxConnectionWindow,
		MaxIncomingStreams:               maxStreams,
		MaxIncomingUniStreams:            maxUniStreams,
		EnableDatagrams:                  true, // WebTransport demands both of its peers
		EnableStreamResetPartialDelivery: true,
	}
	if cfg.PingInterval >= browserIdle {
		c.KeepAlivePeriod = keepAlive
	}
	return c
}

// Serve takes clients from pc until Shutdown, then returns nil. It closes pc and may be called once.
func (s *webTransportServer) Serve(pc net.PacketConn) error {
	defer func() { _ = pc.Close() }()
	t := &quic.Transport{Conn: pc, ConnContext: s.admit, VerifySourceAddress: s.crowded}
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil
	}
	s.transport = t
	s.mu.Unlock()
	defer func() { _ = t.Close() }()
	l, err := t.ListenEarly(http3.ConfigureTLSConfig(s.cfg.TLS), s.quic)
	if err != nil {
		return fmt.Errorf("transport: webtransport: %w", err)
	}
	for {
		conn, err := l.Accept(context.Background())
		if err != nil {
			if s.stopped() {
				err = nil
			}
			s.serving.Wait()
			return err
		}
		s.begin(conn)
	}
}

// begin starts a connection's goroutine.
func (s *webTransportServer) begin(conn *quic.Conn) {
	client := conn.Context().Value(webTransportKey{}).(*webTransportClient)
	client.conn.Store(conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		go client.hangUp()
		return
	}
	s.serving.Go(func() { s.serveConn(client, conn) })
}

// serveConn serves one QUIC connection to its end.
func (s *webTransportServer) serveConn(client *webTransportClient, conn *quic.Conn) {
	late := time.AfterFunc(s.cfg.HandshakeTimeout, func() {
		if !client.claimed.Load() {
			s.stats.Expired.Add(1)
			client.hangUp()
		}
	})
	defer late.Stop()
	if err := s.wt.ServeQUICConn(conn); err != nil {
		s.cfg.Logger.Debug("webtransport connection failed", "error", err)
		client.hangUp()
	}
}

var (
	errFull    = errors.New("transport: webtransport: too many connections are on their way in")
	errStopped = errors.New("transport: webtransport: server shutting down")
)

// admit is called for each new QUIC connection, before its handshake: an error refuses it. ctx ends with it.
func (s *webTransportServer) admit(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	client := &webTransportClient{address: hostOf(info.RemoteAddr.String())}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return nil, errStopped
	case len(s.pending) >= s.cfg.MaxPending, s.byAddress[client.address] >= s.cfg.MaxPendingPerAddress:
		s.stats.Full.Add(1)
		return nil, errFull
	}
	s.pending[client] = struct{}{}
	s.byAddress[client.address]++
	context.AfterFunc(ctx, func() { s.arrived(client) })
	return context.WithValue(ctx, webTransportKey{}, client), nil
}

// arrived takes a client out of those on their way in: it has come, or it has gone.
func (s *webTransportServer) arrived(client *webTransportClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.pending[client]; !ok {
		return
	}
	delete(s.pending, client)
	if s.byAddress[client.address]--; s.byAddress[client.address] == 0 {
		delete(s.byAddress, client.address)
	}
}

// crowded says whether a new client has to prove that its address is its own, which costs it a round trip.
func (s *webTransportServer) crowded(net.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending) >= s.cfg.MaxPending/4
}

func (s *webTransportServer) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Stats returns the server's counters.
func (s *webTransportServer) Stats() *webTransportStats { return &s.stats }

// StopAccepting refuses new clients and turns away those on their way in; the others go on. It is the first half of
// Shutdown.
func (s *webTransportServer) StopAccepting() {
	s.mu.Lock()
	s.closing = true
	turned := make([]*webTransportClient, 0, len(s.pending))
	for client := range s.pending {
		turned = append(turned, client)
	}
	s.mu.Unlock()
	for _, client := range turned {
		client.hangUp()
	}
}

// Shutdown stops accepting, waits until those who own the clients have closed them and their QUIC connections have
// ended, or ctx ends, and cuts off who is left. The error is ctx's if it came first.
func (s *webTransportServer) Shutdown(ctx context.Context) error {
	s.StopAccepting()
	ended := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(ended)
	}()
	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = s.wt.Close() // tells who is left
	s.mu.Lock()
	t := s.transport
	s.mu.Unlock()
	if t != nil {
		_ = t.Close() // ends Serve
	}
	<-ended
	return err
}

// hangUp ends the QUIC connection at once.
func (c *webTransportClient) hangUp() {
	if conn := c.conn.Load(); conn != nil {
		_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
}
