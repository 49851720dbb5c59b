package main

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

var equatePeople = cmp.AllowUnexported(person{})

func TestPersonOf(t *testing.T) {
	for _, tt := range []struct {
		name   string
		socket *realtimev1.Socket
		want   person
		ok     bool
	}{
		{
			"admitted", socketOf("s1", "Ada", "k", "tea", "lobby"),
			person{id: "s1", nickname: "Ada", key: "k", rooms: []string{"lobby", "tea"}}, true,
		},
		{
			"rooms of others", &realtimev1.Socket{Id: "s1", User: "Ada", Rooms: []string{"metrics", "room:tea"}},
			person{id: "s1", nickname: "Ada", rooms: []string{"tea"}}, true,
		},
		{"data of others", &realtimev1.Socket{Id: "s1", User: "Ada", Data: "7"}, person{id: "s1", nickname: "Ada"}, true},
		{"not admitted", &realtimev1.Socket{Id: "s1"}, person{}, false},
		{"nothing", nil, person{}, false},
	} {
		got, ok := personOf(tt.socket)
		if diff := cmp.Diff(tt.want, got, equatePeople); diff != "" || ok != tt.ok {
			t.Errorf("%s: ok is %v\n%s", tt.name, ok, diff)
		}
	}
}

func TestC1OneOfTwoClaimsIsRefused(t *testing.T) {
	ps := newPresence()
	if !ps.claim("Ada", "a", sometime) {
		t.Fatal("a free nickname is refused")
	}
	if ps.claim("ADA", "b", sometime) {
		t.Error("a nickname is claimed twice")
	}
	if !ps.claim("Ada", "a", sometime) {
		t.Error("the same tab may not ask again")
	}
	if !ps.claim("Grace", "b", sometime) {
		t.Error("another nickname is refused")
	}
}

func TestC1ClaimsAreRacedFor(t *testing.T) {
	ps := newPresence()
	var won sync.Map
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			if ps.claim("Ada", fmt.Sprint("tab ", i), sometime) {
				won.Store(i, true)
			}
		})
	}
	wg.Wait()
	winners := 0
	won.Range(func(any, any) bool { winners++; return true })
	if winners != 1 {
		t.Errorf("%d tabs have the nickname", winners)
	}
}

func TestC1ClaimsLapse(t *testing.T) {
	ps := newPresence()
	ps.claim("Ada", "a", sometime)
	if ps.claim("Ada", "b", sometime.Add(claimLasts)) {
		t.Error("a claim lapsed too early")
	}
	if !ps.claim("Ada", "b", sometime.Add(claimLasts+time.Millisecond)) {
		t.Error("a claim for somebody who never came does not lapse")
	}
	if len(ps.claims) != 1 {
		t.Errorf("%d claims are kept", len(ps.claims))
	}
}

func TestC1NicknamesOfThoseHereAreTaken(t *testing.T) {
	ps := newPresence()
	ps.claim("Ada", "a", sometime)
	ps.add(person{id: "s1", nickname: "Ada", key: "a"})
	later := sometime.Add(time.Hour)
	if ps.claim("ada", "b", later) {
		t.Error("the nickname of somebody who is here is given away")
	}
	if ps.claim("ada", "", later) {
		t.Error("the nickname of somebody who is here is given to a tab without a key")
	}
	if !ps.claim("Ada", "a", later) {
		t.Error("a tab may not come back")
	}
	ps.remove("s1")
	if !ps.claim("Ada", "a", later) {
		t.Error("a tab may not come back after its socket has gone")
	}
}

func TestTabsWithoutAKeyAreStrangers(t *testing.T) {
	ps := newPresence()
	ps.add(person{id: "s1", nickname: "Ada"})
	if ps.claim("Ada", "", sometime) {
		t.Error("no key opens what has no key")
	}
}

func TestPresenceReplacesTheOldSocketOfATab(t *testing.T) {
	ps := newPresence()
	if replaced := ps.add(person{id: "s1", nickname: "Ada", key: "a"}); replaced != "" {
		t.Errorf("the first replaces %q", replaced)
	}
	if replaced := ps.add(person{id: "s1", nickname: "Ada", key: "a"}); replaced != "" {
		t.Errorf("hearing of it twice replaces %q", replaced)
	}
	if replaced := ps.add(person{id: "s2", nickname: "ada", key: "a"}); replaced != "s1" {
		t.Errorf("the second replaces %q, want s1", replaced)
	}
	ps.remove("s1") // its disconnect comes late
	if _, here := ps.person("s2"); !here {
		t.Error("the late disconnect of the old socket has taken the new one away")
	}
	if ps.claim("Ada", "b", sometime) {
		t.Error("the late disconnect of the old socket has freed the nickname")
	}
}

