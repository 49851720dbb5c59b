package transport

import (
	"bytes"
	stdflate "compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

func deflaterAt(t testing.TB, level int) *deflater {
	t.Helper()
	c := DeflateConfig{Enabled: true, Level: level}
	if err := c.setDefaults(); err != nil {
		t.Fatal(err)
	}
	return newDeflater(c)
}

// deflate returns the compressed form of message: the payload of a frame whose RSV1 is set.
func (d *deflater) deflate(message []byte) []byte {
	c := d.compress(<-d.free, message)
	defer d.release(c)
	return bytes.Clone(c.out)
}

// inflateStandard is a client made of the standard library alone.
func inflateStandard(t testing.TB, payload []byte) []byte {
	t.Helper()
	r := stdflate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(inflateTail)))
	message, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%d bytes: %v", len(payload), err)
	}
	return message
}

// RFC 7692, section 7.2.1: what is sent inflates to the message, at every level, whoever inflates it, and no message
// needs the one before it.
func TestDeflateRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for level := 1; level <= 9; level++ {
		d := deflaterAt(t, level)
		for _, n := range []int{0, 1, 127, 1024, 65535, 70_000} {
			for kind, message := range map[string][]byte{"json": jsonOf(n), "random": randomOf(r, n)} {
				payload := d.deflate(message)
				if got := inflateStandard(t, payload); !bytes.Equal(got, message) {
					t.Fatalf("level %d, %d bytes of %s: %d came out", level, n, kind, len(got))
				}
				x := inflaters.Get().(*inflater)
				if got, err := x.inflate(payload, n); err != nil || !bytes.Equal(got, message) {
					t.Fatalf("level %d, %d bytes of %s: %d came out, %v", level, n, kind, len(got), err)
				}
				x.recycle()
				if bytes.HasSuffix(payload, []byte(deflateTail)) && kind == "json" {
					t.Errorf("level %d, %d bytes: the tail is sent", level, n)
				}
			}
		}
	}
}

// The bytes before it stay, and a client that reads frames reads this one.
func TestAppendDeflatedFrame(t *testing.T) {
	d := deflaterAt(t, 0)
	for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
		for _, n := range []int{200, 1024, 20_000, 1 << 20} {
			message := jsonOf(n)
			out := d.appendFrame([]byte("before"), op, message)
			rest, ok := bytes.CutPrefix(out, []byte("before"))
			if !ok {
				t.Fatalf("%.20q", out)
			}
			h, payload := readServerFrame(t, rest)
			if h.Rsv != deflatedRsv || !h.Fin || h.Masked || h.OpCode != op || len(payload) >= n {
				t.Errorf("%d bytes: %+v", n, h)
			}
			if got := inflateStandard(t, payload); !bytes.Equal(got, message) {
				t.Errorf("%d bytes: %d came out", n, len(got))
			}
		}
	}
}

// RFC 7692, section 6: what compression makes longer goes as it is, without RSV1.
func TestWhatDoesNotShrinkGoesAsItIs(t *testing.T) {
	d := deflaterAt(t, 9)
	for _, message := range [][]byte{{}, []byte("a"), []byte("4ab"), randomOf(rand.New(rand.NewPCG(5, 6)), 5000)} {
		if got, want := d.appendFrame(nil, ws.OpBinary, message), appendFrame(nil, ws.OpBinary, message); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %.20q, want %.20q", len(message), got, want)
		}
	}
}

func TestDeflateConfig(t *testing.T) {
	c := DeflateConfig{}
	if err := c.setDefaults(); err != nil || c.Threshold != 1024 || c.Level != 6 || c.Enabled {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []DeflateConfig{{Threshold: -1}, {Level: -1}, {Level: 10}} {
		if err := bad.setDefaults(); err == nil {
			t.Errorf("%+v: taken", bad)
		}
	}
	d := newDeflater(DeflateConfig{Threshold: 100, Level: 1})
	if d.worthwhile(99) || !d.worthwhile(100) || (*deflater)(nil).worthwhile(1<<20) {
		t.Error("the threshold does not hold")
	}
}

// However many want to compress, there are no more compressors than can work, and none before somebody wants to.
func TestCompressorsAreBounded(t *testing.T) {
	d := deflaterAt(t, 1)
	message := jsonOf(3000)
	want := d.deflate(message)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 20 {
				if got := d.deflate(message); !bytes.Equal(got, want) {
					t.Errorf("%d bytes, want %d", len(got), len(want))
					return
				}
			}
		})
	}
	all.Wait()
	if len(d.free) != runtime.GOMAXPROCS(0) {
		t.Errorf("%d compressors", len(d.free))
	}
	for range cap(deflaterAt(t, 1).free) {
		if c := <-deflaterAt(t, 1).free; c != nil {
			t.Error("a compressor that nobody has asked for")
		}
	}
}

