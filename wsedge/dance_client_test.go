package wsedge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// dancer is the client of one dance. The goroutine of perform owns it, but for what poll has, which it hands over when
// it pauses or ends.
type dancer struct {
	floor        *floor
	rng          *rand.Rand
	fate         fate
	old, textual bool // revision 3; a client without binary frames

	query  string // of every request, without the transport
	id     rooms.SocketID
	client *http.Client
	ws     *line // what carries the session now; nil while it polls

	emitted [2]int
	sent    []sent
	said    int // events, also those that were refused

	// The arguments of the messages that came: what polls brought was sent before what the WebSocket brought, though a
	// rude client may read it later.
	polled []string // owned by poll
	framed []string
}

// sent is an event that the client sent; sure says that the server has accepted it.
type sent struct {
	text string
	sure bool
}

// nextText is what the next event says.
func (d *dancer) nextText() string {
	d.said++
	return fmt.Sprint(d.said)
}

var errEnded = errors.New("the session has ended")

func (d *dancer) handshake() error {
	d.client = &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return d.floor.h.dial() },
	}}
	d.query = "EIO=4"
	if d.old {
		d.query = "EIO=3"
	}
	if d.textual {
		d.query += "&b64=1"
	}
	_, body, err := d.request("GET", "")
	if err != nil {
		return err
	}
	packets, err := d.packets(body)
	if err != nil {
		return err
	}
	var open struct{ SID string }
	if err := json.Unmarshal(packets[0].Data, &open); err != nil {
		return fmt.Errorf("open packet %q: %w", body, err)
	}
	d.query += "&sid=" + open.SID
	if d.old {
		d.id = rooms.SocketID([]byte(open.SID))
		<-d.floor.of(d.id).known
		return nil
	}
	if status, answer, err := d.request("POST", "40"); err != nil || status != 200 {
		return fmt.Errorf("CONNECT: %d %s %w", status, answer, err)
	}
	_, body, err = d.request("GET", "")
	if err != nil {
		return err
	}
	if packets, err = d.packets(body); err != nil {
		return err
	}
	if err := json.Unmarshal(packets[0].Data[1:], &open); err != nil {
		return fmt.Errorf("CONNECT answered %q: %w", body, err)
	}
	d.id = rooms.SocketID([]byte(open.SID))
	return nil
}

