package wsedge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// crowdEnv makes the test binary a crowd of clients instead (see runCrowd): the
// descriptors of ten thousand connections do not fit twice into one process.
const crowdEnv = "WSEDGE_TEST_CROWD"

// runCrowd opens n WebSocket sessions to the address, connects each to "/", and
// says "ready". Then, for each line on stdin, it reads one event on each
// connection and says "read"; at the end of stdin it closes everything.
func runCrowd(spec string) error {
	address, count, _ := strings.Cut(spec, " ")
	var n int
	if _, err := fmt.Sscan(count, &n); err != nil {
		return err
	}
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		conns[i] = c
		fmt.Fprint(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if _, err := c.Write([]byte{0x81, 0x82, 0, 0, 0, 0, '4', '0'}); err != nil {
			return err
		}
		if err := readUntil(c, `40{"sid"`); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		for i, c := range conns {
			if err := readUntil(c, lines.Text()); err != nil {
				return fmt.Errorf("connection %d: %w", i, err)
			}
		}
		fmt.Println("read")
	}
	for _, c := range conns {
		_, _ = c.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(nil))))
	}
	for _, c := range conns {
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	}
	fmt.Println("closed")
	return nil
}

// readUntil reads from c until the text has come.
func readUntil(c net.Conn, text string) error {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	buf := make([]byte, 1024)
	for !strings.Contains(string(got), text) {
		n, err := c.Read(buf)
		if err != nil {
			return fmt.Errorf("waiting for %q, got %q: %w", text, got, err)
		}
		got = append(got, buf[:n]...)
	}
	return nil
}

// crowd is the other process.
type crowd struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
	cmd *exec.Cmd
}

func startCrowd(t *testing.T, address string, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", crowdEnv, address, n))
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	c.expect("ready")
	return c
}

func (c *crowd) expect(line string) {
	c.t.Helper()
	if !c.out.Scan() || c.out.Text() != line {
		c.t.Fatalf("the crowd said %q, want %q", c.out.Text(), line)
	}
}

// usage is what a process holds.
type usage struct {
	goroutines, descriptors int
	heap                    uint64
}

func used(t *testing.T) usage {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.descriptors = len(entries)
	}
	return u
}

// Ten thousand sessions are opened, joined to two rooms, emitted to and closed;
// no goroutine, no descriptor and no memory stays behind.
func TestTenThousandSessionsLeaveNothing(t *testing.T) {
	const sessions = 10_000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := startOn(t, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, func(c *Config) {
		c.Observer = nil
	})
	n := h.namespace("/")
	round := func() usage {
		c := startCrowd(t, l.Addr().String(), sessions)
		n.Join(rooms.Target{}, "all", "everybody")
		for _, event := range []string{"first", "second"} {
			matched, delivered := n.Emit(rooms.Target{Rooms: []string{"all"}}, &rooms.Message{Event: event})
			if matched != sessions || delivered != sessions {
				t.Fatalf("matched %d, delivered %d", matched, delivered)
			}
			fmt.Fprintf(c.in, "42[\"%s\"]\n", event)
			c.expect("read")
		}
		during := used(t)
		c.in.Close()
		c.expect("closed")
		if err := c.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		for h.server.Stats().Sessions > 0 || h.server.transport.Open() > 0 {
			runtime.Gosched()
		}
		return during
	}
	round() // what is made once and kept: pools, tables, loops
	before := used(t)
	during := round()
	after := used(t)
	t.Logf("per session: %d B of heap, %.2f goroutines, %.2f descriptors",
		(during.heap-before.heap)/sessions, float64(during.goroutines-before.goroutines)/sessions,
		float64(during.descriptors-before.descriptors)/sessions)
	if after.goroutines > before.goroutines {
		t.Errorf("goroutines: %d before, %d after", before.goroutines, after.goroutines)
	}
	if after.descriptors > before.descriptors {
		t.Errorf("descriptors: %d before, %d after", before.descriptors, after.descriptors)
	}
	if growth := int64(after.heap) - int64(before.heap); growth > 1<<20 {
		t.Errorf("the heap has grown by %d bytes", growth)
	}
}
