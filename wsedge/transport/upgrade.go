package transport

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// There are two ways in for a WebSocket. A strictly clean upgrade request on a
// new connection is answered straight from the buffer that the Door read
// (upgradeHead); everything else comes through net/http (serveUpgrade), which
// costs twice the CPU. Both have the same answer made by the same Upgrader and
// end in acceptSession or acceptCandidate.

// upgradeHead is the Door's Fast function. It answers only what it is sure of;
// for all else, refusals included, it returns false and net/http answers.
func (s *Server) upgradeHead(c net.Conn, raw, early []byte) bool {
	var lines [32]headLine
	h, ok := parseHead(raw, lines[:0])
	if !ok || s.refusing.Load() || !bytes.HasPrefix(h.target, []byte(s.cfg.Path)) {
		return false
	}
	_, query, _ := strings.Cut(string(h.target), "?")
	p := parseQuery(query)
	if !s.fastWay(&h) || p.transport != engineio.WebSocket.String() || !s.enabled(engineio.WebSocket) {
		return false
	}
	var session *Session
	if p.hasSID {
		if session = s.sessions.find(p.sid); session == nil || session.Revision() != p.revision() {
			return false
		}
	} else if p.revision() == engineio.Revision3 && !s.cfg.AllowEIO3 {
		return false
	}
	offers := strings.Join(h.values("sec-websocket-extensions"), ", ")
	answer, deflate, ok := s.switchProtocols(raw, s.deflateOffers(&p, offers))
	if !ok {
		return false
	}
	answer = s.cfg.HTTP.CORS.welcome(answer, strings.Join(h.values("origin"), ", "))
	if session != nil {
		s.acceptCandidate(c, answer, early, newWire(session, &p, deflate))
	} else {
		handshake := h.handshake(s.cfg.KeepHeaders, c.RemoteAddr().String())
		_, handshake.Secure = c.(*tls.Conn)
		if len(s.proxies) > 0 {
			s.proxies.see(handshake, h.values)
		}
		if s.limits.begin(handshake) != nil {
			return false
		}
		s.acceptSession(c, answer, early, handshake, &p, deflate)
	}
	return true
}

// serveUpgrade answers an upgrade request that net/http has read.
func (s *Server) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	p := parseQuery(r.URL.RawQuery)
	session, refusal := s.verify(r, &p, true)
	if refusal != nil {
		s.refuseUpgrade(w, r, refusal)
		return
	}
	h := new(Handshake) // that of an upgrade says nothing and has no place
	if session == nil {
		var ok bool
		if h, ok = s.letIn(w, r, &p, true); !ok {
			return
		}
	}
	begun, taken := false, false
	defer func() {
		if !begun {
			s.limits.end(h.encode())
		}
	}()
	c, answer, early, deflate := s.hijack(w, r, &p, session == nil)
	if c == nil {
		return
	}
	defer func() {
		if !taken { // a panic, after which net/http leaves alone what was hijacked
			_ = c.Close()
		}
	}()
	switch {
	case p.transport != engineio.WebSocket.String():
		// PROTOCOL 1.2: what passed but cannot upgrade gets a 101 and the end.
		_, _ = c.Write(append(answer, closeFrame.buf...))
		_ = c.Close()
	case session != nil:
		s.acceptCandidate(c, answer, early, newWire(session, &p, deflate))
	default:
		begun = true // the place is the session's
		s.acceptSession(c, answer, early, h, &p, deflate)
	}
	taken = true
}

// hijack takes the connection of an upgrade request from net/http, with the answer
// that is still to be written and what has come after the request. initial tells
// that the request begins a session. c is nil if the request was refused.
func (s *Server) hijack(w http.ResponseWriter, r *http.Request, p *params, initial bool) (c net.Conn, answer, early []byte, deflate bool) {
	offers := strings.Join(r.Header.Values("Sec-WebSocket-Extensions"), ", ")
	answer, deflate, ok := s.switchProtocols(canonicalHead(r), s.deflateOffers(p, offers))
	if !ok {
		w.Header().Set("Sec-WebSocket-Version", "13") // RFC 6455, section 4.2.2
		s.refuseUpgrade(w, r, engineio.ErrBadRequest)
		return nil, nil, nil, false
	}
	s.hookHeaders(w.Header(), r, initial)
	answer = addHeaders(s.cfg.HTTP.CORS.welcome(answer, originOf(r)), w.Header())
	c, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.refuseUpgrade(w, r, engineio.ErrBadRequest)
		return nil, nil, nil, false
	}
	early, _ = buffered.Peek(buffered.Reader.Buffered())
	_ = c.SetDeadline(time.Now().Add(s.cfg.HeadTimeout))
	return c, answer, early, deflate
}

// refuseUpgrade answers an upgrade request with plain text and status 400,
// whatever the code (PROTOCOL 1.2).
func (s *Server) refuseUpgrade(w http.ResponseWriter, r *http.Request, refusal *engineio.Refusal) {
	s.noteRefusal(r, refusal)
	header := w.Header()
	header.Set("Connection", "close")
	header.Set("Content-Type", "text/html")
	header.Set("Content-Length", strconv.Itoa(len(refusal.Message)))
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, refusal.Message) //nolint:gosec // the server's words, and no page shows an upgrade's answer
}

