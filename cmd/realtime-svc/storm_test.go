package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// stormEnv asks for the storm in full (make storm).
const stormEnv = "REALTIME_TEST_STORM"

// PROTOCOL 5, the recovery storm: all clients are cut at once and come back within a backoff with jitter, as the stock
// client does, while services go on emitting to everyone and to rooms. All are recovered, and each gets every event that
// is for it, once and in order.
func TestProtocol5RecoveryStorm(t *testing.T) {
	s := &storm{t: t, clients: 500, least: 100 * time.Millisecond, most: 500 * time.Millisecond}
	if os.Getenv(stormEnv) != "" {
		s.clients, s.least, s.most = 5000, time.Second, 5*time.Second
	}
	p, started := launchOnAnyPorts(t, "--recovery-max-age=2m")
	s.edge = regexp.MustCompile(` listen=(\S+)`).FindStringSubmatch(started)[1]
	control, err := grpc.NewClient(regexp.MustCompile(` grpc_listen=(\S+)`).FindStringSubmatch(started)[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = control.Close() }()
	s.run(control)
	s.report(p.cmd.Process.Pid)
}

// stormRooms is among how many rooms the clients are spread, each in one.
const stormRooms = 50

// storm is one run.
type storm struct {
	// Fixed before it begins.
	t           *testing.T
	clients     int
	least, most time.Duration // the backoff
	edge        string

	wave []*tossed

	// What was emitted: to everyone, and to each room. Written by the emitter, read when it has ended.
	toAll  int
	toRoom [stormRooms]int

	recovered, anew, received, duplicates, gaps atomic.Int64
	missed                                      atomic.Int64 // told before the CONNECT answer
	began, back                                 time.Time
}

// tossed is one client.
type tossed struct {
	storm       *storm
	room        int
	conn        net.Conn
	r           *bufio.Reader
	sid, pid    string
	auth        string // JSON; empty: none
	offset      string
	last        [2]int        // of what is for everyone, and for its room
	pastConnect bool          // the answer to CONNECT has come
	patience    time.Duration // for read; zero: stormPatience
	turned      chan struct{} // closed when it is back
}

// run is the storm from the first connection to the last event.
func (s *storm) run(control *grpc.ClientConn) {
	s.t.Helper()
	for i := range s.clients {
		c := &tossed{storm: s, room: i % stormRooms, turned: make(chan struct{})}
		if err := c.connect(); err != nil {
			s.t.Fatalf("client %d: %v", i, err)
		}
		s.wave = append(s.wave, c)
	}
	s.fillRooms(realtime.NewRoomServiceClient(control))
	ctx, stop := context.WithCancel(s.t.Context())
	defer stop()
	emitted := make(chan error, 1)
	go func() { emitted <- s.emit(ctx, realtime.NewEmitServiceClient(control)) }()

	var cut, ended sync.WaitGroup
	for _, c := range s.wave {
		cut.Add(1)
		ended.Go(func() {
			err := c.read(func() bool { return c.last[0] >= 3 })
			cut.Done()
			if err == nil {
				err = c.returns()
			}
			if err != nil {
				s.t.Errorf("client %s: %v", c.sid, err)
			}
			close(c.turned)
		})
	}
	cut.Wait() // everybody is there; what now comes in is lost with the connections
	s.began = time.Now()
	for _, c := range s.wave {
		_ = c.conn.(*net.TCPConn).SetLinger(0)
		_ = c.conn.Close()
	}
	for _, c := range s.wave {
		<-c.turned
	}
	s.back = time.Now()
	stop()
	if err := <-emitted; err != nil {
		s.t.Fatal(err)
	}
	ended.Wait()
	for _, c := range s.wave {
		done := func() bool { return c.last[0] >= s.toAll && c.last[1] >= s.toRoom[c.room] }
		if err := c.read(done); err != nil {
			s.t.Errorf("client %s, which has %d of %d and %d of %d: %v", c.sid, c.last[0], s.toAll, c.last[1], s.toRoom[c.room], err)
		}
		_ = c.conn.Close()
	}
}

// fillRooms has a service put each client into its room.
func (s *storm) fillRooms(service realtime.RoomServiceClient) {
	s.t.Helper()
	var members [stormRooms][]string
	for _, c := range s.wave {
		members[c.room] = append(members[c.room], c.sid)
	}
	for i, sids := range members {
		_, err := service.JoinRooms(s.t.Context(), &realtime.JoinRoomsRequest{Target: &realtime.Target{Sockets: sids}, Rooms: []string{stormRoom(i)}})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func stormRoom(i int) string { return fmt.Sprint("room ", i) }

// emit numbers what it emits, until ctx ends: each time to five rooms, every fourth time to everyone.
func (s *storm) emit(ctx context.Context, service realtime.EmitServiceClient) error {
	beat := time.NewTicker(25 * time.Millisecond)
	defer beat.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		for range 5 {
			room := rand.IntN(stormRooms)
			s.toRoom[room]++
			if err := tell(service, []string{stormRoom(room)}, 1, s.toRoom[room]); err != nil {
				return err
			}
		}
		if i%4 == 0 {
			s.toAll++
			if err := tell(service, nil, 0, s.toAll); err != nil {
				return err
			}
		}
		<-beat.C
	}
	return nil
}

func tell(service realtime.EmitServiceClient, rooms []string, kind, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := service.Emit(ctx, &realtime.EmitRequest{
		Target: &realtime.Target{Rooms: rooms}, Event: "m", Arguments: fmt.Sprintf("[%d,%d]", kind, n),
	})
	return err
}

// returns waits for its turn and comes back, however often it takes.
func (c *tossed) returns() error {
	for {
		if _, err := c.r.ReadByte(); err == nil {
			continue // lost: the client was cut when it had read less
		}
		<-time.After(c.storm.least + rand.N(c.storm.most-c.storm.least))
		pid, sid := c.pid, c.sid
		if err := c.connect(); err != nil {
			var refused *net.OpError
			if errors.As(err, &refused) {
				continue
			}
			return err
		}
		if c.pid == pid && c.sid == sid {
			c.storm.recovered.Add(1)
		} else {
			c.storm.anew.Add(1)
		}
		return nil
	}
}

// stormPatience is a deadline for failures.
const stormPatience = time.Minute

// connect opens a WebSocket, says CONNECT and reads up to the answer.
func (c *tossed) connect() error {
	var err error
	if c.conn, err = net.Dial("tcp", c.storm.edge); err != nil {
		return err
	}
	c.r = bufio.NewReaderSize(c.conn, 1024)
	_ = c.conn.SetDeadline(time.Now().Add(stormPatience))
	fmt.Fprint(c.conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(resp.Status)
	}
	auth := "40" + c.auth
	if c.pid != "" {
		auth = fmt.Sprintf(`40{"pid":%q,"offset":%q}`, c.pid, c.offset)
	}
	c.pastConnect = false
	if err := c.send(auth); err != nil {
		return err
	}
	return c.read(func() bool { return c.pastConnect })
}

// errNotLetIn is read's: the server answered CONNECT with an error.
var errNotLetIn = errors.New("the client was not let in")

// send writes one text frame of less than 64 KiB, masked with zeros.
func (c *tossed) send(text string) error {
	head := []byte{0x81, 0x80 | byte(min(len(text), 126))}
	if len(text) > 125 {
		head = append(head, byte(len(text)>>8), byte(len(text)))
	}
	_, err := c.conn.Write(append(append(head, 0, 0, 0, 0), text...))
	return err
}

// read takes packets until it has what it wants.
func (c *tossed) read(enough func() bool) error {
	_ = c.conn.SetDeadline(time.Now().Add(cmp.Or(c.patience, stormPatience)))
	for !enough() {
		packet, err := c.frame()
		if err != nil {
			return err
		}
		switch {
		case packet == "2":
			if err := c.send("3"); err != nil {
				return err
			}
		case strings.HasPrefix(packet, "44"):
			return errNotLetIn
		case strings.HasPrefix(packet, "40{"):
			var answer struct{ SID, PID string }
			if err := json.Unmarshal([]byte(packet[2:]), &answer); err != nil {
				return err
			}
			c.sid, c.pid, c.pastConnect = answer.SID, answer.PID, true
		case strings.HasPrefix(packet, `42["m",`):
			c.event(packet)
		}
	}
	return nil
}

// errFrame is frame's: what came is no text, but a close for example.
var errFrame = errors.New("another frame")

// frame reads one unfragmented frame of less than 64 KiB.
func (c *tossed) frame() (string, error) {
	var header [4]byte
	if _, err := io.ReadFull(c.r, header[:2]); err != nil {
		return "", err
	}
	size := int(header[1])
	if header[0] != 0x81 || size > 126 {
		return "", fmt.Errorf("%w: it begins with %x", errFrame, header[:2])
	}
	if size == 126 {
		if _, err := io.ReadFull(c.r, header[2:]); err != nil {
			return "", err
		}
		size = int(header[2])<<8 | int(header[3])
	}
	text := make([]byte, size)
	_, err := io.ReadFull(c.r, text)
	return string(text), err
}

// event counts `42["m",kind,n,"offset"]`: the numbers of each kind come without a gap.
func (c *tossed) event(packet string) {
	parts := strings.Split(strings.Trim(packet[2:], "[]"), ",")
	kind, _ := strconv.Atoi(parts[1])
	n, _ := strconv.Atoi(parts[2])
	c.offset = strings.Trim(parts[3], `"`)
	c.storm.received.Add(1)
	if !c.pastConnect {
		c.storm.missed.Add(1)
	}
	switch {
	case n <= c.last[kind]:
		c.storm.duplicates.Add(1)
		return
	case n > c.last[kind]+1:
		c.storm.gaps.Add(1)
	}
	c.last[kind] = n
}

// report says what came of it, and fails unless that is everything.
func (s *storm) report(pid int) {
	s.t.Helper()
	var expected int64
	for _, c := range s.wave {
		expected += int64(s.toAll + s.toRoom[c.room])
	}
	s.t.Logf("clients %d, recovered %d, anew %d; events expected %d, received %d (%d of them missed and replayed), duplicates %d, gaps %d; "+
		"all back after %v; server's peak RSS %s", s.clients, s.recovered.Load(), s.anew.Load(), expected, s.received.Load(), s.missed.Load(),
		s.duplicates.Load(), s.gaps.Load(), s.back.Sub(s.began).Round(time.Millisecond), peakRSS(pid))
	if s.recovered.Load() != int64(s.clients) || s.received.Load() != expected || s.duplicates.Load()+s.gaps.Load() != 0 {
		s.t.Error("not everybody was recovered with everything")
	}
}

// peakRSS is what the system says of a process, as far as it says it.
func peakRSS(pid int) string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if peak := regexp.MustCompile(`VmHWM:\s*(.+)`).FindSubmatch(status); peak != nil {
		return string(peak[1])
	}
	return "unknown"
}
