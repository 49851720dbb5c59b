package feed

import (
	"cmp"
	"slices"
	"time"
)

// Joined says how a group was found.
type Joined struct {
	// Created reports that the group began with this member: it gets nothing that happened before.
	Created bool
	// Members is how many there are now, this one included, and Backlog how many events wait for the group.
	Members, Backlog int
}

// Join makes the caller a member of the group of that name, which begins with its first member: it gets what is observed from
// then on. All members of a group have the same filter; that of a group without members is replaced, for what is observed
// from then on. The member must be closed. Errors: ErrMismatch, ErrTooMany, ErrShutdown.
func (f *Feed) Join(name string, filter Filter, cfg MemberConfig) (*Member, Joined, error) {
	filter = filter.sorted()
	matches := filter.compile()
	wanted := 0 // what Config.WantRoomEvents is still to be told
	if matches.ofRooms() {
		f.want(1) // before the group can miss any
		wanted--
	}
	f.mu.Lock()
	m, joined, err := f.join(name, filter, cfg)
	if err == nil {
		wanted += m.group.wants(matches.ofRooms())
	}
	f.mu.Unlock()
	for ; wanted < 0; wanted++ {
		f.want(-1)
	}
	return m, joined, err
}

func (f *Feed) want(delta int) {
	if f.cfg.WantRoomEvents != nil {
		f.cfg.WantRoomEvents(delta)
	}
}

// join is Join with the lock held.
func (f *Feed) join(name string, filter Filter, cfg MemberConfig) (*Member, Joined, error) {
	if f.shutdown {
		return nil, Joined{}, ErrShutdown
	}
	groups := f.listGroups()
	if i := slices.IndexFunc(groups, func(g *group) bool { return g.name == name }); i >= 0 {
		return groups[i].join(filter, cfg)
	}
	if len(groups) >= f.cfg.Groups.MaxGroups {
		return nil, Joined{}, ErrTooMany
	}
	g := &group{name: name, cfg: &f.cfg.Groups, want: f.want, drop: f.drop, lanes: make(map[laneKey]*lane)}
	m, joined, err := g.join(filter, cfg)
	joined.Created = true
	f.storeGroups(append(slices.Clip(groups), g))
	return m, joined, err
}

// drop ends a group that has no members.
func (f *Feed) drop(g *group) {
	f.mu.Lock()
	if !g.abandon() {
		f.mu.Unlock()
		return
	}
	f.storeGroups(slices.DeleteFunc(slices.Clone(f.listGroups()), func(other *group) bool { return other == g }))
	f.mu.Unlock()
	f.groupsEnded.Add(1)
	f.groupsLost.Add(uint64(g.end("a consumer group had no members for too long")))
}

// listGroups and storeGroups read and write groups; f.mu is held.
func (f *Feed) listGroups() []*group {
	if p := f.groups.Load(); p != nil {
		return *p
	}
	return nil
}

func (f *Feed) storeGroups(groups []*group) {
	if len(groups) == 0 {
		f.groups.Store(nil)
		return
	}
	f.groups.Store(&groups)
}

// Groups returns what happened in each group, sorted by name.
func (f *Feed) Groups() []GroupStats {
	f.mu.Lock()
	groups := f.listGroups()
	f.mu.Unlock()
	list := make([]GroupStats, len(groups))
	for i, g := range groups {
		list[i] = g.snapshot()
	}
	slices.SortFunc(list, func(a, b GroupStats) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// HasRoom reports whether every group that wants something of the namespace has room. Clients that are let in when it has not
// add to what cannot be bounded otherwise.
func (f *Feed) HasRoom(namespace string) bool {
	groups := f.groups.Load()
	if groups == nil {
		return true
	}
	return !slices.ContainsFunc(*groups, func(g *group) bool { return g.turnsAway(namespace) })
}

func (g *group) turnsAway(namespace string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.full() && g.matches.has(namespace)
}

// join adds a member. Errors: ErrMismatch, ErrTooMany.
func (g *group) join(filter Filter, cfg MemberConfig) (*Member, Joined, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case len(g.members) >= g.cfg.MaxMembers:
		return nil, Joined{}, ErrTooMany
	case len(g.members) > 0 && !g.filter.equal(filter):
		return nil, Joined{}, ErrMismatch
	}
	g.filter, g.matches = filter, filter.compile()
	if g.expiry != nil {
		g.expiry.Stop()
	}
	m := &Member{
		group: g, timeout: cfg.AckTimeout, wake: make(chan struct{}, 1),
		maxEvents: cfg.MaxEvents, maxBytes: cfg.MaxBytes, firstID: 1,
	}
	g.members = append(g.members, m)
	m.notify() // there may be lanes to adopt
	return m, Joined{Members: len(g.members), Backlog: g.stats.Backlog}, nil
}

// wants notes whether events of rooms are wanted for the group, and returns how its part in what Config.WantRoomEvents was told
// changes.
func (g *group) wants(now bool) (delta int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.wanting
	g.wanting = now
	switch {
	case now && !before:
		return 1
	case before && !now:
		return -1
	}
	return 0
}

// expires lets the group end unless somebody joins in time.
func (g *group) expires() {
	if g.expiry == nil {
		g.expiry = time.AfterFunc(g.cfg.Retention, func() { g.drop(g) })
	} else {
		g.expiry.Reset(g.cfg.Retention)
	}
}

// abandon reports whether the group has no members; then nobody can join it any more.
func (g *group) abandon() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.members) > 0 || g.ending || g.ended {
		return false
	}
	g.ended = true
	return true
}
