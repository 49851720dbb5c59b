package transport

import (
	"io"
	"net"
	"testing"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// unready is an application with a bug that every session meets at its beginning.
type unready struct {
	mute
	closed chan Cause
}

func (unready) Opened() { panic("boom") }

func (u unready) Closed(_ engineio.Reason, cause Cause) { u.closed <- cause }

// An application that panics at the beginning of a session costs that session and its connection: nothing stays in the
// table or of the address's places, and nobody waits for an answer.
func TestPanicsAtTheBeginning(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		closed := make(chan Cause, 1)
		for name, begin := range map[string]func(*Session) Handler{
			"OnSession": func(*Session) Handler { panic("boom") },
			"Opened":    func(*Session) Handler { return unready{closed: closed} },
			"nil":       func(*Session) Handler { return nil },
		} {
			srv, addr := serving(t, kind, Config{MaxSessionsPerAddress: 1, OnSession: begin})
			none := func(way string) {
				t.Helper()
				until(t, "place of "+name+", "+way, func() bool { return srv.limits.size() == 0 && srv.Len() == 0 && srv.Open() == 0 })
				if name == "Opened" {
					if cause := <-closed; cause != CauseInternal {
						t.Errorf("%s: closed as %v", way, cause)
					}
				}
			}
			panics := uint64(0)
			for way, request := range waysIn() {
				c := call(t, "127.0.0.1", addr)
				io.WriteString(c, request)
				if !c.ended() {
					t.Errorf("%s, %s: the connection lives", name, way)
				}
				none(way)
				if panics++; srv.Panics() != panics {
					t.Errorf("%s, %s: %d panics", name, way, srv.Panics())
				}
			}
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: whoever has the stream does not hear of it", name)
					}
				}()
				client, c := net.Pipe()
				defer client.Close()
				defer c.Close()
				srv.acceptStream(c, "", &Handshake{Address: "192.0.2.1"}, nil)
			}()
			none("WebTransport")
		}
	})
}
