package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// crowd is many clients on one epoll loop. Frames are at most readSize long.
type crowd struct {
	address unix.SockaddrInet4
	epoll   int
	clients []*client
	byFD    map[int32]*client
	buffer  []byte
	onEvent func(c *client, packet []byte) // a packet that is neither ping nor part of the beginning
	closed  int                            // clients that the server closed
}

// client is one WebSocket.
type client struct {
	fd     int
	number int
	rest   []byte    // what has come of a frame that is not whole
	ready  bool      // it is connected to its namespace
	begun  bool      // the server has answered the upgrade
	last   int       // the last number that it got
	due    time.Time // when what it waits for was due
	paused bool      // it is not read
}

const readSize = 256 << 10

func newCrowd(address string) (*crowd, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &crowd{
		address: unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}, epoll: epoll,
		byFD: map[int32]*client{}, buffer: make([]byte, readSize),
	}, nil
}

const upgrade = "GET /socket.io/?EIO=4&transport=websocket%s HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// open connects one more client; it is ready once run has seen the answer to its CONNECT.
func (w *crowd) open() (*client, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &w.address); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetNonblock(fd, true)
	c := &client{fd: fd, number: len(w.clients)}
	w.clients = append(w.clients, c)
	w.byFD[int32(fd)] = c
	if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return nil, err
	}
	return c, c.write(fmt.Appendf(nil, upgrade, ""))
}

// atOnce is how many clients connect at a time.
const atOnce = 64

// connect opens n clients and returns when all are ready.
func (w *crowd) connect(n int) error {
	from, ready := len(w.clients), 0
	deadline := time.Now().Add(2 * time.Minute)
	for ready < n {
		for len(w.clients)-from < n && len(w.clients)-from-ready < atOnce {
			if _, err := w.open(); err != nil {
				return err
			}
		}
		if err := w.poll(100 * time.Millisecond); err != nil {
			return err
		}
		for ready < len(w.clients)-from && w.clients[from+ready].ready {
			ready++
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d clients were ready in time", ready, n)
		}
	}
	return nil
}

// run polls until done says so.
func (w *crowd) run(done func() bool) error {
	for !done() {
		if err := w.poll(5 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// poll handles what has come, and waits for so long if there is nothing.
func (w *crowd) poll(wait time.Duration) error {
	var events [512]unix.EpollEvent
	n, err := unix.EpollWait(w.epoll, events[:], int(wait.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	for _, e := range events[:max(n, 0)] {
		if c := w.byFD[e.Fd]; c != nil {
			w.read(c)
		}
	}
	return nil
}

// read takes what one client has got, once.
func (w *crowd) read(c *client) {
	n, err := unix.Read(c.fd, w.buffer[len(c.rest):])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if n <= 0 {
		w.closed++
		w.drop(c)
		return
	}
	copy(w.buffer, c.rest)
	rest := w.handle(c, w.buffer[:len(c.rest)+n])
	c.rest = append(c.rest[:0], rest...)
	if len(c.rest) == 0 {
		c.rest = nil
	}
}

func (w *crowd) drop(c *client) {
	delete(w.byFD, int32(c.fd))
	_ = unix.Close(c.fd)
	c.fd, c.ready = -1, false
}

// handle takes whole frames off the front and returns what is left.
func (w *crowd) handle(c *client, p []byte) []byte {
	if !c.begun {
		end := bytes.Index(p, []byte("\r\n\r\n"))
		if end < 0 {
			return p
		}
		c.begun, p = true, p[end+4:]
	}
	for len(p) >= 2 {
		size, header := int(p[1]), 2
		switch {
		case size == 126 && len(p) >= 4:
			size, header = int(p[2])<<8|int(p[3]), 4
		case size == 127 && len(p) >= 10:
			size, header = int(p[6])<<24|int(p[7])<<16|int(p[8])<<8|int(p[9]), 10
		case size >= 126:
			return p
		}
		if len(p) < header+size {
			return p
		}
		w.packet(c, p[header:header+size])
		p = p[header+size:]
	}
	return p
}

func (w *crowd) packet(c *client, packet []byte) {
	switch {
	case len(packet) == 1 && packet[0] == '2':
		_ = c.write(appendText(nil, "3"))
	case !c.ready && packet[0] == '0': // before this, Node loses what it is sent
		_ = c.write(appendText(nil, "40"))
	case !c.ready && bytes.HasPrefix(packet, []byte("40")):
		c.ready = true
	case c.ready && w.onEvent != nil:
		w.onEvent(c, packet)
	}
}

// write writes it all, or fails: what clients say fits into their socket buffers.
func (c *client) write(p []byte) error {
	if c.fd < 0 {
		return errors.New("the client is gone")
	}
	_, err := unix.Write(c.fd, p)
	return err
}

// appendText appends a text frame, masked with zeros.
func appendText(dst []byte, text string) []byte {
	if n := len(text); n < 126 {
		dst = append(dst, 0x81, 0x80|byte(n))
	} else {
		dst = append(dst, 0x81, 0x80|126, byte(n>>8), byte(n))
	}
	return append(append(dst, 0, 0, 0, 0), text...)
}

// pause stops reading the client, and lets its kernel buffer be small.
func (w *crowd) pause(c *client) {
	c.paused = true
	_ = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_DEL, c.fd, nil)
}

// close ends all clients without a word.
func (w *crowd) close() {
	for _, c := range w.clients {
		if c.fd >= 0 {
			_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			w.drop(c)
		}
	}
	_ = unix.Close(w.epoll)
}

// numberIn returns the first number of an event's arguments, e.g. 7 of 42["m",7,…].
func numberIn(packet []byte) (int, bool) {
	from := bytes.IndexByte(packet, ',')
	if from < 0 {
		return 0, false
	}
	to := from + 1
	for to < len(packet) && packet[to] >= '0' && packet[to] <= '9' {
		to++
	}
	n, err := strconv.Atoi(string(packet[from+1 : to]))
	return n, err == nil
}
