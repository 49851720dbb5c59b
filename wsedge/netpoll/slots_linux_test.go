package netpoll

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(fdConn{}); n > 48 {
		t.Errorf("an fdConn has %d bytes", n)
	}
	if n := unsafe.Sizeof(slot{}); n > 24 {
		t.Errorf("a slot has %d bytes", n)
	}
}

func TestTicks(t *testing.T) {
	for at, want := range map[Millis]uint32{
		-1: 0, 0: 0, 1: 1, 64: 1, 65: 2, 128: 2, math.MaxInt64: math.MaxUint32,
		math.MaxUint32 << tickBits: math.MaxUint32, (math.MaxUint32 - 1) << tickBits: math.MaxUint32 - 1,
	} {
		if got := tickOf(at); got != want {
			t.Errorf("tickOf(%d) = %d, want %d", at, got, want)
		}
	}
}

func TestSlotsAreReusedUnderANewGeneration(t *testing.T) {
	tb := table{free: noSlot}
	var conns []*fdConn
	for range chunkSize + 2 {
		c := &fdConn{}
		tb.put(nil, c)
		conns = append(conns, c)
	}
	if len(tb.chunks) != 2 || conns[chunkSize].chunk == conns[0].chunk {
		t.Fatalf("%d chunks", len(tb.chunks))
	}
	old := conns[7]
	tb.drop(old)
	again := &fdConn{}
	tb.put(nil, again)
	if again.slot != old.slot || again.gen == old.gen {
		t.Errorf("slot %d generation %d follows slot %d generation %d", again.slot, again.gen, old.slot, old.gen)
	}
	if tb.find(old.slot, old.gen) != nil || tb.find(again.slot, again.gen) != again || tb.find(noSlot, 0) != nil {
		t.Error("find takes one connection for another")
	}
	n := 0
	tb.each(func(*fdConn) { n++ })
	if n != len(conns) {
		t.Errorf("each finds %d of %d", n, len(conns))
	}
}

// The table against a map, over puts and drops in random order.
func TestTableAgainstAModel(t *testing.T) {
	type key struct{ slot, gen uint32 }
	tb := table{free: noSlot}
	model := make(map[key]*fdConn)
	gone := make(map[key]bool)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		if rng.IntN(100) < 55 {
			c := &fdConn{}
			tb.put(nil, c)
			k := key{c.slot, c.gen}
			if model[k] != nil || gone[k] {
				t.Fatalf("slot %d generation %d is given twice", k.slot, k.gen)
			}
			model[k] = c
		} else {
			for k, c := range model {
				tb.drop(c)
				delete(model, k)
				gone[k] = true
				break
			}
		}
	}
	for k, c := range model {
		if tb.find(k.slot, k.gen) != c {
			t.Fatalf("slot %d generation %d is not found", k.slot, k.gen)
		}
	}
	for k := range gone {
		if tb.find(k.slot, k.gen) != nil {
			t.Fatalf("slot %d generation %d is found after its end", k.slot, k.gen)
		}
	}
	n := 0
	tb.each(func(c *fdConn) {
		n++
		if model[key{c.slot, c.gen}] != c {
			t.Errorf("each finds a connection that is gone")
		}
	})
	if n != len(model) {
		t.Errorf("each finds %d of %d", n, len(model))
	}
}
