package consumer

import "time"

// fenceLasts bounds how long a lane is watched for deliveries that crossed with a nack on the wire. It is longer than any way to the server
// and back, and short enough that lanes whose socket went to another member are forgotten soon.
const fenceLasts = 2 * time.Second

// lane is what there is to do for one socket. It is guarded by its dispatcher's mutex, and forgotten when it is idle.
//
// The server takes all unsettled deliveries of a socket back when it takes back one (a nack, a timeout, the end of a stream), and delivers
// them again in their order. A socket's later events were never delivered more often than its earlier ones. So attempts fall or stay along a
// lane, and one that rises is where the server began again.
type lane struct {
	key     key
	first   *delivery // of those that wait, in order, of the current stream only; nil if none does
	latest  *delivery
	running bool
	ready   bool  // in dispatcher.ready
	next    *lane // in dispatcher.ready

	// pass counts how often the server began again: a delivery of an earlier pass is not this member's any more.
	pass uint64
	// last is the attempt of the latest delivery in this pass; 0 if there was none.
	last uint32
	// fence is the attempt of the latest delivery of a pass that was given back; 0 if there is none. Until one comes that has more, what
	// comes was sent before the server heard of that.
	fence      uint32
	fenceUntil time.Time
}

// idle says that nothing is lost if the lane is forgotten.
func (l *lane) idle(now time.Time) bool {
	return !l.running && l.first == nil && (l.fence == 0 || now.After(l.fenceUntil))
}

// admit takes in a delivery. It returns the ids of what will not be handled: of d if it is stale, of what waits if the server began again with d.
func (l *lane) admit(d *delivery, now time.Time) (refused []uint64) {
	if l.fence != 0 && d.Attempt <= l.fence && !now.After(l.fenceUntil) {
		return []uint64{d.id}
	}
	l.fence = 0
	if l.last != 0 && d.Attempt > l.last {
		l.pass++
		refused = l.clear()
	}
	l.last = d.Attempt
	d.pass = l.pass
	if l.first == nil {
		l.first = d
	} else {
		l.latest.next = d
	}
	l.latest = d
	return refused
}

// giveBack ends the pass, as the server has or will. It returns the ids of what waited.
func (l *lane) giveBack(now time.Time) (ids []uint64) {
	l.fence, l.fenceUntil = l.last, now.Add(fenceLasts)
	l.pass++
	l.last = 0
	return l.clear()
}

// restart forgets all that the lane knows of a stream that is over.
func (l *lane) restart() {
	l.pass++
	l.last, l.fence = 0, 0
	l.clear()
}

// take removes the first that waits.
func (l *lane) take() *delivery {
	d := l.first
	l.first, d.next = d.next, nil
	return d
}

// clear drops what waits, and returns its ids.
func (l *lane) clear() (ids []uint64) {
	for l.first != nil {
		ids = append(ids, l.take().id)
	}
	return ids
}
