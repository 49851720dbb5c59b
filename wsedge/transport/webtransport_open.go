package transport

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"github.com/quic-go/webtransport-go"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// ServeHTTP answers one request of a QUIC connection. What is not the CONNECT that makes a WebTransport session is
// refused, and leaves the connection to its deadline.
func (s *webTransportServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, _ := r.Context().Value(webTransportKey{}).(*webTransportClient)
	r.RequestURI = r.URL.RequestURI() // as over TCP; for a CONNECT it is the authority
	if !s.cfg.Ours(r) {
		s.stats.Refused.Add(1)
		http.NotFound(w, r)
		return
	}
	if s.stopped() {
		s.stats.Refused.Add(1)
		http.Error(w, "server shutting down", http.StatusServiceUnavailable)
		return
	}
	if r.Method != http.MethodConnect {
		s.refuse(w, engineio.ErrTransportUnknown) // polling over HTTP/3 is not offered
		return
	}
	if refusal := s.cfg.Verify(r); refusal != nil {
		s.refuse(w, refusal)
		return
	}
	h := s.cfg.Handshake(r)
	if client == nil || !client.claimed.CompareAndSwap(false, true) {
		s.refuse(w, engineio.ErrBadRequest) // one session per connection
		return
	}
	session, err := s.wt.Upgrade(w, r)
	if err != nil {
		s.cfg.Logger.Info("handshake refused", "reason", "no WebTransport request")
		s.cfg.Logger.Debug("not a webtransport request", "error", err)
		s.refuse(w, engineio.ErrBadRequest)
		time.AfterFunc(hangUpAfter, client.hangUp)
		return
	}
	s.open(client, &webTransportSession{session, w.(http3.HTTPStreamer).HTTPStream()}, r, h)
}

// refuse answers a request as polling would.
func (s *webTransportServer) refuse(w http.ResponseWriter, refusal *engineio.Refusal) {
	s.stats.Refused.Add(1)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(refusal.Status(true))
	_, _ = w.Write(refusal.AppendJSON(nil))
}

// open waits for the open packet and hands the stream on. Whatever else comes, or does not, closes the session.
func (s *webTransportServer) open(client *webTransportClient, session *webTransportSession, r *http.Request, h *Handshake) {
	context.AfterFunc(session.Context(), func() { time.AfterFunc(hangUpAfter, client.hangUp) })
	ctx, cancel := context.WithTimeout(session.Context(), s.cfg.UpgradeTimeout)
	defer cancel()
	stream, packet, early, err := firstPacket(ctx, session.Session)
	var sid string
	if err == nil {
		sid, err = parseOpen(packet)
	}
	if err != nil {
		s.stats.Failed.Add(1)
		s.cfg.Logger.Info("handshake refused", "reason", "invalid WebTransport handshake")
		s.cfg.Logger.Debug("invalid webtransport handshake", "error", err)
		session.end()
		return
	}
	handedOn := false
	defer func() {
		if !handedOn { // a panic, which HTTP/3 catches and reports: nobody would close the session
			_ = session.CloseWithError(0, "")
		}
	}()
	if sid == "" && !s.cfg.LetIn(session.Context(), r, h) {
		s.stats.Refused.Add(1)
		// Not in order: to the stock client a session that ends in order before it has begun is no error, and it waits on.
		client.hangUp()
		return
	}
	s.arrived(client)
	s.stats.Accepted.Add(1)
	s.cfg.Accept(newWebTransportConn(client.conn.Load(), session, stream), sid, h, early)
	handedOn = true
}

// webTransportSession is a session that ends in order.
type webTransportSession struct {
	*webtransport.Session
	connect *http3.Stream // of its CONNECT
}

// closeSession is the capsule CLOSE_WEBTRANSPORT_SESSION with code 0 and no message (draft-ietf-webtrans-http3, section 6).
var closeSession = append(quicvarint.Append(quicvarint.Append(nil, 0x2843), 4), 0, 0, 0, 0)

// end tells the client that the session is over, and waits until it has taken notice, for hangUpAfter at the most.
// CloseWithError would also tell the client to say nothing more, which arrives first, and which browsers take for a
// connection that was lost. It may be called again, and after the session has ended.
func (s *webTransportSession) end() {
	if s.Context().Err() != nil {
		return
	}
	_ = s.connect.SetWriteDeadline(time.Now().Add(hangUpAfter))
	if _, err := s.connect.Write(closeSession); err == nil && s.connect.Close() == nil {
		timer := time.NewTimer(hangUpAfter)
		defer timer.Stop()
		select {
		case <-s.Context().Done():
		case <-timer.C:
		}
	}
	_ = s.CloseWithError(0, "")
}

// maxOpen bounds the first packet in bytes. The longest that any client sends is about 35.
const maxOpen = 512

var (
	errOpenTooBig = errors.New("transport: webtransport: first packet too big")
	errNotOpen    = errors.New("transport: webtransport: first packet is not an open packet")
	errBadSID     = errors.New("transport: webtransport: no session id in the open packet")
)

// firstPacket waits for a stream and reads its first packet, in text form, and what happens to come with it.
func firstPacket(ctx context.Context, session *webtransport.Session) (*webtransport.Stream, []byte, []byte, error) {
	stream, err := session.AcceptStream(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if by, ok := ctx.Deadline(); ok {
		_ = stream.SetReadDeadline(by)
	}
	buf := make([]byte, 0, maxOpen+engineio.MaxStreamHeader)
	for {
		h, n, err := engineio.ParseStreamHeader(buf, maxOpen)
		switch end := n + h.Length; {
		case errors.Is(err, engineio.ErrStreamTooBig):
			return nil, nil, nil, errOpenTooBig
		case err != nil:
			return nil, nil, nil, err
		case n > 0 && h.Binary:
			return nil, nil, nil, errNotOpen
		case n > 0 && end <= len(buf):
			return stream, buf[n:end], buf[end:], nil
		}
		got, err := stream.Read(buf[len(buf):cap(buf)])
		if buf = buf[:len(buf)+got]; err != nil && got == 0 {
			return nil, nil, nil, err
		}
	}
}

// parseOpen returns the session id that an open packet names, empty for a new session. The id is the string of the
// object's own member "sid", spelled so, and has the shape of one of ours: "__proto__" and its kin have not
// (CVE-2026-59724).
func parseOpen(packet []byte) (sid string, err error) {
	if engineio.PacketType(packet[0]) != engineio.PacketOpen {
		return "", errNotOpen
	}
	if len(packet) == 1 {
		return "", nil
	}
	// Not a struct: its members would be found whatever their case.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(packet[1:], &members); err != nil {
		return "", errBadSID
	}
	if err := json.Unmarshal(members["sid"], &sid); err != nil {
		return "", errBadSID
	}
	if _, ok := engineio.ParseID(sid); !ok {
		return "", errBadSID
	}
	return sid, nil
}