// canonicalHead writes the WebSocket part of a request down as the Upgrader
// likes it: several values of one header joined.
func canonicalHead(r *http.Request) []byte {
	if r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) {
		return nil
	}
	b := []byte("GET / HTTP/1.1\r\nHost: " + r.Host + "\r\n")
	for _, name := range []string{"Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol"} {
		if values := r.Header.Values(name); len(values) > 0 {
			b = append(b, name+": "+strings.Join(values, ", ")+"\r\n"...)
		}
	}
	// RFC 6455, section 4.2.1: an Upgrade header containing the value "websocket".
	if hasToken([]byte(strings.Join(r.Header.Values("Upgrade"), ",")), "websocket") {
		b = append(b, "Upgrade: websocket\r\n"...)
	}
	return append(b, "\r\n"...)
}

// upgrader takes the first subprotocol that is offered, as the reference does.
var upgrader = ws.Upgrader{
	ReadBufferSize: maxHTTPHead, // pooled; a longer line would be refused
	Protocol:       func([]byte) bool { return true },
}

// memory is a connection in memory: the request is read, the answer collected.
type memory struct {
	bytes.Reader
	answer bytes.Buffer
}

func (m *memory) Write(p []byte) (int, error) { return m.answer.Write(p) }

var memories = sync.Pool{New: func() any { return new(memory) }}

// openRoom is about what the open packet's frame takes.
const openRoom = 160

// deflateOffers returns which extensions a client may have: offers, or none. One
// that takes no binary frames gets no compressed ones either.
func (s *Server) deflateOffers(p *params, offers string) string {
	if s.deflate == nil || p.base64 {
		return ""
	}
	return offers
}

// switchProtocols returns the 101 answer to a request head, with room for the
// first frame behind it, and whether one of the offered extensions, which is
// permessage-deflate, was agreed on. ok is false when the Upgrader refuses.
func (s *Server) switchProtocols(head []byte, offers string) (answer []byte, deflate, ok bool) {
	m := memories.Get().(*memory)
	defer memories.Put(m)
	m.Reset(head)
	m.answer.Reset()
	u := upgrader
	extension, deflate := negotiateDeflate(offers)
	if deflate {
		u.Header = ws.HandshakeHeaderString("Sec-WebSocket-Extensions: " + extension + "\r\n")
	}
	if _, err := u.Upgrade(m); err != nil {
		return nil, false, false
	}
	return append(make([]byte, 0, m.answer.Len()+openRoom), m.answer.Bytes()...), deflate, true
}

// newWire makes the wire of a WebSocket whose request had these parameters.
func newWire(session *Session, p *params, deflate bool) *socketWire {
	return &socketWire{s: session, form: framesForm(p.revision(), p.base64, deflate)}
}

// acceptSession starts a session on c: 101 and open packet leave in one write,
// then the engine has the connection.
func (s *Server) acceptSession(c net.Conn, answer, early []byte, h *Handshake, p *params, deflate bool) {
	session := s.newSession(engineio.WebSocket, h, p.revision(), func(session *Session) *socketWire {
		return newWire(session, p, deflate)
	})
	open := s.openPacket(session, engineio.WebSocket)
	s.begin(c, append(answer, open.bytes(layout{form: formFrames})...), early, session.wire)
}

// begin writes the first bytes of a session that begins on c and gives c to the
// engine.
func (s *Server) begin(c net.Conn, first, early []byte, w *socketWire) {
	_, err := c.Write(first)
	if err != nil {
		_ = c.Close()
	} else {
		err = s.engine.Attach(c, early, w.handler(), w.bind)
	}
	if err != nil {
		w.s.abandon()
		return
	}
	w.s.Uncork()
}

// abandon ends a session whose connection never came to life.
func (s *Session) abandon() { s.abandonFor(CauseAborted) }

func (s *Session) abandonFor(cause Cause) {
	s.mu.Lock()
	s.lose(engineio.TransportClose, cause, nil)
	s.dropQueue()
	s.unlock()
}

// acceptCandidate lets w, a WebSocket or a WebTransport stream on c, try to take
// over its polling session. One that may not (another tries, or has) still gets
// its answer, then the close.
func (s *Server) acceptCandidate(c net.Conn, answer, early []byte, w *socketWire) {
	session := w.s
	w.candidate = true
	session.mu.Lock()
	// Before the answer: whose client has it is the first, whoever comes then.
	if session.poll != nil && !session.ended && session.machine.CandidateArrived(session.now(), w.transport()) == engineio.None {
		session.poll.candidate = w
	} else {
		w.closing = true
	}
	session.unlock()
	var err error
	if len(answer) > 0 {
		_, err = c.Write(answer)
	}
	if err != nil {
		_ = c.Close()
	} else {
		err = s.engine.Attach(c, early, w.handler(), w.bind)
	}
	if err != nil {
		session.mu.Lock()
		w.closing = true
		w.leave()
		session.unlock()
	}
}