// A bomb costs the limit, not what it would become: 100 MB in 100 KB of payload.
func TestFurtherInput_DeflateBomb(t *testing.T) {
	payload := []byte(deflated(100 << 20))
	x := inflaters.New().(*inflater)
	if _, err := x.inflate(payload, limit); err != errTooBig {
		t.Errorf("%v", err)
	}
	if c := cap(x.out); c > 3*limit {
		t.Errorf("%d bytes were taken", c)
	}
	x.recycle()
	if cap(x.out) > maxPooledBuffer || cap(x.raw) > maxPooledBuffer {
		t.Errorf("%d and %d bytes stay", cap(x.out), cap(x.raw))
	}
	if got, err := x.inflate([]byte(helloOneBlock), limit); err != nil || string(got) != "Hello" {
		t.Errorf("after the bomb: %q, %v", got, err)
	}
}

// A session that has agreed on compression costs nothing for it while it is idle.
func TestDeflateKeepsNothing(t *testing.T) {
	var d decoder
	var got heard
	in := join(frame(0xc1, helloOneBlock), frame(0x41, helloOneBlock[:3]), frame(0x80, helloOneBlock[3:]), frame(0xc1, helloFinal))
	if _, err := d.feed(in, frameRules{limit: limit, deflate: true}, &got); err != nil || len(got) != 3 {
		t.Fatalf("%q, %v", got, err)
	}
	if d.held != nil {
		t.Errorf("%+v", d.held)
	}
}

func TestDeflateAllocatesNothing(t *testing.T) {
	d := deflaterAt(t, 0)
	message := jsonOf(1024)
	dst := make([]byte, 0, 4096)
	payload := d.deflate(message)
	x := inflaters.New().(*inflater) // the pool itself forgets on purpose under the race detector
	for name, f := range map[string]func(){
		"compress": func() { dst = d.appendFrame(dst[:0], ws.OpText, message) },
		"inflate": func() {
			if got, err := x.inflate(payload, limit); err != nil || len(got) != len(message) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
		},
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// Whatever comes, inflate gives no more than the limit, and agrees with the standard library where that is content.
func FuzzInflate(f *testing.F) {
	for _, c := range rfc7692Cases {
		if len(c.in) < 500 && len(c.in) > 6 {
			payload := bytes.Clone(c.in[6:])
			ws.Cipher(payload, [4]byte(c.in[2:6]), 0)
			f.Add(payload)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		const limit = 1 << 16
		x := inflaters.New().(*inflater)
		got, err := x.inflate(payload, limit)
		if err == nil && len(got) > limit {
			t.Fatalf("%d bytes", len(got))
		}
		in := bytes.NewReader(append(bytes.Clone(payload), inflateTail...))
		want, errStandard := io.ReadAll(io.LimitReader(stdflate.NewReader(in), limit+1))
		whole := in.Len() == 0 || in.Len() == len(inflateTail)
		if errStandard == nil && whole && len(want) <= limit && len(payload) > 0 && (err != nil || !bytes.Equal(got, want)) {
			t.Fatalf("%q, %v; the standard library has %q", got, err, want)
		}
		if errStandard != nil && err == nil && len(payload) > 0 {
			t.Fatalf("%q; the standard library: %v", got, errStandard)
		}
	})
}

func BenchmarkDeflate(b *testing.B) {
	for _, level := range []int{1, 3, 6, 9} {
		d := deflaterAt(b, level)
		for _, n := range []int{128, 1024, 4096} {
			b.Run(fmt.Sprintf("level=%d/bytes=%d", level, n), func(b *testing.B) {
				message := jsonOf(n)
				var dst []byte
				b.ReportAllocs()
				b.SetBytes(int64(n))
				for b.Loop() {
					dst = d.appendFrame(dst[:0], ws.OpText, message)
				}
				b.ReportMetric(float64(len(dst)), "B/frame")
			})
		}
	}
}

func BenchmarkDecoderDeflated(b *testing.B) {
	d := deflaterAt(b, 0)
	for _, n := range []int{128, 1024, 4096} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			in := frame(0xc1, string(d.deflate(jsonOf(n))))
			buf := make([]byte, len(in))
			sink := &silent{}
			var dec decoder
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				copy(buf, in)
				if _, err := dec.feed(buf, frameRules{limit: limit, deflate: true}, sink); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
