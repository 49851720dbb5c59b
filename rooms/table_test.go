package rooms

import "testing"

func TestTableGivesMemoryBack(t *testing.T) {
	const size = 4 * shrinkMapFrom
	var tab table[int, int]
	tab.delete(1) // deleting from the zero table is harmless
	for i := range size {
		tab.put(i, -i)
	}
	if tab.peak != size {
		t.Fatalf("peak %d", tab.peak)
	}
	for i := range size {
		tab.delete(i)
		if len(tab.m) != size-1-i {
			t.Fatalf("%d entries after %d deletions", len(tab.m), i+1)
		}
		if i+1 < size && tab.m[size-1] != 1-size {
			t.Fatalf("lost an entry after %d deletions", i+1)
		}
		if tab.peak >= shrinkMapFrom && len(tab.m) <= tab.peak/8 {
			t.Fatalf("%d entries in a map built for %d", len(tab.m), tab.peak)
		}
	}
	tab.put(1, 1)
	if tab.m[1] != 1 {
		t.Error("no use after shrinking")
	}
}

func TestShrunk(t *testing.T) {
	s := make([]int, 0, 4096)
	for i := range 4096 {
		s = append(s, i)
	}
	for len(s) > 0 {
		s = shrunk(s[:len(s)-1])
		if cap(s) >= shrinkSliceFrom && len(s) <= cap(s)/4 {
			t.Fatalf("%d elements in %d", len(s), cap(s))
		}
		for i := range s {
			if s[i] != i {
				t.Fatalf("s[%d] = %d", i, s[i])
			}
		}
	}
	small := make([]int, 0, shrinkSliceFrom-1)
	if cap(shrunk(small)) != cap(small) {
		t.Error("a small slice was moved")
	}
}
