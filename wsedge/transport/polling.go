package transport

import (
	"bytes"
	"errors"
	"iter"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// verify makes the checks of PROTOCOL 1.2 in their order, those of letIn apart.
// session is the one that the request names, nil for a handshake.
func (s *Server) verify(r *http.Request, p *params, upgrade bool) (session *Session, refusal *engineio.Refusal) {
	polling := p.transport == engineio.Polling.String() && s.enabled(engineio.Polling)
	webSocket := p.transport == engineio.WebSocket.String() && s.enabled(engineio.WebSocket)
	if !polling && !webSocket {
		return nil, engineio.ErrTransportUnknown
	}
	if refusal := s.checkOrigin(originOf(r)); refusal != nil {
		return nil, refusal
	}
	if p.hasSID {
		session = s.sessions.find(p.sid)
		switch {
		case session == nil:
			return nil, engineio.ErrSessionUnknown
		case !upgrade && session.Transport().String() != p.transport:
			return nil, errTransportMismatch
		case p.revision() != session.Revision():
			return nil, errProtocolMismatch
		}
		return session, nil
	}
	switch {
	case r.Method != http.MethodGet:
		return nil, engineio.ErrBadHandshakeMethod
	case webSocket && !upgrade:
		return nil, engineio.ErrBadRequest
	}
	return nil, nil
}

// letIn decides on a handshake that has passed verify, and answers it if it is
// refused. The limits of its address come first, as it may cost much to ask Admit.
// If ok, h has its place in them, which limits.end gives back if no session comes
// of it.
func (s *Server) letIn(w http.ResponseWriter, r *http.Request, p *params, upgrade bool) (h *Handshake, ok bool) {
	h = s.handshakeOf(r)
	if e := s.limits.begin(h); e != nil {
		s.refuseExcess(w, e, upgrade)
		return nil, false
	}
	defer func() { // also when Admit panics
		if !ok {
			s.limits.end(h.encode())
		}
	}()
	refusal := s.admit(r.Context(), r)
	if refusal == nil && p.revision() == engineio.Revision3 && !s.cfg.AllowEIO3 {
		refusal = engineio.ErrUnsupportedProtocol
	}
	switch {
	case s.refusing.Load(): // whatever Admit said, whose time was cut short
		refuseNew(w)
	case refusal != nil && upgrade:
		s.refuseUpgrade(w, r, refusal)
	case refusal != nil:
		s.refuse(w, r, refusal)
	default:
		return h, true
	}
	return h, false
}

func (s *Server) servePolling(w http.ResponseWriter, r *http.Request) {
	p := parseQuery(r.URL.RawQuery)
	session, refusal := s.verify(r, &p, false)
	if session != nil {
		s.answerHeaders(w.Header(), r, nil)
	}
	switch {
	case refusal != nil:
		s.refuse(w, r, refusal)
	case session == nil:
		s.openPolling(w, r, &p)
	case r.Method == http.MethodGet:
		s.pollGet(w, r, session, &p)
	case r.Method == http.MethodPost:
		s.pollPost(w, r, session, &p)
	default:
		w.WriteHeader(http.StatusInternalServerError) // PROTOCOL 1.4
	}
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, refusal *engineio.Refusal) {
	s.noteRefusal(r, refusal)
	body := refusal.AppendJSON(nil)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(refusal.Status(true))
	_, _ = w.Write(body) //nolint:gosec // JSON, said to be JSON
}

// openPolling starts a polling session; the answer is its open packet and what
// the application sent at once.
func (s *Server) openPolling(w http.ResponseWriter, r *http.Request, p *params) {
	h, ok := s.letIn(w, r, p, false)
	if !ok {
		return
	}
	session := s.newSession(engineio.Polling, h, p.revision(), nil)
	timer := s.engine.Timer((*pollTimer)(session))
	session.mu.Lock()
	session.conn = timer
	if session.ended && !session.machine.Closing() {
		timer.Close()
	}
	session.openWith(s.openPacket(session, engineio.Polling))
	body := session.takePayload(p.style(), nil)
	session.corks--
	session.unlock()
	s.answerHeaders(w.Header(), r, session)
	if s.writePayload(w, r, p, body) != nil {
		session.abandon()
	}
}

// openWith puts the open packet before what the application has sent already.
// The lock is held.
func (s *Session) openWith(open *Prepared) {
	if s.out == nil {
		s.queue(open)
		return
	}
	first := s.out
	s.out = nil
	s.queue(open)
	for _, p := range first.waiting() {
		s.queue(p)
	}
	first.recycle()
}

// writePayload answers a GET. The error says that the client has not taken all
// of it.
func (s *Server) writePayload(w http.ResponseWriter, r *http.Request, p *params, answer payload) error {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(answerTimeout))
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	header := w.Header()
	body := answer.body
	switch {
	case p.jsonp:
		body = engineio.AppendJSONP(nil, p.script, body)
		header.Set("Content-Type", "text/plain; charset=UTF-8") // as the reference says
	case answer.binary:
		header.Set("Content-Type", "application/octet-stream")
	default:
		header.Set("Content-Type", "text/plain; charset=UTF-8")
	}
	body = s.compressPayload(header, r, body, answer.compress)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	if _, err := w.Write(body); err != nil { //nolint:gosec // text/plain
		return err
	}
	if err := control.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// pollGet parks a GET until there is something to say.
func (s *Server) pollGet(w http.ResponseWriter, r *http.Request, session *Session, p *params) {
	answer, a := session.park(p.style())
	if a != engineio.None {
		s.turnDown(w, r, session, a)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // HTTP/2 ends a stream at its deadline
	var body payload
	select {
	case body = <-answer:
		// Whoever left before has not read it, though the writing may succeed.
		if r.Context().Err() == nil && s.writePayload(w, r, p, body) == nil {
			return
		}
	case <-r.Context().Done():
	}
	session.unpark(answer, body)
}

// turnDown answers a request that the state machine did not take because of a:
// it is the second at a time, which ends the session (PROTOCOL 1.4), or what
// verify has seen is true no longer.
func (s *Server) turnDown(w http.ResponseWriter, r *http.Request, session *Session, a engineio.Action) {
	switch {
	case a == engineio.End:
		w.WriteHeader(http.StatusBadRequest)
	case session.Transport() != engineio.Polling:
		s.refuse(w, r, errTransportMismatch)
	default:
		s.refuse(w, r, engineio.ErrSessionUnknown)
	}
}

// park registers a GET and returns where its body will come from, or what the
// state machine made of a request that it did not take.
func (s *Session) park(style pollStyle) (answer chan payload, refused engineio.Action) {
	s.mu.Lock()
	defer s.unlock()
	answer = make(chan payload, 1)
	if s.machine.Closing() && s.out != nil {
		// The stock client stops listening at a close packet, before it has
		// handled what came with it: that goes alone, with the next poll.
		answer <- s.takePayload(style, nil)
		return answer, engineio.None
	}
	switch a := s.machine.PollArrived(s.now()); {
	case a == engineio.RefuseBadRequest:
		return nil, a
	case a == engineio.End && s.machine.PollWaiting():
		s.blame(a, CauseProtocol)
		return nil, a
	case a == engineio.End: // the server has closed, and can say so now
		answer <- s.takePayload(style, closePacket)
		s.act(a, nil)
	default:
		s.poll.waiting, s.poll.style = answer, style
		s.flush()
	}
	return answer, engineio.None
}

// unpark ends the session because the client gave up its GET, whether that
// still waited or its body had just been made, which is lost then. body is what
// was taken from answer, if anything was. Only the noop that released the poll
// may be lost, once an upgrade is complete.
func (s *Session) unpark(answer chan payload, body payload) {
	s.mu.Lock()
	if s.poll != nil && s.poll.waiting == (chan<- payload)(answer) {
		s.poll.waiting = nil
		s.blame(s.machine.PollAborted(), CauseAborted)
	} else {
		select {
		case body = <-answer:
		default:
		}
		if s.poll != nil || !body.noop {
			s.lose(engineio.TransportError, CauseAborted, nil)
		}
	}
	s.unlock()
}

// blame does what the state machine decided about a request, and notes the
// cause if that ends the session.
func (s *Session) blame(a engineio.Action, cause Cause) {
	if a == engineio.End {
		s.cause = cause
	}
	s.act(a, nil)
}

// pollPost takes one payload. The answer comes after its packets were handled.
func (s *Server) pollPost(w http.ResponseWriter, r *http.Request, session *Session, p *params) {
	session.mu.Lock()
	a := session.machine.PostArrived()
	session.blame(a, CauseProtocol)
	session.unlock()
	if a != engineio.None {
		s.turnDown(w, r, session, a)
		return
	}
	e := &exchange{w: w, r: r, control: http.NewResponseController(w), timeout: s.cfg.BodyTimeout}
	session.patiently(e)
	binary := r.Header.Get("Content-Type") == "application/octet-stream"
	if binary && p.revision() != engineio.Revision3 {
		// Revision 4 has no binary payloads; the exchange is finished all the
		// same (CVE-2026-59725).
		session.postFailed(engineio.TransportError)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	body, err := s.readBody(w, r)
	var packets iter.Seq2[engineio.Packet, error]
	if err == nil {
		packets, err = payloadOf(body, p, binary)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		s.noteBody(bodyTooLarge)
		session.postDone()
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case errors.Is(err, errBodies):
		s.stats.LimitedBodies.Add(1)
		s.noteBody(bodiesFull)
		session.postDone()
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case err != nil:
		session.postAborted()
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch ok, limit := session.payload(packets, e); {
	case e.answered:
	case limit:
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusTooManyRequests)
	case !ok:
		s.refuse(w, r, errOvertaken)
	default:
		e.ok()
	}
}

// nobody is the packets of a form without any.
func nobody(func(engineio.Packet, error) bool) {}

// payloadOf reads the packets of a POST as its client writes them.
func payloadOf(body []byte, p *params, binary bool) (iter.Seq2[engineio.Packet, error], error) {
	if p.jsonp {
		var err error
		if body, err = engineio.ParseJSONP(body); err != nil || body == nil {
			return nobody, err
		}
	}
	if binary && !p.jsonp {
		return engineio.BinaryPayload3(body), nil
	}
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	if p.revision() == engineio.Revision3 {
		return engineio.Payload3(body), nil
	}
	return engineio.Payload(body), nil
}

// readBody reads a POST within the size bound.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := int64(s.cfg.Settings.MaxPayload)
	if r.ContentLength > limit {
		// The first byte is enough. It must go through a MaxBytesReader: only then
		// does net/http wait for the client to read the answer; otherwise it
		// closes on unread bytes, and a reset overtakes the 413.
		limit = 0
	}
	// The buffer grows with what has come, twofold at most: a Content-Length alone
	// costs nothing.
	var b bytes.Buffer
	body := s.bodies.meter(http.MaxBytesReader(w, r.Body, limit), s.cfg.MaxBodies)
	defer body.release()
	if _, err := b.ReadFrom(body); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// payload handles the packets of one POST in their order, up to the first that
// is none or that ends the session (PROTOCOL 1.4). It reports false, having
// done nothing, when an upgrade has overtaken the POST. limit tells that the
// packets were more than the client may send. During a pause the packets wait,
// and so does the answer.
func (s *Session) payload(packets iter.Seq2[engineio.Packet, error], e *exchange) (ok, limit bool) {
	s.mu.Lock()
	at := s.poll
	if !s.machine.PostRunning() {
		s.mu.Unlock()
		return false, false
	}
	at.handling, e.handling = true, true
	s.mu.Unlock()
	defer s.survive(at)
	for p, err := range packets {
		if err != nil {
			s.mu.Lock()
			s.lose(engineio.ParseError, CauseNone, nil)
			s.unlock()
			break
		}
		came := s.receive(nil, p)
		for came == notYet {
			s.patiently(e)
			came = s.receive(nil, p)
		}
		if came == isOver {
			break
		}
	}
	s.patiently(e)
	e.handling = false
	return true, s.handled(at)
}

// survive, deferred directly, makes a Handler's panic in a POST cost its session
// only, as the engine does on a WebSocket. net/http drops the request.
func (s *Session) survive(at *poll) {
	v := recover()
	if v == nil {
		return
	}
	s.srv.panics.Add(1)
	s.srv.cfg.Logger.Error("transport: handler panicked", "panic", v, "stack", string(debug.Stack()))
	s.mu.Lock()
	s.lose(engineio.TransportClose, CauseInternal, nil)
	s.unlock()
	s.handled(at)
	panic(http.ErrAbortHandler)
}

func (s *Session) postDone() {
	s.mu.Lock()
	s.machine.PostDone()
	s.unlock()
}

func (s *Session) postAborted() {
	s.mu.Lock()
	s.blame(s.machine.PostAborted(), CauseAborted)
	s.unlock()
}

func (s *Session) postFailed(reason engineio.Reason) {
	s.mu.Lock()
	s.machine.PostDone()
	s.lose(reason, CauseProtocol, nil)
	s.unlock()
}
