package rooms

import "sync"

// AckCall collects the answers to one EmitWithAck. Every member that was asked accounts for exactly one Answer, unless
// Cancel comes first; whatever a member says after that is dropped. Safe for concurrent use.
type AckCall struct {
	// Fixed at construction.
	id      uint64
	matched int
	answers chan Answer // has room for everyone, so that sending never blocks

	mu    sync.Mutex               // guards the following, and the closing of answers
	owing map[SocketID]*Membership // who has not answered; answers is closed once it is empty
	bytes int                      // of the answers that have not been released
}

// maxAnswerBytes bounds the answers of one call that its reader holds up.
const maxAnswerBytes = 64 << 20

// Answer is what came of asking one socket.
type Answer struct {
	Socket      SocketID
	Gone        bool     // it disconnected, or did not take the message, and will not answer
	Dropped     bool     // it answered while too much waited for the reader; what it said is lost
	Args        []byte   // as in Message.Args
	Attachments [][]byte // as in Message
}

func newAckCall(id uint64, members []*Membership) *AckCall {
	c := &AckCall{
		id:      id,
		matched: len(members),
		answers: make(chan Answer, len(members)),
		owing:   make(map[SocketID]*Membership, len(members)),
	}
	for _, m := range members {
		c.owing[m.id] = m
	}
	if len(members) == 0 {
		close(c.answers)
	}
	return c
}

// Matched returns how many members were asked.
func (c *AckCall) Matched() int { return c.matched }

// Answers returns the channel that brings one Answer for each member that was asked, in the order in which they came.
// It is closed when all are accounted for, at once if nobody was asked. It has room for all of them: nobody waits for
// the reader. The bytes are bounded (I4): the reader says with Release that it is done with an answer, and while more
// than 64 MiB have not been released, further answers come as Dropped.
func (c *AckCall) Answers() <-chan Answer { return c.answers }

// Release tells that the reader does not hold the bytes of a any longer. Once for each answer.
func (c *AckCall) Release(a *Answer) {
	c.mu.Lock()
	c.bytes -= a.Size()
	c.mu.Unlock()
}

// Size is how many bytes the answer says.
func (a *Answer) Size() int {
	n := len(a.Args)
	for _, attachment := range a.Attachments {
		n += len(attachment)
	}
	return n
}

// Cancel ends the call: who has not answered is told to forget the question, and Answers is closed behind what has come
// so far. After all have answered, and when repeated, it does nothing.
func (c *AckCall) Cancel() {
	c.mu.Lock()
	owing := c.owing
	c.owing = nil
	if len(owing) > 0 {
		close(c.answers)
	}
	c.mu.Unlock()
	for _, m := range owing {
		m.self.ForgetAck(c.id)
	}
}

// account passes on the answer of a member that still owes one.
func (c *AckCall) account(a Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owing[a.Socket] == nil {
		return
	}
	delete(c.owing, a.Socket)
	if c.bytes+a.Size() > maxAnswerBytes {
		a = Answer{Socket: a.Socket, Gone: a.Gone, Dropped: !a.Gone}
	}
	c.bytes += a.Size()
	c.answers <- a
	if len(c.owing) == 0 {
		close(c.answers)
	}
}

// ackSink is the face that an AckCall shows to its members, so that nobody else can answer.
type ackSink AckCall

func (s *ackSink) Acked(id SocketID, args []byte, attachments [][]byte) {
	(*AckCall)(s).account(Answer{Socket: id, Args: args, Attachments: attachments})
}

func (s *ackSink) Gone(id SocketID) {
	(*AckCall)(s).account(Answer{Socket: id, Gone: true})
}