// request makes one polling request.
func (d *dancer) request(method, body string) (status int, answer []byte, err error) {
	req, err := http.NewRequest(method, "http://x/socket.io/?transport=polling&"+d.query, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// packets reads a polling answer.
func (d *dancer) packets(body []byte) (all []engineio.Packet, err error) {
	payload := engineio.Payload(body)
	switch {
	case d.old && len(body) > 0 && body[0] <= 1:
		payload = engineio.BinaryPayload3(body)
	case d.old:
		payload = engineio.Payload3(body)
	}
	for p, err := range payload {
		if err != nil {
			return nil, fmt.Errorf("payload %q: %w", body, err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no packet in %q", body)
	}
	return all, nil
}

// take adds to came what a packet says: errEnded if that is the end. done says that it is the last message of a dance.
func take(came *[]string, p engineio.Packet) (done bool, err error) {
	switch {
	case p.Type == engineio.PacketClose:
		return false, errEnded
	case p.Type != engineio.PacketMessage:
		return false, nil
	case p.Binary:
		*came = append(*came, attachment(p.Data))
		return false, nil
	}
	text := string(p.Data)
	if text == `2["end"]` {
		return true, nil
	}
	_, args, ok := strings.Cut(text, `["m",`)
	if ok {
		*came = append(*came, strings.TrimSuffix(args, "]"))
	}
	return false, nil
}

// attachment is how a binary message stands among those that came.
func attachment(data []byte) string { return fmt.Sprintf("attachment %x", data) }

// poll polls until the WebSocket has taken over, the session has ended, or the last message has come. Between two polls
// it pauses if it is asked to.
func (d *dancer) poll(pausing <-chan chan struct{}, resume <-chan struct{}) error {
	for {
		select {
		case paused := <-pausing:
			close(paused)
			if _, ok := <-resume; !ok {
				return nil
			}
		default:
		}
		status, body, err := d.request("GET", "")
		switch {
		case err != nil:
			return err
		case status == http.StatusBadRequest:
			return nil // the WebSocket has it, or the session is gone
		case status != http.StatusOK:
			return fmt.Errorf("GET answered %d %s", status, body)
		}
		packets, err := d.packets(body)
		if err != nil {
			return err
		}
		for _, p := range packets {
			if done, err := take(&d.polled, p); done || errors.Is(err, errEnded) {
				return nil
			}
		}
	}
}

// say sends events by POST, one payload.
func (d *dancer) say(count int) error {
	first := len(d.sent)
	status, answer, err := d.request("POST", d.speech(count))
	if err == nil && status == http.StatusOK && string(answer) == "ok" {
		for i := first; i < len(d.sent); i++ {
			d.sent[i].sure = true
		}
		return nil
	}
	if d.fate.ends() {
		return nil // the session may be gone
	}
	return fmt.Errorf("POST answered %d %q, %w", status, answer, err)
}

// speech is the payload of the next events.
func (d *dancer) speech(count int) string {
	var payload []byte
	for range count {
		text := d.nextText()
		d.sent = append(d.sent, sent{text: text})
		p := engineio.Packet{Type: engineio.PacketMessage, Data: fmt.Appendf(nil, `2["u",%s]`, text)}
		if d.old {
			payload = engineio.AppendPayload3(payload, p)
		} else {
			payload = engineio.AppendPayload(payload, p)
		}
	}
	return string(payload)
}

// before is what happens before the upgrade.
func (d *dancer) before() error {
	for range d.rng.IntN(3) {
		if err := d.say(1 + d.rng.IntN(3)); err != nil {
			return err
		}
		yield(d.rng.IntN(40))
	}
	return nil
}

// line is a WebSocket connection.
type line struct {
	conn net.Conn
	r    *bufio.Reader
}

// dial opens a candidate.
func (d *dancer) dial() (*line, error) {
	c, err := d.floor.h.dial()
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	l := &line{c, bufio.NewReader(c)}
	query := "transport=websocket&" + d.query
	if d.rng.IntN(2) == 0 { // what is not strictly clean goes through net/http
		query += "&x=%41"
	}
	connection := "Connection: Upgrade\r\n"
	if d.rng.IntN(2) == 0 {
		connection = "Connection: keep-alive\r\nConnection: Upgrade\r\n"
	}
	fmt.Fprintf(c, "GET /socket.io/?%s HTTP/1.1\r\nHost: x\r\n%sUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", query, connection)
	resp, err := http.ReadResponse(l.r, nil)
	if err != nil {
		return l, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return l, fmt.Errorf("upgrade answered %s", resp.Status)
	}
	return l, nil
}

func (l *line) send(text string) error {
	return ws.WriteFrame(l.conn, ws.MaskFrame(ws.NewTextFrame([]byte(text))))
}

// next reads one packet. io.EOF is the end of the connection, in whatever way.
func (l *line) next(d *dancer) (engineio.Packet, error) {
	h, err := ws.ReadHeader(l.r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return engineio.Packet{}, err
	}
	if err != nil {
		return engineio.Packet{}, io.EOF
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(l.r, payload); err != nil {
		return engineio.Packet{}, io.EOF
	}
	switch {
	case h.OpCode == ws.OpClose:
		return engineio.Packet{}, io.EOF
	case h.OpCode == ws.OpBinary && d.old:
		return engineio.ParseBinary3(payload)
	case h.OpCode == ws.OpBinary:
		return engineio.ParseBinary(payload), nil
	case d.old:
		return engineio.ParseText3(payload)
	default:
		return engineio.ParseText(payload)
	}
}

// upgrade does with one candidate what the dance's fate is, and then what is left with another.
func (d *dancer) upgrade(pausing chan<- chan struct{}, resume chan<- struct{}) error {
	if d.fate == fateCutEarly || d.fate == fateCutProbed || d.fate == fateGarbage {
		if err := d.failingCandidate(); err != nil {
			return err
		}
		d.floor.tally.failed.Add(1)
	}
	l, err := d.dial()
	if l != nil {
		defer func() {
			if d.ws != l {
				l.conn.Close()
			}
		}()
	}
	if err != nil {
		return err
	}
	if d.rng.IntN(4) == 0 {
		if err := d.unwelcome(); err != nil {
			return err
		}
	}
	if d.fate != fateUnprobed {
		if err := d.probe(l); err != nil {
			return err
		}
	}
	switch d.fate {
	case fateServerEnds:
		if m, ok := d.floor.h.namespace("/").Member(d.id); ok {
			m.Disconnect(true)
		}
	case fateClientEnds:
		_, _, _ = d.request("POST", map[bool]string{false: "1", true: "1:1"}[d.old])
	}
	// The stock client lets its poll finish first, which a noop releases; a rude one does not.
	if d.fate != fateRude && d.fate != fateUnprobed && !d.fate.ends() {
		paused := make(chan struct{})
		select {
		case pausing <- paused:
			<-paused
		case <-time.After(patience):
			return errors.New("the polls do not pause")
		}
		defer close(resume)
	}
	if d.fate == fateCrossing {
		return d.crossing(l)
	}
	return d.switchTo(l)
}

// crossing sends the upgrade packet while a POST is under way. That counts as a whole, before what the WebSocket brings,
// or is refused with code 3 as a whole.
func (d *dancer) crossing(l *line) error {
	first := len(d.sent)
	payload := d.speech(2 + d.rng.IntN(40))
	posted := d.sent[first:]
	pauses := d.rng.IntN(80)
	type answer struct {
		status int
		body   []byte
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		status, body, err := d.request("POST", payload)
		answers <- answer{status, body, err}
	}()
	yield(pauses)
	if err := d.switchTo(l); err != nil {
		return err
	}
	a := <-answers
	switch {
	case a.err == nil && a.status == http.StatusOK && string(a.body) == "ok":
		for i := range posted {
			d.sent[first+i].sure = true
		}
		d.floor.tally.waited.Add(1)
	case a.err == nil && a.status == http.StatusBadRequest && string(a.body) == `{"code":3,"message":"Bad request"}`:
		d.sent = slices.Delete(d.sent, first, first+len(posted)) // heard, it would be what was not sent
		d.floor.tally.overtaken.Add(1)
	default:
		return fmt.Errorf("a POST that crosses the upgrade was answered %d %q, %w", a.status, a.body, a.err)
	}
	return nil
}

// failingCandidate is one that comes to nothing; polling goes on.
func (d *dancer) failingCandidate() error {
	l, err := d.dial()
	if err != nil {
		return err
	}
	defer l.conn.Close()
	yield(d.rng.IntN(40))
	switch d.fate {
	case fateCutProbed:
		if err := d.probe(l); err != nil {
			return err
		}
	case fateGarbage:
		if err := l.send([]string{"x", "4early", "2", "3probe", ""}[d.rng.IntN(5)]); err != nil {
			return err
		}
	}
	if d.rng.IntN(2) == 0 && d.fate != fateGarbage {
		_ = l.conn.(*net.TCPConn).SetLinger(0) // a reset
	} else {
		_ = ws.WriteFrame(l.conn, ws.MaskFrame(ws.NewCloseFrame(nil)))
	}
	if d.fate == fateGarbage { // the server closes it, and sees it gone before the next comes
		_, err := io.Copy(io.Discard, l.r)
		return err
	}
	l.conn.Close()
	return d.free()
}

// free waits until the server has seen that the candidate is gone: the next would be unwelcome before.
func (d *dancer) free() error {
	for by := time.Now().Add(patience); time.Now().Before(by); yield(50) {
		l, err := d.dial()
		if err != nil {
			return err
		}
		if d.probe(l) == nil {
			// It is welcome. It goes as well, politely, and the server answers that.
			_ = ws.WriteFrame(l.conn, ws.MaskFrame(ws.NewCloseFrame(nil)))
			_, _ = io.Copy(io.Discard, l.r)
			l.conn.Close()
			return nil
		}
		l.conn.Close()
	}
	return errors.New("the candidate that was cut is in the way for ever")
}

// unwelcome is a second candidate: it is closed, and the first does not notice.
func (d *dancer) unwelcome() error {
	l, err := d.dial()
	if l != nil {
		defer l.conn.Close()
	}
	if err != nil {
		return err
	}
	if p, err := l.next(d); err != io.EOF {
		return fmt.Errorf("a second candidate got %v, %w", p, err)
	}
	return nil
}

func (d *dancer) probe(l *line) error {
	if err := l.send("2probe"); err != nil {
		return err
	}
	p, err := l.next(d)
	if err != nil || p.Type != engineio.PacketPong || string(p.Data) != "probe" {
		return fmt.Errorf("the probe was answered %v %q, %w", p.Type, p.Data, err)
	}
	return nil
}

// switchTo sends the upgrade packet, and events right behind it.
func (d *dancer) switchTo(l *line) error {
	var out bytes.Buffer
	frame := func(text string) {
		_ = ws.WriteFrame(&out, ws.MaskFrame(ws.NewTextFrame([]byte(text))))
	}
	frame("5")
	if d.fate == fateTwice {
		frame("5")
	}
	for range d.rng.IntN(4) {
		text := d.nextText()
		d.sent = append(d.sent, sent{text: text, sure: !d.fate.ends()})
		frame(fmt.Sprintf(`42["u",%s]`, text))
	}
	d.ws = l
	if _, err := l.conn.Write(out.Bytes()); err != nil && !d.fate.ends() {
		return err
	}
	if d.fate == fateCutUpgraded {
		_ = l.conn.(*net.TCPConn).SetLinger(0)
		l.conn.Close()
	}
	if !d.fate.ends() {
		d.floor.tally.switched.Add(1)
	}
	return nil
}

// finale reads what is left: to the last message, or to the end of the session.
func (d *dancer) finale() error {
	if d.fate.ends() {
		d.floor.tally.ended.Add(1)
		return d.lastWords()
	}
	// The last message must find the WebSocket: a poll that waited at a rude upgrade may have brought it otherwise.
	if err := d.arrived(); err != nil {
		return err
	}
	d.floor.h.namespace("/").Emit(rooms.Target{Sockets: []rooms.SocketID{d.id}}, &rooms.Message{Event: "end"})
	for {
		p, err := d.ws.next(d)
		if err != nil {
			return fmt.Errorf("before the last message: %w", err)
		}
		done, err := take(&d.framed, p)
		if done || err != nil {
			return err
		}
	}
}

// arrived sends one more event over the WebSocket and waits until the server has heard it.
func (d *dancer) arrived() error {
	text := d.nextText()
	d.sent = append(d.sent, sent{text: text, sure: true})
	if err := d.ws.send(fmt.Sprintf(`42["u",%s]`, text)); err != nil {
		return err
	}
	h := d.floor.of(d.id)
	for by := time.Now().Add(patience); time.Now().Before(by); yield(10) {
		if last := h.last(); last == text {
			return nil
		}
	}
	return errors.New("what came over the WebSocket was not heard")
}

// lastWords reads what a WebSocket still says that is being closed.
func (d *dancer) lastWords() error {
	for d.fate != fateCutUpgraded {
		p, err := d.ws.next(d)
		if err != nil {
			break
		}
		if _, err := take(&d.framed, p); err != nil {
			break
		}
	}
	d.ws.conn.Close()
	select {
	case <-d.floor.of(d.id).gone:
		return nil
	case <-time.After(patience):
		return errors.New("the session did not end")
	}
}

// end ends a session that is still there, and waits until the server has noticed.
func (d *dancer) end() {
	if d.ws != nil {
		_ = ws.WriteFrame(d.ws.conn, ws.MaskFrame(ws.NewCloseFrame(nil)))
		d.ws.conn.Close()
	} else if m, ok := d.floor.h.namespace("/").Member(d.id); ok {
		m.Disconnect(true)
	}
	if d.id != (rooms.SocketID{}) {
		select {
		case <-d.floor.of(d.id).gone:
		case <-time.After(patience):
		}
	}
}

// leave lets go of the client's connections.
func (d *dancer) leave() {
	if d.client != nil {
		d.client.CloseIdleConnections()
	}
	d.floor.forget(d.id)
}
