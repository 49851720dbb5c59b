package consumer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func replyOf(bytes int) *realtimev1.ConsumeReply {
	return &realtimev1.ConsumeReply{Arguments: strings.Repeat("x", bytes/2), Attachments: [][]byte{make([]byte, bytes-bytes/2)}}
}

func TestMessagesAreBounded(t *testing.T) {
	ack := func(reply *realtimev1.ConsumeReply) settlement { return settlement{id: 1, reply: reply} }
	many := func(n int, one settlement) []settlement { return slices.Repeat([]settlement{one}, n) }
	for _, tt := range []struct {
		name string
		all  []settlement
		want []int // settlements in each message
	}{
		{"one", many(1, ack(nil)), []int{1}},
		{"as many as fit", many(maxSettlements, ack(nil)), []int{maxSettlements}},
		{"more", many(2*maxSettlements+1, settlement{kind: settleRelease}), []int{maxSettlements, maxSettlements, 1}},
		{"replies that fit", many(4, ack(replyOf(maxReplyBytes/4))), []int{4}},
		{"replies that do not", many(4, ack(replyOf(maxReplyBytes/4+1))), []int{3, 1}},
		{"a reply that is too large", append(many(1, ack(nil)), ack(replyOf(2*maxReplyBytes)), ack(nil)), []int{1, 2}},
		{"only such", many(3, ack(replyOf(2*maxReplyBytes))), []int{1, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []int
			for rest := tt.all; len(rest) > 0; {
				var m *realtimev1.ConsumeRequest
				m, rest = settleMessage(rest)
				got = append(got, len(m.GetSettle().GetAcks())+len(m.GetSettle().GetNacks()))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("messages of %v settlements, want %v", got, tt.want)
			}
			if i := slices.IndexFunc(tt.all, func(s settlement) bool { return s.reply != nil }); i >= 0 {
				t.Error("the slice keeps replies")
			}
		})
	}
}

// K4: what ends while a message is being written is sent in the next one.
func TestSettlementsGather(t *testing.T) {
	h := newScript()
	inWorld(t, Config{}, h, func(w *world) {
		s := w.member()
		for i := range 20 {
			s.give(event(fmt.Sprint("socket ", i), fmt.Sprint("e", i), 1))
		}
		gate := make(chan struct{})
		s.gate <- gate
		for i := range 20 {
			h.end(fmt.Sprint("e", i), nil)
		}
		if got := s.messages(); len(got) != 0 {
			t.Fatalf("%q while nothing is taken", got)
		}
		close(gate)
		synctest.Wait()
		got := s.messages()
		if len(got) != 2 || !slices.Equal(got[0], []string{"ack 1"}) || len(got[1]) != 19 {
			t.Errorf("messages %q, want the first and the others", got)
		}
	})
}

func TestOutboxUsesItsSlicesAgain(t *testing.T) {
	o := newOutbox()
	o.put(false, settlement{id: 1})
	_, first := o.take()
	o.put(true, settlement{id: 2}, settlement{id: 3})
	leave, second := o.take()
	if !leave || len(second) != 2 || len(first) != 1 || first[0].id != 1 {
		t.Errorf("took %v, then %v %v", first, leave, second)
	}
	o.put(false, settlement{id: 4})
	if leave, third := o.take(); leave || len(third) != 1 || &third[0] != &first[0] {
		t.Errorf("then %v %v, not in the first slice", leave, third)
	}
	if leave, none := o.take(); leave || len(none) != 0 {
		t.Errorf("then %v %v", leave, none)
	}
}
