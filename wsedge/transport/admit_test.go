package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
)

// Admit costs nothing for an address that is over its limits, and what it refuses, or panics at, keeps no place in them.
func TestAdmitComesAfterTheLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		asked := make(chan bool, 10)
		srv, addr := serving(t, kind, Config{MaxSessionsPerAddress: 1, HTTP: HTTPConfig{
			Admit: func(_ context.Context, r *http.Request) error {
				asked <- true
				switch r.Header.Get("X-Verdict") {
				case "no":
					return errors.New("no")
				case "panic":
					panic("boom")
				}
				return nil
			},
		}})
		for way, request := range waysIn() {
			for _, verdict := range []string{"no", "panic"} {
				c := call(t, "127.0.0.1", addr)
				io.WriteString(c, replace("Host:", "X-Verdict: "+verdict+"\r\nHost:")(request))
				<-asked
				until(t, "place after "+verdict+", "+way, func() bool { return srv.limits.size() == 0 })
			}
		}
		bad := call(t, "127.0.0.1", addr) // let in, but no WebSocket can be made of it
		if resp, _ := bad.ask(replace("Version: 13", "Version: 12")(upgradeRequest())); resp.StatusCode != 400 {
			t.Errorf("a bad handshake: %s", resp.Status)
		}
		<-asked
		until(t, "place after a bad handshake", func() bool { return srv.limits.size() == 0 })
		call(t, "127.0.0.1", addr).ask(pollRequest)
		<-asked
		for way, request := range waysIn() {
			if resp, _ := call(t, "127.0.0.1", addr).ask(request); resp.StatusCode != 429 {
				t.Errorf("%s, over the limit: %s", way, resp.Status)
			}
		}
		if len(asked) != 0 {
			t.Error("asked about an address that is over its limit")
		}
	})
}
