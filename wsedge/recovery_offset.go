package wsedge

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// offset is a position as clients get it: the process' own prefix, so that no
// offset of another process is taken for one.
func (r *Recovery) offset(position uint64) string {
	return string(strconv.AppendUint(append(make([]byte, 0, len(r.prefix)+13), r.prefix...), position, 36))
}

// parseOffset returns the position that offset wrote; false for anything else.
func (r *Recovery) parseOffset(text string) (uint64, bool) {
	digits, ok := strings.CutPrefix(text, r.prefix)
	if !ok {
		return 0, false
	}
	position, err := strconv.ParseUint(digits, 36, 64)
	return position, err == nil && position > 0 && position <= r.position.Load() && r.offset(position) == text
}

// from is the position after which the client of p has to be told everything;
// false if that cannot be told.
//
// The stock client names the last argument of the last event that ended with a
// text. None means that it has got no such event. Otherwise it is the offset of a
// recorded message, or the end of a volatile one, or it is older than the session
// and the client has got neither since (PROTOCOL 5, where the reference gives up
// in all cases but the first). A text that means several positions is no answer:
// whichever were taken, messages could be lost or told twice.
func (r *Recovery) from(p *parked, offset *string) (uint64, bool) {
	if offset == nil {
		return p.start, true
	}
	position, ok := r.parseOffset(*offset)
	position = max(position, p.start)
	if p.mistaken == nil {
		return position, true
	}
	positions, complete := p.mistaken.positions(r.hash(*offset))
	if !ok && len(positions) == 0 {
		return p.start, complete
	}
	if !ok {
		position = positions[0]
	}
	for _, other := range positions {
		if other != position {
			return 0, false
		}
	}
	return position, true
}

func (r *Recovery) hash(text string) uint64 { return maphash.String(r.seed, text) }

// confusion remembers the last texts that a socket's client may take for offsets,
// and which message it had been given before each. One goroutine at a time writes.
type confusion struct {
	count atomic.Uint32 // how many texts there have been
	texts [confusions]confusingText
}

type confusingText struct{ hash, position atomic.Uint64 }

// confusions bounds the texts. A client that has missed more of them than that, and
// all messages in between, begins anew.
const confusions = 8

const confusionBytes = 8 + 16*confusions

// note remembers a text. undo, nil if there is nothing to do, forgets it.
func (c *confusion) note(hash, position uint64) (undo func()) {
	n := c.count.Load()
	for i := range min(n, confusions) {
		if c.texts[i].hash.Load() == hash && c.texts[i].position.Load() == position {
			return nil
		}
	}
	t := &c.texts[n%confusions]
	oldHash, oldPosition := t.hash.Load(), t.position.Load()
	t.hash.Store(hash)
	t.position.Store(position)
	c.count.Store(n + 1)
	return func() {
		c.count.Store(n)
		t.hash.Store(oldHash)
		t.position.Store(oldPosition)
	}
}

// positions lists those of a text; complete: no text has been forgotten.
func (c *confusion) positions(hash uint64) (positions []uint64, complete bool) {
	n := c.count.Load()
	for i := range min(n, confusions) {
		if c.texts[i].hash.Load() == hash {
			positions = append(positions, c.texts[i].position.Load())
		}
	}
	return positions, n <= confusions
}

// clone returns a copy, nil of nil.
func (c *confusion) clone() *confusion {
	if c == nil {
		return nil
	}
	out := new(confusion)
	out.count.Store(c.count.Load())
	for i := range c.texts {
		out.texts[i].hash.Store(c.texts[i].hash.Load())
		out.texts[i].position.Store(c.texts[i].position.Load())
	}
	return out
}

// confusing returns the text that a client takes m's offset to be although m has
// none: its last argument, or its name if it has none, for to the client that is
// an argument as well.
func confusing(m *rooms.Message) (text string, ok bool) {
	if m.Offset != "" || m.Acks != nil {
		return "", false
	}
	args := bytes.TrimRight(m.Args, " \t\r\n")
	if len(args) == 0 {
		return m.Event, true
	}
	if args[len(args)-1] != '"' {
		return "", false
	}
	literal := args[lastQuote(args):]
	if bytes.IndexByte(literal, '\\') < 0 {
		return string(literal[1 : len(literal)-1]), true
	}
	return text, json.Unmarshal(literal, &text) == nil
}

// lastQuote is where the string begins that ends args: at the last quote before
// its end that an even number of backslashes precedes.
func lastQuote(args []byte) int {
	i := len(args) - 1
	for i > 0 {
		i = bytes.LastIndexByte(args[:i], '"')
		before := bytes.TrimRight(args[:max(i, 0)], `\`)
		if (i-len(before))%2 == 0 {
			break
		}
	}
	return max(i, 0)
}
