package transport

import (
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// Prepared is one Engine.IO message on its way to clients: a text or a binary
// message, and the attachments that must follow it at once. It is immutable and
// shared by all sessions that send it; each wire form is made once, when the
// first session needs it. Server frames are not masked, so the bytes are the
// same for everybody.
type Prepared struct {
	// buf is [room for a frame header]['4'][text], or [room][bytes] if binary:
	// from start on it is the WebSocket frame of revision 4. For a control frame
	// it is that frame and nothing else.
	buf         []byte
	start       int
	attachments [][]byte
	binary      bool // the message in buf is binary
	control     bool // buf is a WebSocket control frame
	plain       bool // never compressed

	forms atomic.Pointer[formTable] // what differs from buf, made when it is first needed
}

// formTable has a place for each form of one Prepared.
type formTable [formCount]atomic.Pointer[[]byte]

// Prepare makes a message of the text that appendText appends to dst (it must
// be UTF-8, without the packet type) and of the attachments, which it owns from
// then on. sizeHint is about how many bytes the text will take.
func Prepare(sizeHint int, appendText func(dst []byte) []byte, attachments [][]byte) *Prepared {
	buf := make([]byte, headerRoom+1, headerRoom+1+sizeHint)
	buf[headerRoom] = byte(engineio.PacketMessage)
	p := &Prepared{attachments: attachments}
	return p.finish(appendText(buf), ws.OpText)
}

// PrepareBinary makes a message of the bytes that appendBytes appends to dst.
func PrepareBinary(sizeHint int, appendBytes func(dst []byte) []byte) *Prepared {
	p := &Prepared{binary: true}
	return p.finish(appendBytes(make([]byte, headerRoom, headerRoom+sizeHint)), ws.OpBinary)
}

// Uncompressed keeps p, which nobody has sent yet, from being compressed on any
// transport. It returns p.
func (p *Prepared) Uncompressed() *Prepared {
	p.plain = true
	return p
}

// preparePacket makes a Prepared of any text packet, such as a ping.
func preparePacket(packet engineio.Packet) *Prepared {
	p := new(Prepared)
	return p.finish(engineio.AppendText(make([]byte, headerRoom, headerRoom+1+len(packet.Data)), packet), ws.OpText)
}

// prepareControl makes a WebSocket control frame that takes its turn in a
// session's queue. It must not be sent to a session on another transport.
func prepareControl(op ws.OpCode, payload []byte) *Prepared {
	return &Prepared{buf: appendFrame(nil, op, payload), control: true}
}

func (p *Prepared) finish(buf []byte, op ws.OpCode) *Prepared {
	p.buf = buf
	p.start = putHeader(buf, headerRoom, op, len(buf)-headerRoom)
	return p
}

// packet is the first packet: for a text message its type digit and its text,
// for a binary one its bytes.
func (p *Prepared) packet() []byte { return p.buf[headerRoom:] }

// first is the first packet in the codec's terms.
func (p *Prepared) first() engineio.Packet {
	body := p.packet()
	if p.binary {
		return engineio.ParseBinary(body)
	}
	return engineio.Packet{Type: engineio.PacketType(body[0]), Data: body[1:]}
}

// each calls f with every packet in order.
func (p *Prepared) each(f func(engineio.Packet)) {
	f(p.first())
	for _, a := range p.attachments {
		f(engineio.ParseBinary(a))
	}
}

// hasBinary reports whether any of its packets is binary.
func (p *Prepared) hasBinary() bool { return p.binary || len(p.attachments) > 0 }

// bytes is what goes on a wire of that layout.
func (p *Prepared) bytes(l layout) []byte {
	switch {
	case p.control, l.asItIs(p):
		return p.buf[p.start:]
	case l.form == formPayload && !p.hasBinary():
		return p.packet()
	}
	table := p.forms.Load()
	if table == nil {
		p.forms.CompareAndSwap(nil, new(formTable))
		table = p.forms.Load()
	}
	if done := table[l.form].Load(); done != nil {
		return *done
	}
	made := l.append(nil, p)
	table[l.form].CompareAndSwap(nil, &made)
	return *table[l.form].Load()
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
	pongPacket  = preparePacket(engineio.Packet{Type: engineio.PacketPong})
	noopPacket  = preparePacket(engineio.Packet{Type: engineio.PacketNoop})
	closePacket = preparePacket(engineio.Packet{Type: engineio.PacketClose})
	probePacket = preparePacket(engineio.Packet{Type: engineio.PacketPong, Data: []byte("probe")})
	closeFrame  = prepareControl(ws.OpClose, nil)
)
