package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/transport"
)

// echo is the application's side of one session: it sends every message back.
type echo struct{ session *transport.Session }

func (e echo) Opened() { fmt.Println("opened by", e.session.Transport()) }

func (e echo) Message(data []byte, binary bool) bool {
	prepare := func(dst []byte) []byte { return append(dst, data...) }
	if binary {
		e.session.Send(transport.PrepareBinary(len(data), prepare), false)
	} else {
		e.session.Send(transport.Prepare(len(data), prepare, nil), false)
	}
	return true
}

func (echo) Alarm() {}

func (echo) Closed(reason engineio.Reason, _ transport.Cause) { fmt.Println("closed:", reason) }

// A raw Engine.IO server, as engine.io is below socket.io: any client that speaks Engine.IO v4 can use it at
// ws://localhost:3000/engine.io/ or by long-polling.
func ExampleServer() {
	server, err := transport.NewServer(transport.Config{
		OnSession: func(s *transport.Session) transport.Handler { return echo{s} },
		HTTP: transport.HTTPConfig{
			Admit: func(_ context.Context, r *http.Request) error {
				if r.Header.Get("X-Banned") != "" {
					return errors.New("banned") // the client hears "Forbidden"
				}
				return nil
			},
			Headers: func(h http.Header, _ *http.Request) { h.Set("Server", "echo") },
		},
	})
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "localhost:0") // ":3000" in earnest
	if err != nil {
		panic(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	begin("http://" + listener.Addr().String() + "/engine.io/?EIO=4&transport=polling")
	if err := errors.Join(server.Shutdown(context.Background()), <-served); err != nil {
		panic(err)
	}
	// Output:
	// opened by polling
	// 200 OK from echo
	// closed: forced close
}

// begin is a client that asks for a session and leaves it there.
func begin(url string) {
	resp, err := http.Get(url)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	fmt.Println(resp.Status, "from", resp.Header.Get("Server"))
}
