package socketio

import "bytes"

// Assembly collects the attachments that follow a binary packet. While there is one, the client may send nothing but
// binary messages: a text packet closes the connection (PROTOCOL 3). Not safe for concurrent use.
type Assembly struct {
	header      Packet
	attachments [][]byte
	wanted      int
}

// NewAssembly begins with p, a BinaryEvent or BinaryAck from Decode; for anything else, or more attachments than l
// allows, it returns ErrAttachments. It copies what it keeps of p.
func NewAssembly(p Packet, l *Limits) (*Assembly, error) {
	if !p.binary() || p.Attachments < 1 || p.Attachments > l.attachments() {
		return nil, ErrAttachments
	}
	a := &Assembly{header: p, wanted: p.Attachments}
	a.header.Namespace = bytes.Clone(p.Namespace)
	a.header.Name = bytes.Clone(p.Name)
	a.header.Args = bytes.Clone(p.Args)
	a.header.Data = nil
	if p.Type == BinaryEvent {
		a.header.Type = Event
	} else {
		a.header.Type = Ack
	}
	return a, nil
}

// Add takes the next attachment, of which it keeps a copy, and reports whether all are there. It must not be called
// again then.
func (a *Assembly) Add(b []byte) (done bool) {
	a.attachments = append(a.attachments, append(make([]byte, 0, len(b)), b...))
	return len(a.attachments) == a.wanted
}

// Packet returns the whole packet: the header with the type Event or Ack and without Data, and the attachments in order,
// also those that no placeholder stands for. All of it belongs to the caller.
func (a *Assembly) Packet() (Packet, [][]byte) { return a.header, a.attachments }
