package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	routes "github.com/realtime-svc/realtime-svc/gen/go/gateway/realtime/v1"
	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Config says how a Gateway behaves. The zero value is the default.
type Config struct {
	// TLS is what connections are served with. Nil: without TLS.
	TLS *tls.Config
	// MaxBody bounds the body of a request, in bytes. Default 4 MiB.
	MaxBody int
	// LocalOnly refuses requests to hosts other than this machine's own, by the Host header: where nobody needs a token, a page in a
	// browser on this machine could call, once its own name leads to 127.0.0.1 (DNS rebinding).
	LocalOnly func() bool
	// Logger gets what goes wrong with connections. Nil discards it.
	Logger *slog.Logger
}

const (
	// headTimeout and bodyTimeout are how long the parts of a request may take to come.
	headTimeout = 5 * time.Second
	bodyTimeout = 30 * time.Second
	// idleTimeout is how long a connection is kept between requests.
	idleTimeout = 2 * time.Minute
	// maxHeadBytes bounds the head of a request, as gRPC's server bounds its metadata.
	maxHeadBytes = 64 << 10
)

// Gateway serves HTTP and calls gRPC. Make it with New; then let the gRPC server serve Calls, and Serve the HTTP listener.
type Gateway struct {
	// Fixed at construction.
	cfg    Config
	routes http.Handler
	server *http.Server
	calls  *calls

	mu    sync.Mutex // guards the following
	links map[net.Conn]*link
}

// New returns a Gateway that serves nothing yet.
func New(cfg Config) (*Gateway, error) {
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 4<<20)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.LocalOnly == nil {
		cfg.LocalOnly = func() bool { return false }
	}
	mux, err := newMux()
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, routes: mux, calls: newCalls(), links: map[net.Conn]*link{}}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	g.server = &http.Server{
		Handler:           http.HandlerFunc(g.serve),
		TLSConfig:         cfg.TLS,
		Protocols:         protocols,
		ReadHeaderTimeout: headTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeadBytes,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
		ConnContext:       g.connected,
		ConnState:         g.changed,
	}
	return g, nil
}

// newMux returns the routes. Their calls go over the link in the context of each request.
func newMux() (*runtime.ServeMux, error) {
	setQueryParser()
	drop := func(string) (string, bool) { return "", false }
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, codec{}),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptReserved),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithIncomingHeaderMatcher(incoming),
		runtime.WithOutgoingHeaderMatcher(drop),
		runtime.WithOutgoingTrailerMatcher(drop),
		runtime.WithForwardResponseOption(begin),
		runtime.WithErrorHandler(writeError),
		runtime.WithRoutingErrorHandler(writeRoutingError),
	)
	ctx := context.Background() // the calls have those of their requests
	err := errors.Join(
		routes.RegisterEmitServiceHandlerClient(ctx, mux, realtimev1.NewEmitServiceClient(overLink{})),
		routes.RegisterRoomServiceHandlerClient(ctx, mux, realtimev1.NewRoomServiceClient(overLink{})),
		routes.RegisterSocketServiceHandlerClient(ctx, mux, realtimev1.NewSocketServiceClient(overLink{})),
		routes.RegisterEventServiceHandlerClient(ctx, mux, realtimev1.NewEventServiceClient(overLink{})),
		routes.RegisterNodeServiceHandlerClient(ctx, mux, realtimev1.NewNodeServiceClient(overLink{})),
	)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	return mux, nil
}

// incoming names the headers that a call takes along as metadata, beside Authorization and Grpc-Timeout, which grpc-gateway sees to.
func incoming(header string) (string, bool) {
	return strings.ToLower(header), header == "Traceparent" || header == "Tracestate"
}

// Calls is what the gRPC server is to serve: a listener on which the connections of the Gateway come. If the server has credentials, they
// must be wrapped by Credentials.
func (g *Gateway) Calls() net.Listener { return g.calls }

// Serve serves connections of l, over TLS if Config.TLS is set, until Shutdown. It returns http.ErrServerClosed then.
func (g *Gateway) Serve(l net.Listener) error {
	if g.cfg.TLS != nil {
		return g.server.ServeTLS(l, "", "")
	}
	return g.server.Serve(l)
}

// Shutdown takes no further connections and waits for the requests; at the end of ctx it cuts them off and returns its error. Streams end
// with their calls: end those first, and stop the gRPC server afterwards.
func (g *Gateway) Shutdown(ctx context.Context) error {
	err := g.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, g.server.Close())
	}
	g.mu.Lock()
	links := g.links
	g.links = map[net.Conn]*link{}
	g.mu.Unlock()
	for _, l := range links {
		l.close()
	}
	return err
}

// connected gives a connection its link.
func (g *Gateway) connected(ctx context.Context, conn net.Conn) context.Context {
	l := &link{calls: g.calls, remote: conn.RemoteAddr()}
	g.mu.Lock()
	g.links[conn] = l
	g.mu.Unlock()
	return context.WithValue(ctx, linkKey{}, l)
}

// changed closes the link of a connection that is closed.
func (g *Gateway) changed(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	g.mu.Lock()
	l := g.links[conn]
	delete(g.links, conn)
	g.mu.Unlock()
	if l != nil {
		l.close()
	}
}
