package socketio

import (
	"strconv"
)

// noPlaceholders is the scanner's number of attachments for text in which placeholders are plain data.
const noPlaceholders = -1

// scanner walks over one JSON text, once and without keeping anything of it. It takes exactly what RFC 8259 and
// JavaScript's JSON.parse take, lone surrogate escapes included, down to a bounded depth. Its methods leave pos behind what
// they have read and return false at a fault.
type scanner struct {
	text  []byte
	pos   int
	depth int  // how many more arrays and objects may be open at a time
	deep  bool // the fault is that depth was not enough

	// attachments is the number that placeholders must stay below. Illegal tells that one does not; it is decided when the
	// objects around it are complete.
	attachments int
	illegal     bool
}

// next skips white space and returns the character there, 0 at the end.
func (s *scanner) next() byte {
	for s.pos < len(s.text) {
		if c := s.text[s.pos]; !space(c) {
			return c
		}
		s.pos++
	}
	return 0
}

// value reads one value, no white space before it.
func (s *scanner) value() bool {
	if s.pos == len(s.text) {
		return false
	}
	switch s.text[s.pos] {
	case '"':
		_, ok := s.quoted()
		return ok
	case '{':
		return s.object()
	case '[':
		return s.array()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

// open enters the array or object that begins here.
func (s *scanner) open() bool {
	if s.depth <= 0 {
		s.deep = true
		return false
	}
	s.depth--
	s.pos++
	return true
}

// closeArray leaves an array if its bracket is here.
func (s *scanner) closeArray() bool {
	if s.next() != ']' {
		return false
	}
	s.depth++
	s.pos++
	return true
}

func (s *scanner) array() bool {
	return s.open() && (s.closeArray() || s.elements())
}

// elements reads the elements of an array, at least one, and its closing bracket.
func (s *scanner) elements() bool {
	for {
		s.next()
		if !s.value() {
			return false
		}
		if s.next() != ',' {
			return s.closeArray()
		}
		s.pos++
	}
}

// object reads an object. One whose _placeholder is true stands for an attachment as a whole: its other members do not
// count, and of members with the same key the last one does, as when JavaScript reads it.
func (s *scanner) object() bool {
	if !s.open() {
		return false
	}
	illegal := s.illegal
	var o placeholder
	if s.next() != '}' && !s.members(&o) {
		return false
	}
	if o.marked {
		s.illegal = illegal || !o.attached
	}
	s.depth++
	s.pos++
	return true
}

// placeholder is what an object says of itself.
type placeholder struct {
	marked   bool // _placeholder is true
	attached bool // num is the number of an attachment
}

// members reads the members of an object, at least one, up to its closing brace.
func (s *scanner) members(o *placeholder) bool {
	for s.next() == '"' {
		key, value, ok := s.member()
		if !ok {
			return false
		}
		if s.attachments >= 0 {
			switch string(key) {
			case "_placeholder":
				o.marked = string(value) == "true"
			case "num":
				n, whole := wholeNumber(value)
				o.attached = whole && n < s.attachments
			}
		}
		if c := s.next(); c != ',' {
			return c == '}'
		}
		s.pos++
	}
	return false
}

// member reads a key, the colon and the value. The key comes unescaped if placeholders matter.
func (s *scanner) member() (key, value []byte, ok bool) {
	start := s.pos
	escaped, ok := s.quoted()
	if !ok {
		return nil, nil, false
	}
	key = s.text[start+1 : s.pos-1]
	if escaped && s.attachments >= 0 {
		key = unescape(key)
	}
	if s.next() != ':' {
		return nil, nil, false
	}
	s.pos++
	s.next()
	start = s.pos
	if !s.value() {
		return nil, nil, false
	}
	return key, s.text[start:s.pos], true
}

// quoted reads a string and tells whether it has escapes.
func (s *scanner) quoted() (escaped, ok bool) {
	for i := s.pos + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			return escaped, true
		case c == '\\':
			n := escapeLen(s.text[i:])
			if n == 0 {
				return false, false
			}
			escaped = true
			i += n - 1
		case c < ' ':
			return false, false
		}
	}
	return false, false
}

func (s *scanner) literal(word string) bool {
	end := s.pos + len(word)
	if end > len(s.text) || string(s.text[s.pos:end]) != word {
		return false
	}
	s.pos = end
	return true
}

func (s *scanner) number() bool {
	if s.text[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.text) && s.text[s.pos] == '0' {
		s.pos++
	} else if !s.digits() {
		return false
	}
	if s.pos < len(s.text) && s.text[s.pos] == '.' {
		s.pos++
		if !s.digits() {
			return false
		}
	}
	if s.pos < len(s.text) && s.text[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.text) && (s.text[s.pos] == '+' || s.text[s.pos] == '-') {
			s.pos++
		}
		return s.digits()
	}
	return true
}

// digits reads at least one digit.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && digit(s.text[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

// fault is why a method returned false.
func (s *scanner) fault() error {
	if s.deep {
		return ErrDepth
	}
	return ErrJSON
}

// finish checks that the text ends here and that its placeholders are legal.
func (s *scanner) finish() error {
	if s.next(); s.pos < len(s.text) {
		return ErrJSON
	}
	if s.illegal {
		return ErrPlaceholder
	}
	return nil
}

// only reads a text of one value, white space around it allowed. Fits is whether the value is of the wanted kind.
func (s *scanner) only(fits bool) error {
	if !fits {
		return ErrPayload
	}
	if s.next(); !s.value() {
		return s.fault()
	}
	return s.finish()
}

// arguments reads a text of one array, and returns what is inside its brackets.
func (s *scanner) arguments() ([]byte, error) {
	if s.pos == len(s.text) || s.text[s.pos] != '[' {
		return nil, ErrPayload
	}
	if !s.open() {
		return nil, s.fault()
	}
	if s.closeArray() {
		return nil, s.finish()
	}
	start := s.pos // closeArray has skipped the white space
	if !s.elements() {
		return nil, s.fault()
	}
	args := trimRight(s.text[start : s.pos-1])
	return args, s.finish()
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// trimRight drops white space at the end.
func trimRight(text []byte) []byte {
	for len(text) > 0 && space(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	return text
}

// wholeNumber reads a decimal number in any notation that JavaScript has for it, provided that its value is whole, not
// negative and small, and that its text is not absurdly long.
func wholeNumber(text []byte) (int, bool) {
	if len(text) == 1 && digit(text[0]) {
		return int(text[0] - '0'), true
	}
	if len(text) > 32 {
		return 0, false
	}
	for _, c := range text {
		switch {
		case digit(c), c == '+', c == '-', c == '.', c == 'e', c == 'E':
		default:
			return 0, false // strconv knows more notations
		}
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f < 0 || f > 1<<30 || f != float64(int(f)) {
		return 0, false
	}
	return int(f), true
}
