package socketio

import (
	"strings"
	"testing"
)

// benchArgs are arguments as applications send them.
var benchArgs = map[string]string{
	"40B":     `"` + strings.Repeat("x", 40) + `"`,
	"1KiB":    `{"text":"` + strings.Repeat("x", 1024) + `"}`,
	"objects": strings.Repeat(`{"id":12,"tags":["a","b"],"ok":true},`, 20) + `null`,
	"numbers": `[` + strings.Repeat(`-12.5e3,0.25,`, 50) + `0]`,
}

// Both forms of the same event, so that they can be compared.
func BenchmarkForms(b *testing.B) {
	for name, args := range benchArgs {
		e := &OutEvent{Namespace: "/chat", Name: "m", Args: []byte(args), ID: 17, HasID: true}
		text, message := AppendEvent(nil, e), AppendMsgpackEvent(nil, e)
		dst := make([]byte, 0, 4096)
		run := func(form string, f func() error) {
			b.Run(name+"/"+form, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("decode JSON", func() (err error) {
			sinkPacket, err = Decode(text, nil)
			return err
		})
		run("decode MessagePack", func() (err error) {
			sinkPacket, _, err = DecodeMsgpack(message, nil)
			return err
		})
		run("encode JSON", func() error {
			sinkBytes = AppendEvent(dst, e)
			return nil
		})
		run("encode MessagePack", func() error {
			sinkBytes = AppendMsgpackEvent(dst, e)
			return nil
		})
	}
}

// Writing MessagePack allocates nothing; reading it only what it returns, which may have to grow.
func TestMsgpackAllocations(t *testing.T) {
	dst := make([]byte, 0, 4096)
	for name, args := range benchArgs {
		e := &OutEvent{Namespace: "/chat", Name: "m", Args: []byte(args), Attachments: two, ID: 17, HasID: true, Offset: "x"}
		message := AppendMsgpackEvent(nil, e)
		for what, c := range map[string]struct {
			f    func()
			want float64
		}{
			"AppendMsgpackEvent": {func() { sinkBytes = AppendMsgpackEvent(dst, e) }, 0},
			"AppendMsgpackAck":   {func() { sinkBytes = AppendMsgpackAck(dst, e) }, 0},
			"DecodeMsgpack":      {func() { sinkPacket, _, _ = DecodeMsgpack(message, nil) }, 3},
		} {
			if n := testing.AllocsPerRun(100, c.f); n > c.want {
				t.Errorf("%s of %s: %v allocations", what, name, n)
			}
		}
	}
}

// Time is linear: arrays around arrays do not make their contents move again and again. Quadratic time would be a minute.
func TestMsgpackNestedWideArrays(t *testing.T) {
	const levels = 5000
	args := strings.Repeat(strings.Repeat("1,", 16)+"[", levels) + strings.Repeat("]", levels)
	args = "[" + args + "]"
	m := AppendMsgpackEvent(nil, &OutEvent{Namespace: "/", Name: "a", Args: []byte(args)})
	p, _, err := DecodeMsgpack(m, &Limits{Depth: deepest})
	if err != nil || string(p.Args) != args {
		t.Errorf("%.40s %v", p.Args, err)
	}
}
