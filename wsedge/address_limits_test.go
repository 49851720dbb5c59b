package wsedge

import (
	"io"
	"net/netip"
	"testing"
)

// What the limits of an address turn down is told to the client and counted where operators look; the bystander, who was
// there before, stays.
func TestLimitsOfOneAddressAreCounted(t *testing.T) {
	refusedWith := func(body string) func(*testing.T, *harness) {
		return func(t *testing.T, h *harness) {
			status, polled := h.poller().do("GET", "EIO=4&transport=polling", "")
			if want := `{"code":4,"message":"` + body + `"}`; status != 429 || polled != want {
				t.Errorf("polling: %d %s", status, polled)
			}
			for way, headers := range waysToUpgrade {
				p, resp, said := h.says(upgradeHead("EIO=4&transport=websocket", headers))
				if resp.StatusCode != 429 || said != body || resp.Header.Get("Retry-After") == "" {
					t.Errorf("%s: %s %s", way, resp.Status, said)
				}
				p.isOver()
			}
		}
	}
	for name, c := range map[string]struct {
		edit  func(*Config)
		do    func(*testing.T, *harness)
		count func(Stats) uint64
		want  uint64
	}{
		"sessions": {func(c *Config) { c.MaxSessionsPerAddress = 1 }, refusedWith("Too many sessions"), func(s Stats) uint64 { return s.SessionsLimited }, 3},
		"handshakes": {func(c *Config) { c.HandshakesPerSecond = 0.1 }, // one at once
			refusedWith("Too many handshakes"), func(s Stats) uint64 { return s.HandshakesLimited }, 3},
		"connections": {func(c *Config) { c.MaxConnectionsPerAddress = 1 }, func(t *testing.T, h *harness) {
			first := h.raw()
			_, _ = io.WriteString(first, "GET /soc") // a head under way counts
			for range 2 {
				ended(t, h.raw())
			}
		}, func(s Stats) uint64 { return s.ConnectionsLimited }, 2},
		"heads": {func(c *Config) { c.MaxPendingHeads = 1 }, func(t *testing.T, h *harness) {
			oldest := h.raw()
			h.until(func() bool { return h.server.Stats().PendingHeads == 1 })
			h.raw()
			ended(t, oldest)
		}, func(s Stats) uint64 { return s.HeadsEvicted }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, c.edit)
			b := h.bystander()
			c.do(t, h)
			h.until(func() bool { return c.count(h.server.Stats()) >= c.want })
			if n := c.count(h.server.Stats()); n != c.want {
				t.Errorf("counted %d, want %d", n, c.want)
			}
			b.isWell()
		})
	}
}

// A PROXY header that is none ends the connection, and is counted; what claims to be one from a stranger is a request that
// cannot be read.
func TestPROXYHeadersAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		herald string
		failed uint64
	}{"a proxy": {"127.0.0.0/8", 3}, "a stranger": {"192.0.2.0/24", 0}} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(cfg *Config) { cfg.ProxyProtocol = []netip.Prefix{netip.MustParsePrefix(c.herald)} })
			for _, header := range []string{"PROXY TCP4 x y 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 99999\r\n", "QUIT\r\n"} {
				conn := h.raw()
				_, _ = io.WriteString(conn, header+"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
				ended(t, conn)
			}
			if s := h.server.Stats(); s.ProxyFailed != c.failed || s.Sessions != 0 {
				t.Errorf("%d failed, %d sessions", s.ProxyFailed, s.Sessions)
			}
		})
	}
}
