package transport

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// ChooseCoding returns the content coding among offered that an Accept-Encoding
// header likes best, empty when it takes none of them (RFC 9110, section
// 12.5.3). Among those that it likes the same, the first that it names wins, or
// the first of offered when serverOrder is set.
func ChooseCoding(accept string, serverOrder bool, offered ...string) string {
	best, chosen := codingRank{}, ""
	for i, coding := range offered {
		r := rankOf(accept, coding)
		if serverOrder {
			r.exact, r.place = false, i
		}
		if r.quality > 0 && (chosen == "" || r.above(best)) {
			best, chosen = r, coding
		}
	}
	return chosen
}

// codingRank is how much a client likes a coding.
type codingRank struct {
	quality float64
	exact   bool // by name, not by "*"
	place   int  // in the header
}

func (r codingRank) above(o codingRank) bool {
	switch {
	case r.quality != o.quality:
		return r.quality > o.quality
	case r.exact != o.exact:
		return r.exact
	default:
		return r.place < o.place
	}
}

func rankOf(accept, coding string) (best codingRank) {
	place := 0
	for item := range strings.SplitSeq(accept, ",") {
		place++
		name, parameters, _ := strings.Cut(item, ";")
		name = strings.TrimSpace(name)
		exact := strings.EqualFold(name, coding)
		if !exact && name != "*" || best.exact && !exact {
			continue
		}
		if r := (codingRank{quality: quality(parameters), exact: exact, place: place}); exact && !best.exact || r.quality > best.quality {
			best = r
		}
	}
	return best
}

// quality is the weight among an item's parameters: 1 without one, 0 when it
// makes no sense.
func quality(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if name != "q" {
			continue
		}
		if q, err := strconv.ParseFloat(value, 64); err == nil && q > 0 {
			return q
		}
		return 0
	}
	return 1
}

// packer is a reusable compressor.
type packer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// packers are the codings that polling answers come in, at BestSpeed: 4 KB of
// JSON take 16 us and shrink to 15 %; the default level takes 27 us for 14 %,
// the standard library 40 and 105 us (BenchmarkCompressPayload). A compressor is
// about 1 MB, so pooled.
var packers = map[string]*sync.Pool{
	"gzip": {New: func() any {
		w, _ := gzip.NewWriterLevel(nil, flate.BestSpeed) // fails on unknown levels only
		return w
	}},
	"deflate": {New: func() any {
		w, _ := zlib.NewWriterLevel(nil, flate.BestSpeed)
		return w
	}},
}

// compressPayload returns the body of an answer to a poll as it goes out, and
// sets Content-Encoding in h when that is compressed: the body is long enough,
// one of its packets may be, and the client takes it (PROTOCOL 1.4). The result
// is body itself or new.
func (s *Server) compressPayload(h http.Header, r *http.Request, body []byte, compress bool) []byte {
	threshold := s.cfg.HTTP.CompressionThreshold
	if !compress || threshold < 0 || len(body) < threshold {
		return body
	}
	coding := ChooseCoding(strings.Join(r.Header["Accept-Encoding"], ","), false, "gzip", "deflate")
	if coding == "" {
		return body
	}
	h.Set("Content-Encoding", coding)
	return pack(coding, body)
}

func pack(coding string, body []byte) []byte {
	pool := packers[coding]
	w := pool.Get().(packer)
	defer pool.Put(w)
	var out bytes.Buffer
	out.Grow(len(body)/2 + 64)
	w.Reset(&out)
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
