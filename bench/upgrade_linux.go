package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

var sidShape = regexp.MustCompile(`"sid":"([^"]+)"`)

// upgradeOne is one browser: it polls, connects, opens a WebSocket beside and goes over to it.
func upgradeOne(edge string) error {
	polls, err := dialPoll(edge)
	if err != nil {
		return err
	}
	defer polls.close()
	open, err := polls.do(http.MethodGet, "", "")
	if err != nil {
		return err
	}
	sid := sidShape.FindStringSubmatch(open)
	if sid == nil {
		return fmt.Errorf("no session: %q", open)
	}
	query := "&sid=" + sid[1]
	if _, err := polls.do(http.MethodPost, query, "40"); err != nil {
		return err
	}
	if connected, err := polls.do(http.MethodGet, query, ""); err != nil || !strings.HasPrefix(connected, "40") {
		return errors.Join(err, fmt.Errorf("not connected: %q", connected))
	}
	if err := polls.send(http.MethodGet, query, ""); err != nil { // the poll that the upgrade ends; a browser always has one
		return err
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", edge)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Write(appendText(fmt.Appendf(nil, upgrade, query), "2probe")); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	_ = answer.Body.Close() // which is empty
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the upgrade was refused: %s", answer.Status)
	}
	probed := make([]byte, 8) // a frame with 3probe
	if _, err := io.ReadFull(r, probed); err != nil {
		return err
	}
	if _, err := polls.receive(http.MethodGet); err != nil {
		return err
	}
	_, err = conn.Write(appendText(nil, "5"))
	return err
}

// poller is one connection for polls.
type poller struct {
	edge string
	conn net.Conn
	r    *bufio.Reader
}

func dialPoll(edge string) (*poller, error) {
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", edge)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &poller{edge, conn, bufio.NewReader(conn)}, nil
}

func (p *poller) do(method, query, body string) (string, error) {
	if err := p.send(method, query, body); err != nil {
		return "", err
	}
	return p.receive(method)
}

func (p *poller) send(method, query, body string) error {
	_, err := fmt.Fprintf(p.conn, "%s /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
		method, query, len(body), body)
	return err
}

func (p *poller) receive(method string) (string, error) {
	answer, err := http.ReadResponse(p.r, &http.Request{Method: method})
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("%s: %s", answer.Status, text))
	}
	return string(text), err
}

func (p *poller) close() { _ = p.conn.Close() }
