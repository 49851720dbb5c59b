package transport

import (
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// Prepared is one Engine.IO message on its way to clients: a text and the
// binary attachments that must follow it at once. It is immutable and shared by
// all sessions that send it; each wire form is made once, when the first
// session needs it. Server frames are not masked, so the bytes are the same for
// everybody.
type Prepared struct {
	// buf is [room for a frame header]['4'][text]: its tail is the text packet,
	// and from start on it is the WebSocket frame.
	buf         []byte
	start       int
	attachments [][]byte

	frames  atomic.Pointer[[]byte] // WebSocket, with attachments
	payload atomic.Pointer[[]byte] // polling, with attachments
	plain   atomic.Pointer[Prepared]
}

// Prepare makes a message of the text that appendText appends to dst (it must
// be UTF-8, without the packet type) and of the attachments, which it owns from
// then on. sizeHint is about how many bytes the text will take.
func Prepare(sizeHint int, appendText func(dst []byte) []byte, attachments [][]byte) *Prepared {
	buf := make([]byte, headerRoom+1, headerRoom+1+sizeHint)
	buf[headerRoom] = byte(engineio.PacketMessage)
	return finish(appendText(buf), attachments)
}

// preparePacket makes a Prepared of any text packet, such as a ping.
func preparePacket(p engineio.Packet) *Prepared {
	return finish(engineio.AppendText(make([]byte, headerRoom, headerRoom+1+len(p.Data)), p), nil)
}

// prepareControl makes a WebSocket control frame that takes its turn in a
// session's queue. It must not be sent to a polling session.
func prepareControl(op ws.OpCode, payload []byte) *Prepared {
	return &Prepared{buf: appendFrame(nil, op, payload)}
}

func finish(buf []byte, attachments [][]byte) *Prepared {
	p := &Prepared{buf: buf, attachments: attachments}
	p.start = putHeader(buf, headerRoom, ws.OpText, len(buf)-headerRoom)
	return p
}

// packet is the text packet, type digit included.
func (p *Prepared) packet() []byte { return p.buf[headerRoom:] }

// webSocket is the bytes that go on a WebSocket: one frame per packet.
func (p *Prepared) webSocket() []byte {
	if len(p.attachments) == 0 {
		return p.buf[p.start:]
	}
	if done := p.frames.Load(); done != nil {
		return *done
	}
	size := len(p.buf) - p.start
	for _, a := range p.attachments {
		size += headerRoom + len(a)
	}
	frames := append(make([]byte, 0, size), p.buf[p.start:]...)
	for _, a := range p.attachments {
		frames = appendFrame(frames, ws.OpBinary, a)
	}
	p.frames.Store(&frames)
	return frames
}

// textual is p for a WebSocket whose client takes no binary frames: attachments
// go as text, in base64 (PROTOCOL 1.5).
func (p *Prepared) textual() *Prepared {
	if len(p.attachments) == 0 {
		return p
	}
	if done := p.plain.Load(); done != nil {
		return done
	}
	t := &Prepared{buf: p.buf, start: p.start, attachments: p.attachments}
	frames := append([]byte(nil), p.buf[p.start:]...)
	for _, a := range p.attachments {
		packet := engineio.Packet{Type: engineio.PacketMessage, Binary: true, Data: a}
		frames = appendFrame(frames, ws.OpText, engineio.AppendText(nil, packet))
	}
	t.frames.Store(&frames)
	t.plain.Store(t)
	p.plain.Store(t)
	return t
}

// polling is the bytes that go into a polling payload: packets joined by the
// record separator, attachments in base64.
func (p *Prepared) polling() []byte {
	if len(p.attachments) == 0 {
		return p.packet()
	}
	if done := p.payload.Load(); done != nil {
		return *done
	}
	payload := append([]byte(nil), p.packet()...)
	for _, a := range p.attachments {
		payload = engineio.AppendPayload(payload, engineio.Packet{Type: engineio.PacketMessage, Binary: true, Data: a})
	}
	p.payload.Store(&payload)
	return payload
}

// itemCost is what a message takes in a queue besides its bytes: its Prepared
// and its place. Without it a bound of 4 MiB would let in 180 MB of pongs.
const itemCost = 96

// size is what a session's queue is charged: about the memory that it keeps.
func (p *Prepared) size() int {
	n := itemCost + len(p.buf)
	for _, a := range p.attachments {
		n += headerRoom + len(a)
	}
	return n
}

// The packets that every session sends.
var (
	pingPacket  = preparePacket(engineio.Packet{Type: engineio.PacketPing})
	noopPacket  = preparePacket(engineio.Packet{Type: engineio.PacketNoop})
	closePacket = preparePacket(engineio.Packet{Type: engineio.PacketClose})
	probePacket = preparePacket(engineio.Packet{Type: engineio.PacketPong, Data: []byte("probe")})
	closeFrame  = prepareControl(ws.OpClose, nil)
)
