package socketio

import "bytes"

var root = []byte("/")

// Decode decodes the text of one Engine.IO message (PROTOCOL 3):
//
//	<type>[<attachments>-][<namespace>,][<id>][<JSON>]
//
// The text is valid UTF-8, which the transports check. Whatever Decode refuses closes the connection, so it refuses no
// more than the protocol and l do: an event or an ack without JSON is fine (Empty), and so is a namespace that runs to the
// end. The number of attachments is a whole decimal number in any notation that JavaScript reads ("2", "2.0", "2e0"); hexadecimal
// and surrounding white space, which the reference takes too, are refused. White space before the JSON is refused: the
// reference takes it for the id 0.
//
// Time is linear in the text, and nothing is allocated unless a name, or a key of a binary packet, is escaped. Errors
// are *ParseError.
func Decode(text []byte, l *Limits) (Packet, error) {
	p := Packet{Namespace: root}
	rest, err := p.takeType(text)
	if err == nil && p.binary() {
		rest, err = p.takeAttachments(rest, l.attachments())
	}
	if err == nil {
		rest, err = p.takeNamespace(rest, l.namespaceBytes(), l.queryBytes())
	}
	if err == nil {
		rest, err = p.takeID(rest)
	}
	if err == nil {
		rest, err = p.takeData(rest, l.depth())
	}
	if err != nil {
		return Packet{}, &ParseError{Offset: len(text) - len(rest), Err: err}
	}
	return p, nil
}

func (p *Packet) binary() bool { return p.Type == BinaryEvent || p.Type == BinaryAck }

// The take functions read one part of the header each and return what follows it. With an error they return what
// begins with the fault.

func (p *Packet) takeType(text []byte) ([]byte, error) {
	if len(text) == 0 || text[0] < '0' || text[0] > '0'+byte(BinaryAck) {
		return text, ErrType
	}
	p.Type = PacketType(text[0] - '0')
	return text[1:], nil
}

func (p *Packet) takeAttachments(text []byte, most int) ([]byte, error) {
	number, rest, found := bytes.Cut(text, []byte{'-'})
	n, ok := wholeNumber(number)
	if !found || !ok || n < 1 || n > most {
		return text, ErrAttachments
	}
	p.Attachments = n
	return rest, nil
}

func (p *Packet) takeNamespace(text []byte, most, mostQuery int) ([]byte, error) {
	if len(text) == 0 || text[0] != '/' {
		return text, nil
	}
	name, rest, _ := bytes.Cut(text, []byte{','})
	if len(name) > most {
		path, _, _ := bytes.Cut(name, []byte{'?'})
		if len(path) > most || len(name)-len(path) > mostQuery {
			return text, ErrNamespace
		}
	}
	p.Namespace = name
	return rest, nil
}

func (p *Packet) takeID(text []byte) ([]byte, error) {
	n := 0
	for ; n < len(text) && digit(text[n]); n++ {
		p.ID = p.ID*10 + uint64(text[n]-'0')
		if p.ID > MaxID {
			return text, ErrID
		}
	}
	p.HasID = n > 0
	return text[n:], nil
}

func (p *Packet) takeData(text []byte, depth int) ([]byte, error) {
	if len(text) == 0 {
		p.Empty = p.Type != Connect && p.Type != Disconnect && p.Type != ConnectError
		return text, nil
	}
	s := scanner{text: text, depth: depth, attachments: noPlaceholders}
	var err error
	switch first := text[0]; p.Type {
	case Connect:
		err = s.only(first == '{')
	case ConnectError:
		err = s.only(first == '{' || first == '"')
	case Disconnect:
		err = ErrPayload
	case BinaryEvent:
		s.attachments = p.Attachments
		fallthrough
	case Event:
		err = p.takeEvent(&s)
	case BinaryAck:
		s.attachments = p.Attachments
		fallthrough
	case Ack:
		p.Args, err = s.arguments()
	}
	if err != nil {
		return text[s.pos:], err
	}
	p.Data = text
	return nil, nil
}

// takeEvent reads an event's array.
func (p *Packet) takeEvent(s *scanner) error {
	if s.text[0] != '[' {
		return ErrPayload
	}
	if !s.open() {
		return s.fault()
	}
	c := s.next()
	start := s.pos
	switch {
	case c == '"':
		escaped, ok := s.quoted()
		if !ok {
			return ErrJSON
		}
		p.Name = s.text[start+1 : s.pos-1]
		if escaped {
			p.Name = unescape(p.Name)
		}
		if reserved(p.Name) {
			return ErrReserved
		}
	case c == '-' || digit(c):
		if !s.number() {
			return ErrJSON
		}
		p.Name, p.NameIsNumber = s.text[start:s.pos], true
	default:
		return ErrPayload
	}
	if s.next() == ',' {
		s.pos++
		s.next()
		start = s.pos
		if !s.elements() {
			return s.fault()
		}
		p.Args = trimRight(s.text[start : s.pos-1])
	} else if !s.closeArray() {
		return ErrJSON
	}
	return s.finish()
}

// reserved reports whether name has a meaning of its own to Socket.IO, so that no event may have it (PROTOCOL 3). "error"
// is not reserved.
func reserved(name []byte) bool {
	switch string(name) {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}
