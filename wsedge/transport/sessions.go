package transport

import (
	"sync"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// sessionTable finds live sessions by their id. It is split so that handshakes
// on several cores do not wait for one another.
type sessionTable struct {
	shards [16]sessionShard
}

type sessionShard struct {
	mu   sync.RWMutex // guards byID
	byID map[engineio.ID]*Session
}

func (t *sessionTable) shard(id engineio.ID) *sessionShard {
	return &t.shards[id[len(id)-1]%uint8(len(t.shards))]
}

func (t *sessionTable) add(s *Session) {
	shard := t.shard(s.id)
	shard.mu.Lock()
	if shard.byID == nil {
		shard.byID = make(map[engineio.ID]*Session)
	}
	shard.byID[s.id] = s
	shard.mu.Unlock()
}

func (t *sessionTable) remove(id engineio.ID) {
	shard := t.shard(id)
	shard.mu.Lock()
	delete(shard.byID, id)
	shard.mu.Unlock()
}

// find returns the session with the id that a client named, or nil.
func (t *sessionTable) find(sid string) *Session {
	id, ok := engineio.ParseID(sid)
	if !ok {
		return nil
	}
	shard := t.shard(id)
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	return shard.byID[id]
}

// all returns the sessions that live at the moment of the call.
func (t *sessionTable) all() []*Session {
	var list []*Session
	for i := range t.shards {
		shard := &t.shards[i]
		shard.mu.RLock()
		for _, s := range shard.byID {
			list = append(list, s)
		}
		shard.mu.RUnlock()
	}
	return list
}

func (t *sessionTable) len() int {
	n := 0
	for i := range t.shards {
		shard := &t.shards[i]
		shard.mu.RLock()
		n += len(shard.byID)
		shard.mu.RUnlock()
	}
	return n
}
