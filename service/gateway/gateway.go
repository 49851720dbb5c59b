// Package gateway is the HTTP/JSON face of the control plane: every method but those with a stream of requests, for curl, cron jobs
// and languages without gRPC. The routes are in proto/gateway.yaml.
//
// It is a translator and decides nothing: each request becomes a call of the same services behind the same interceptors, with the request's
// Authorization and the address of its client, and each status becomes what grpc-gateway makes of it, with the details.
//
// # Pages
//
// A browser must not become a caller by visiting a page: what changes something has to be sent as application/json, for which a page of another
// origin needs a preflight that is never answered; no answer may be read by other origins; and where no token protects the routes, the Host must be an
// address or localhost, so that no page gets here under a name of its own (DNS rebinding).
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Config says how a Gateway behaves. Every field is required but Tokens.
type Config struct {
	// NewServer makes the gRPC server that answers, with these options beside its own. It is served on no network: only the Gateway
	// reaches it, and its peers are the Gateway's clients.
	NewServer func(options ...grpc.ServerOption) (*grpc.Server, error)
	// MaxBody bounds the body of a request in bytes; more is 413.
	MaxBody int64
	// Tokens says that callers need a token. Otherwise only Hosts that are addresses or localhost are answered.
	Tokens bool
}

// Gateway is an http.Handler. Make it with New, and end it with Shutdown.
type Gateway struct {
	cfg    Config
	server *grpc.Server
	conn   *grpc.ClientConn
	mux    *runtime.ServeMux
	served chan error // of server
}

// pipeBytes is the buffer between the Gateway and its gRPC server, each way.
const pipeBytes = 256 << 10

// New makes a Gateway, whose gRPC server runs from now on.
func New(cfg Config) (*Gateway, error) {
	server, err := cfg.NewServer(grpc.StatsHandler(asCaller{}))
	if err != nil {
		return nil, err
	}
	pipe := bufconn.Listen(pipeBytes)
	g := &Gateway{cfg: cfg, server: server, served: make(chan error, 1)}
	go func() { g.served <- server.Serve(pipe) }()
	g.conn, err = grpc.NewClient("passthrough:///gateway", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(int(cfg.MaxBody)), grpc.MaxCallSendMsgSize(int(cfg.MaxBody))))
	if err == nil {
		g.mux, err = newMux(g.conn)
	}
	if err != nil {
		return nil, errors.Join(err, g.Shutdown(context.Background()))
	}
	return g, nil
}

func newMux(conn *grpc.ClientConn) (*runtime.ServeMux, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{MarshalOptions: protojson.MarshalOptions{EmitUnpopulated: true}}),
		runtime.SetQueryParameterParser(strictly{}),
		runtime.WithIncomingHeaderMatcher(incoming),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithErrorHandler(refuse),
		runtime.WithRoutingErrorHandler(unrouted),
		runtime.WithDisablePathLengthFallback(), // no form in the place of JSON
	)
	for _, register := range []func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
		realtimev1.RegisterEmitServiceHandler, realtimev1.RegisterRoomServiceHandler, realtimev1.RegisterSocketServiceHandler,
		realtimev1.RegisterEventServiceHandler, realtimev1.RegisterNodeServiceHandler,
	} {
		if err := register(context.Background(), mux, conn); err != nil {
			return nil, fmt.Errorf("gateway: %w", err)
		}
	}
	return mux, nil
}

// incoming says which headers of a request become the call's metadata, beside Authorization, which always does.
func incoming(name string) (string, bool) { return "traceparent", name == "Traceparent" }

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, marshaler := runtime.MarshalerForRequest(g.mux, r)
	no := func(code int, format string, args ...any) {
		refuse(r.Context(), g.mux, marshaler, w, r, &runtime.HTTPStatusError{HTTPStatus: code, Err: status.Errorf(codes.InvalidArgument, format, args...)})
	}
	switch {
	case !g.cfg.Tokens && !local(r.Host):
		no(http.StatusForbidden, "the host %q is neither an address nor localhost, and no token is needed here", r.Host)
		return
	case r.Method == http.MethodPost && !isJSON(r.Header.Get("Content-Type")):
		no(http.StatusUnsupportedMediaType, "the body must be sent as application/json")
		return
	case r.ContentLength > g.cfg.MaxBody:
		no(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", g.cfg.MaxBody)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, g.cfg.MaxBody)
	// What grpc-gateway makes of the header that a client sends is not to be trusted: asCaller wants the connection's address alone.
	r.Header.Del("X-Forwarded-For")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	g.mux.ServeHTTP(w, r)
}

// isJSON reports whether a Content-Type is JSON's.
func isJSON(header string) bool {
	kind, _, err := mime.ParseMediaType(header)
	return err == nil && kind == "application/json"
}

// local reports whether a Host names an address or localhost.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	if len(host) > 1 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// refuse writes an error: the status as JSON, with Retry-After where its RetryInfo says when.
func refuse(ctx context.Context, mux *runtime.ServeMux, marshaler runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		err = &runtime.HTTPStatusError{HTTPStatus: http.StatusRequestEntityTooLarge, Err: status.Error(codes.InvalidArgument, "the body is too large")}
	}
	for _, detail := range status.Convert(err).Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			seconds := retry.GetRetryDelay().AsDuration().Seconds()
			w.Header().Set("Retry-After", strconv.Itoa(max(1, int(seconds+0.999))))
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	runtime.DefaultHTTPErrorHandler(ctx, mux, marshaler, w, r, err)
}

// unrouted answers what is no route.
func unrouted(ctx context.Context, mux *runtime.ServeMux, marshaler runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	err := status.Errorf(codes.NotFound, "there is no %s %s", r.Method, r.URL.Path)
	if code == http.StatusMethodNotAllowed {
		err = status.Errorf(codes.Unimplemented, "%s is not served with %s", r.URL.Path, r.Method)
	}
	refuse(ctx, mux, marshaler, w, r, &runtime.HTTPStatusError{HTTPStatus: code, Err: err})
}

// Shutdown ends the gRPC server when its calls have ended, or at the end of ctx, and returns when it has. Streams end by
// themselves when the services that they call are shut down.
func (g *Gateway) Shutdown(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // ends with GracefulStop, which Stop ends
		defer close(done)
		g.server.GracefulStop()
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		g.server.Stop()
		<-done
	}
	if g.conn != nil {
		err = errors.Join(err, g.conn.Close())
	}
	if e := <-g.served; !errors.Is(e, io.EOF) {
		err = errors.Join(err, e)
	}
	return err
}

// asCaller gives each call the address of the Gateway's client as its peer: limits go by that. grpc-gateway passes it on.
type asCaller struct{}

// TagRPC implements stats.Handler.
func (asCaller) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, address := range md.Get("x-forwarded-for") {
		if ip, err := netip.ParseAddr(address); err == nil {
			return peer.NewContext(ctx, &peer.Peer{Addr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))})
		}
	}
	return ctx
}

func (asCaller) HandleRPC(context.Context, stats.RPCStats)                         {}
func (asCaller) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (asCaller) HandleConn(context.Context, stats.ConnStats)                       {}