func TestPresenceRooms(t *testing.T) {
	ps := newPresence()
	ps.add(person{id: "s1", nickname: "Ada", rooms: []string{"lobby"}})
	ps.add(person{id: "s2", nickname: "Grace", rooms: []string{"lobby"}})
	before, _ := ps.person("s1")

	ps.join("s1", "tea")
	ps.join("s1", "attic")
	ps.join("s1", "tea")
	ps.leave("s1", "lobby")
	ps.leave("s1", "nowhere")
	ps.join("nobody", "tea")

	after, _ := ps.person("s1")
	if diff := cmp.Diff([]string{"attic", "tea"}, after.rooms); diff != "" {
		t.Errorf("rooms:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"lobby"}, before.rooms); diff != "" {
		t.Errorf("what was asked for before has changed:\n%s", diff)
	}
	for room, want := range map[string]int{"lobby": 1, "tea": 1, "attic": 1, "nowhere": 0} {
		if got := ps.inRoom(room); got != want {
			t.Errorf("%d in %s, want %d", got, room, want)
		}
	}
}

func TestC4ReplaceIsTheWholeTruth(t *testing.T) {
	ps := newPresence()
	ps.add(person{id: "s1", nickname: "Ada"})
	ps.add(person{id: "s2", nickname: "Grace", rooms: []string{"lobby"}})
	ps.replace([]person{
		{id: "s2", nickname: "Grace", rooms: []string{"tea"}},
		{id: "s3", nickname: "Hedy", key: "h"},
	})
	want := []person{{id: "s2", nickname: "Grace", rooms: []string{"tea"}}, {id: "s3", nickname: "Hedy", key: "h"}}
	if diff := cmp.Diff(want, ps.everyone(), equatePeople); diff != "" {
		t.Errorf("here:\n%s", diff)
	}
	if !ps.claim("Ada", "x", sometime) {
		t.Error("the nickname of somebody who has left is not free")
	}
	if ps.claim("hedy", "x", sometime) {
		t.Error("the nickname of somebody who is new is free")
	}
}

// Events of two sockets come in any order: the younger one has the nickname in either.
func TestTheYoungerSocketOfATabStays(t *testing.T) {
	older := person{id: "s1", nickname: "Ada", key: "k", since: sometime}
	younger := person{id: "s2", nickname: "ada", key: "k", since: sometime.Add(1)}
	for _, order := range [][]person{{older, younger}, {younger, older}, {younger, older, older, younger}} {
		ps := newPresence()
		var replaced []string
		for _, p := range order {
			if id := ps.add(p); id != "" {
				replaced = append(replaced, id)
			}
		}
		if len(replaced) == 0 || slices.Contains(replaced, "s2") || len(ps.everyone()) != 1 || ps.everyone()[0].id != "s2" {
			t.Errorf("in the order %v: %v are replaced, and %v are here", order, replaced, ps.everyone())
		}
	}
}

func TestPresenceSaysWhenItChanges(t *testing.T) {
	ps := newPresence()
	changes := func() bool {
		select {
		case <-ps.changed:
			return true
		default:
			return false
		}
	}
	for _, tt := range []struct {
		name string
		do   func()
		want bool
	}{
		{"claim", func() { ps.claim("Ada", "a", sometime) }, false},
		{"add", func() { ps.add(person{id: "s1", nickname: "Ada"}) }, true},
		{"two at once", func() { ps.join("s1", "tea"); ps.join("s1", "lobby") }, true},
		{"leave", func() { ps.leave("s1", "tea") }, true},
		{"remove", func() { ps.remove("s1") }, true},
		{"remove again", func() { ps.remove("s1") }, false},
		{"replace", func() { ps.replace(nil) }, true},
	} {
		tt.do()
		if got := changes(); got != tt.want {
			t.Errorf("%s: changed is %v, want %v", tt.name, got, tt.want)
		}
		if changes() {
			t.Errorf("%s: changed twice", tt.name)
		}
	}
}
