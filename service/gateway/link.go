package gateway

import (
	"context"
	"crypto/tls"
	"math"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// calls is a listener without an address: its connections are made by dial, in memory. All methods may be called from any goroutine.
type calls struct {
	accept chan net.Conn
	once   sync.Once // of closed
	closed chan struct{}
}

func newCalls() *calls { return &calls{accept: make(chan net.Conn), closed: make(chan struct{})} }

// Accept implements net.Listener.
func (c *calls) Accept() (net.Conn, error) {
	select {
	case conn := <-c.accept:
		return conn, nil
	case <-c.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (c *calls) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// Addr implements net.Listener.
func (c *calls) Addr() net.Addr { return memory{} }

// memory is the address of what has none.
type memory struct{}

func (memory) Network() string { return "memory" }
func (memory) String() string  { return "memory" }

// dial returns one end of a connection whose other end is accepted with that address and that certificate. It blocks until then.
func (c *calls) dial(ctx context.Context, remote net.Addr, state *tls.ConnectionState) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case c.accept <- &callerConn{Conn: theirs, remote: remote, tls: state}:
		return ours, nil
	case <-c.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// callerConn is the gRPC server's end of a connection: it looks as the caller's does.
type callerConn struct {
	net.Conn
	remote net.Addr
	tls    *tls.ConnectionState // nil: without TLS
}

// RemoteAddr implements net.Conn.
func (c *callerConn) RemoteAddr() net.Addr { return c.remote }

// Credentials lets a gRPC server with those credentials serve Calls as well: there the handshake was HTTP's, and its client
// certificate is the call's. Only the connections of a Gateway are taken without a handshake.
func Credentials(of credentials.TransportCredentials) credentials.TransportCredentials {
	return &handshakes{TransportCredentials: of}
}

type handshakes struct {
	credentials.TransportCredentials
}

// ServerHandshake implements credentials.TransportCredentials.
func (h *handshakes) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	caller, ours := conn.(*callerConn)
	switch {
	case !ours:
		return h.TransportCredentials.ServerHandshake(conn)
	case caller.tls == nil:
		return insecure.NewCredentials().ServerHandshake(conn)
	}
	return conn, credentials.TLSInfo{
		State:          *caller.tls,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

// Clone implements credentials.TransportCredentials.
func (h *handshakes) Clone() credentials.TransportCredentials {
	return &handshakes{TransportCredentials: h.TransportCredentials.Clone()}
}

// link is the way of one HTTP connection to the gRPC server. It opens with its first call.
type link struct {
	// Fixed at construction.
	calls  *calls
	remote net.Addr

	mu     sync.Mutex // guards the following
	conn   *grpc.ClientConn
	closed bool
}

type linkKey struct{}

// bufferBytes is for each direction of a link: one request at a time needs no more.
const bufferBytes = 4 << 10

// open returns the connection; state is that of the HTTP connection, nil without TLS.
func (l *link) open(state *tls.ConnectionState) (*grpc.ClientConn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, status.Error(codes.Canceled, "the connection is closed")
	}
	if l.conn != nil {
		return l.conn, nil
	}
	var err error
	l.conn, err = grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()), // of this end; the other one's are handshakes
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.calls.dial(ctx, l.remote, state) }),
		grpc.WithReadBufferSize(bufferBytes), grpc.WithWriteBufferSize(bufferBytes),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)), // the server bounds what it sends
		grpc.WithDisableServiceConfig(),
	)
	return l.conn, err
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.conn != nil {
		_ = l.conn.Close() // only a second time fails
	}
}
