package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// The codec writes messages and the lines of streams, and nothing else.
func TestCodec(t *testing.T) {
	sized, bad := &realtimev1.CountSocketsResponse{Count: 2}, &realtimev1.Room{Name: "\xff"}
	for _, c := range []struct {
		value any
		want  string // without blanks; empty: an error
	}{
		{sized, `{"count":2}` + "\n"},
		{map[string]any{"result": sized}, `{"result":{"count":2}}`},
		{map[string]proto.Message{"error": status.New(codes.NotFound, "x").Proto()}, `{"error":{"code":5,"message":"x","details":[]}}`},
		{map[string]any{"result": 7}, ""},
		{map[string]any{"result": sized, "more": sized}, ""},
		{map[string]proto.Message{}, ""},
		{"text", ""},
		{map[string]any{"result": bad}, ""},
	} {
		var w bytes.Buffer
		err := codec{}.NewEncoder(&w).Encode(c.value)
		if got := strings.ReplaceAll(w.String(), " ", ""); got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%v: %q, %v", c.value, got, err)
		}
	}
	if err := (codec{}).Unmarshal([]byte("{}"), new(int)); err == nil {
		t.Error("a number was taken for a message")
	}
	failing := errors.New("gone")
	if err := (codec{}).NewDecoder(readerFunc(func([]byte) (int, error) { return 0, failing })).Decode(sized); !errors.Is(err, failing) {
		t.Errorf("%v", err)
	}
	if err := (codec{}).Unmarshal([]byte(`{"`+strings.Repeat("é", 1000)+`":1}`), sized); err == nil || len(err.Error()) > 2*maxErrorText {
		t.Errorf("what is wrong is told in %d bytes", len(err.Error()))
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A status is written whatever is in it.
func TestStatusThatCannotBeWritten(t *testing.T) {
	unknown, err := status.New(codes.NotFound, "x").WithDetails(&realtimev1.Room{})
	if err != nil {
		t.Fatal(err)
	}
	p := unknown.Proto()
	p.Details[0] = &anypb.Any{TypeUrl: "type.googleapis.com/no.such.Type"}
	for _, c := range []struct {
		st   *status.Status
		want string
	}{
		{status.FromProto(p), `"message":"x"`},
		{status.New(codes.NotFound, "\xff"), `{"code":13,`},
	} {
		w := httptest.NewRecorder()
		writeStatus(w, http.StatusNotFound, c.st)
		if got := strings.ReplaceAll(w.Body.String(), " ", ""); w.Code != http.StatusNotFound || !strings.Contains(got, c.want) {
			t.Errorf("%d %s", w.Code, got)
		}
	}
}

// Only connections of a Gateway pass without a handshake, with the state that they bring.
func TestCredentials(t *testing.T) {
	server := Credentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})).Clone()
	stranger, peer := net.Pipe()
	_ = peer.Close()
	if _, _, err := server.ServerHandshake(stranger); err == nil {
		t.Error("a stranger passed")
	}
	for _, state := range []*tls.ConnectionState{nil, {ServerName: "here"}} {
		conn := &callerConn{Conn: stranger, tls: state}
		got, info, err := server.ServerHandshake(conn)
		if err != nil || got != net.Conn(conn) {
			t.Fatalf("%v, %v", got, err)
		}
		withTLS, ok := info.(credentials.TLSInfo)
		if ok != (state != nil) || ok && withTLS.State.ServerName != "here" {
			t.Errorf("%+v", info)
		}
	}
	if name := Credentials(insecure.NewCredentials()).Info().SecurityProtocol; name != "insecure" {
		t.Errorf("protocol %q", name)
	}
}

// A link that is closed opens no more, and one that nobody accepts fails with its call.
func TestLinkWithoutAServer(t *testing.T) {
	l := &link{calls: newCalls(), remote: memory{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.calls.dial(ctx, memory{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	_ = l.calls.Close()
	if _, err := l.calls.dial(t.Context(), memory{}, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := l.calls.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
	ctx = context.WithValue(t.Context(), linkKey{}, l)
	client := realtimev1.NewSocketServiceClient(overLink{})
	if _, err := client.CountSockets(ctx, &realtimev1.CountSocketsRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("without a server: %v", err)
	}
	l.close()
	l.close()
	if _, err := client.ListSockets(ctx, &realtimev1.ListSocketsRequest{}); err == nil {
		t.Error("a closed link opened again")
	}
	if _, err := client.CountSockets(t.Context(), &realtimev1.CountSocketsRequest{}); status.Code(err) != codes.Internal {
		t.Errorf("without a link: %v", err)
	}
}

// A client that is gone ends the call, and nothing is told of it.
func TestAnswerToNobody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := &answer{ResponseWriter: gone{httptest.NewRecorder()}, cancel: cancel}
	if n, err := a.Write([]byte("line")); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if ctx.Err() == nil {
		t.Error("the call goes on")
	}
	if err := http.NewResponseController(a).Flush(); err != nil {
		t.Error(err)
	}
}

// gone is a ResponseWriter whose connection is closed.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, net.ErrClosed }
func (gone) FlushError() error         { return net.ErrClosed }
