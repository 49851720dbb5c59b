package rooms

import "maps"

// Below these sizes giving memory back is not worth the work.
const (
	shrinkMapFrom   = 1024
	shrinkSliceFrom = 64
)

// table is a map that gives memory back. A Go map keeps the memory of its largest moment for ever; here it is built
// anew when seven eighths of its entries have gone, which costs each deletion a constant share. The zero table is
// empty.
type table[K comparable, V any] struct {
	m    map[K]V
	peak int // the largest len(m) since m was built
}

func (t *table[K, V]) put(k K, v V) {
	if t.m == nil {
		t.m = make(map[K]V)
	}
	t.m[k] = v
	t.peak = max(t.peak, len(t.m))
}

func (t *table[K, V]) delete(k K) {
	delete(t.m, k)
	if t.peak < shrinkMapFrom || len(t.m) > t.peak/8 {
		return
	}
	m := make(map[K]V, len(t.m))
	maps.Copy(m, t.m) // maps.Clone would keep the old size
	t.m, t.peak = m, len(m)
}

// shrunk is the same for a slice that has just lost an element: it halves the memory when a quarter is in use.
func shrunk[E any](s []E) []E {
	if cap(s) < shrinkSliceFrom || len(s) > cap(s)/4 {
		return s
	}
	return append(make([]E, 0, cap(s)/2), s...)
}
