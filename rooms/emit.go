package rooms

import "runtime"

// yieldEvery is after how many deliveries an emit lets other goroutines run: at some 4 µs each, heartbeats and answers
// to others wait for half a millisecond and not for a room of ten thousand.
const yieldEvery = 128

// Emit delivers m to everyone whom t selects at this moment. It returns when every Deliver has returned (I2): how many
// members were selected, and how many of them took the message. The namespace's Recorder, if there is one, writes down
// what is not volatile.
func (n *Namespace) Emit(t Target, m *Message) (matched, delivered int) {
	if n.recorder != nil && !m.Volatile {
		return n.emitRecorded(&t, m)
	}
	return n.emit(&t, m)
}

// emit delivers m, together with others if some are being delivered to the same members already.
func (n *Namespace) emit(t *Target, m *Message) (matched, delivered int) {
	from := t.source()
	if from.kind != sourceNone && n.combiner.flows.Load() > 0 {
		if matched, delivered, ok := n.wait(t, from, m); ok {
			return matched, delivered
		}
	}
	s := n.selected(t)
	if from.kind != sourceNone && len(s.members) >= combineFrom && n.combiner.occupy(from) {
		defer n.combiner.vacate(from)
	}
	return s.emit(m)
}

// emitAlone is emit without the company of others.
func (n *Namespace) emitAlone(t *Target, m *Message) (matched, delivered int) {
	return n.selected(t).emit(m)
}

// emit delivers m and releases the selection.
func (s *selection) emit(m *Message) (matched, delivered int) {
	matched = len(s.members)
	delivered = s.deliver(m, nil)
	s.release()
	return matched, delivered
}

// EmitWithAck delivers m like Emit and asks every selected member for an answer. It sets m.AckID, from the namespace's
// counter (1 comes first), and m.Acks; both are the call's. A member that does not take the message counts as gone. The
// caller reads the answers until they are closed, or calls Cancel: a call that is given up without Cancel stays with
// its members until they answer or disconnect. Nothing of it is recorded.
func (n *Namespace) EmitWithAck(t Target, m *Message) *AckCall {
	s := n.selected(&t)
	c := newAckCall(n.acks.Add(1), s.members)
	m.AckID, m.Acks = c.id, (*ackSink)(c)
	s.deliver(m, m.Acks)
	s.release()
	return c
}

// deliver hands m to the selected members and returns how many took it. The others are gone for acks, if not nil.
func (s *selection) deliver(m *Message, acks AckSink) (delivered int) {
	for i, member := range s.members {
		if member.self.Deliver(m) {
			delivered++
		} else if acks != nil {
			acks.Gone(member.id)
		}
		s.pace(i)
	}
	return delivered
}

// pace lets others run after member i, now and then.
func (*selection) pace(i int) {
	if i%yieldEvery == yieldEvery-1 {
		runtime.Gosched()
	}
}
