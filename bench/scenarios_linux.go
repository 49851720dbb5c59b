package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// sizes is how much is done.
type sizes struct {
	idle, fanout, ask, handshakes int
	lasts                         time.Duration
	burst                         int
}

var (
	full  = sizes{idle: 15_000, fanout: 5_000, ask: 1_000, handshakes: 20_000, lasts: 5 * time.Second, burst: 60 << 20}
	quick = sizes{idle: 500, fanout: 200, ask: 50, handshakes: 300, lasts: 300 * time.Millisecond, burst: 8 << 20}
)

// figure is one measured number. Less is better, unless it is a rate.
type figure struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
}

func per(total time.Duration, n int) float64 {
	return float64(total.Nanoseconds()) / 1000 / float64(max(n, 1))
}

// scenarios are run in this order, each on a server of its own.
var scenarios = []struct {
	name string
	run  func(s server, z *sizes) ([]figure, error)
}{
	{"idle", idle}, {"handshakes", handshakes}, {"upgrades", upgrades}, {"fan-out", fanout}, {"fan-out 1 KiB", fanoutLarge},
	{"fan-out offered", offered}, {"ask", ask}, {"ask offered", askOffered}, {"slow reader", slow}, {"mixed", mixed},
	{"emits", emits}, {"churn", churn}, {"growth 1k", growth(15)}, {"growth 5k", growth(3)}, {"growth 15k", growth(1)},
}

// oursOnly are the scenarios that Node has no counterpart of: it has no callers.
var oursOnly = []string{"emits", "churn", "growth 1k", "growth 5k", "growth 15k"}

func idle(s server, z *sizes) ([]figure, error) {
	w, err := newCrowd(s.edge())
	if err != nil {
		return nil, err
	}
	defer w.close()
	before, err := s.process().usage()
	if err != nil {
		return nil, err
	}
	if err := w.connect(z.idle); err != nil {
		return nil, err
	}
	connected, err := s.process().usage()
	if err != nil {
		return nil, err
	}
	watched := 6 * z.lasts // longer than a ping interval
	until := time.Now().Add(watched)
	if err := w.run(func() bool { return time.Now().After(until) }); err != nil {
		return nil, err
	}
	after, err := s.process().usage()
	if w.closed > 0 {
		err = errors.Join(err, fmt.Errorf("%d clients were closed", w.closed))
	}
	figures := []figure{
		{"idle session, growth of RSS", "B", float64(connected.rss-before.rss) / float64(z.idle)},
		{"idle sessions, CPU", "% of a core", 100 * (after.cpu - connected.cpu).Seconds() / watched.Seconds()},
	}
	if o, ok := s.(*ours); ok {
		figures = append(figures, o.stopped())
	}
	return figures, err
}

// gather connects n clients, and returns them with what the server has used until then.
func gather(s server, n int) (w *crowd, before usage, err error) {
	if w, err = newCrowd(s.edge()); err != nil {
		return nil, before, err
	}
	if err = w.connect(n); err == nil {
		before, err = s.process().usage()
	}
	if err != nil {
		w.close()
	}
	return w, before, err
}

func handshakes(s server, z *sizes) ([]figure, error) {
	before, err := s.process().usage()
	if err != nil {
		return nil, err
	}
	began, done := time.Now(), 0
	for done < z.handshakes {
		w, err := newCrowd(s.edge())
		if err != nil {
			return nil, err
		}
		n := min(2_000, z.handshakes-done)
		if err := w.connect(n); err != nil {
			return nil, err
		}
		w.close()
		done += n
	}
	took := time.Since(began)
	after, err := s.process().usage()
	return []figure{
		{"WebSocket handshakes, CONNECT included", "1/s", float64(done) / took.Seconds()},
		{"the same, CPU each", "us", per(after.cpu-before.cpu, done)},
	}, err
}

// deliveries counts what a crowd gets, and what it misses.
type deliveries struct {
	got   int
	times []time.Duration // since when each was due, if numbers say that
}

func (d *deliveries) count(w *crowd, timed bool) {
	w.onEvent = func(c *client, packet []byte) {
		if !bytes.HasPrefix(packet, []byte(`42["m",`)) {
			return
		}
		d.got++
		if n, ok := numberIn(packet); ok && timed {
			d.times = append(d.times, time.Since(time.UnixMicro(int64(n))))
		}
	}
}

func fanout(s server, z *sizes) ([]figure, error)      { return fanOut(s, z, 40, "") }
func fanoutLarge(s server, z *sizes) ([]figure, error) { return fanOut(s, z, 1_000, ", 1 KiB") }

func fanOut(s server, z *sizes, padding int, suffix string) ([]figure, error) {
	w, before, err := gather(s, z.fanout)
	if err != nil {
		return nil, err
	}
	defer w.close()
	var d deliveries
	d.count(w, false)
	stop, err := s.fanout(padding)
	if err != nil {
		return nil, err
	}
	began, until := time.Now(), time.Now().Add(z.lasts)
	if err := w.run(func() bool { return time.Now().After(until) }); err != nil {
		return nil, err
	}
	inTime, took := d.got, time.Since(began)
	emitted := make(chan int, 1)
	failed := make(chan error, 1)
	go func() {
		n, err := stop()
		failed <- err
		emitted <- n
	}()
	total, patience := -1, time.Now().Add(time.Minute)
	err = w.run(func() bool {
		select {
		case n := <-emitted:
			total = n
		default:
		}
		return total >= 0 && d.got >= total*z.fanout || time.Now().After(patience) || w.closed > 0
	})
	after, err2 := s.process().usage()
	err = errors.Join(err, err2, <-failed)
	if d.got != total*z.fanout {
		err = errors.Join(err, fmt.Errorf("%d of %d deliveries came, %d clients were closed", d.got, total*z.fanout, w.closed))
	}
	return []figure{
		{"fan-out flat out" + suffix, "1/s", float64(inTime) / took.Seconds()},
		{"fan-out flat out" + suffix + ", CPU each", "us", per(after.cpu-before.cpu, d.got)},
	}, err
}

func offered(s server, z *sizes) ([]figure, error) {
	w, before, err := gather(s, z.fanout)
	if err != nil {
		return nil, err
	}
	defer w.close()
	var d deliveries
	d.times = make([]time.Duration, 0, 1<<20)
	d.count(w, true)
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := s.offer(8, 2*z.lasts, 40)
		done <- result{n, err}
	}()
	var r result
	over, patience := false, time.Now().Add(z.lasts*2+time.Minute)
	err = w.run(func() bool {
		select {
		case r = <-done:
			over = true
		default:
		}
		return over && d.got >= r.n*z.fanout || time.Now().After(patience)
	})
	after, err2 := s.process().usage()
	if err = errors.Join(err, err2, r.err); d.got != r.n*z.fanout {
		err = errors.Join(err, fmt.Errorf("%d of %d deliveries came", d.got, r.n*z.fanout))
	}
	return append(percentiles("fan-out of 8 a second", d.times),
		figure{"fan-out of 8 a second, CPU each", "us", per(after.cpu-before.cpu, d.got)}), err
}

func percentiles(name string, times []time.Duration) []figure {
	slices.Sort(times)
	if len(times) == 0 {
		return nil
	}
	ms := func(p float64) float64 { return float64(times[int(p*float64(len(times)-1))].Microseconds()) / 1000 }
	return []figure{{name + ", p50", "ms", ms(0.5)}, {name + ", p99", "ms", ms(0.99)}}
}

// asker asks questions: 42<id>["ask",<id>], answered with 43<id>[<id>].
type asker struct {
	answered int
	times    []time.Duration
	wrong    int
}

func (a *asker) listen(w *crowd, again bool) {
	w.onEvent = func(c *client, packet []byte) {
		if !bytes.HasPrefix(packet, []byte("43")) {
			return
		}
		if want := fmt.Sprintf("43%d[%d]", c.last, c.last); string(packet) != want {
			a.wrong++
		}
		a.answered++
		if a.times != nil {
			a.times = append(a.times, time.Since(c.due))
		}
		c.due = time.Time{}
		if again {
			a.ask(c, time.Now())
		}
	}
}

func (*asker) ask(c *client, due time.Time) {
	c.last++
	c.due = due
	_ = c.write(appendText(nil, fmt.Sprintf(`42%d["ask",%d]`, c.last, c.last)))
}

func ask(s server, z *sizes) ([]figure, error) {
	w, before, err := gather(s, z.ask)
	if err != nil {
		return nil, err
	}
	defer w.close()
	var a asker
	a.listen(w, true)
	for _, c := range w.clients {
		a.ask(c, time.Now())
	}
	began, until := time.Now(), time.Now().Add(z.lasts)
	if err := w.run(func() bool { return time.Now().After(until) }); err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := s.process().usage()
	if a.wrong > 0 || w.closed > 0 {
		err = errors.Join(err, fmt.Errorf("%d wrong answers, %d clients closed", a.wrong, w.closed))
	}
	return []figure{
		{"event and ack, a question open for each", "1/s", float64(a.answered) / took.Seconds()},
		{"event and ack, CPU each", "us", per(after.cpu-before.cpu, a.answered)},
	}, err
}

func askOffered(s server, z *sizes) ([]figure, error) {
	times, err := askAt(s, z, 10*z.ask, nil)
	return percentiles(fmt.Sprintf("event and ack, %d offered a second", 10*z.ask), times), err
}

// askAt asks at a rate, each client in turn, and returns how long each answer took since its question was due. beside runs
// meanwhile.
func askAt(s server, z *sizes, rate int, beside func(w *crowd) (end func() error, err error)) ([]time.Duration, error) {
	w, _, err := gather(s, z.ask)
	if err != nil {
		return nil, err
	}
	defer w.close()
	a := asker{times: make([]time.Duration, 0, 1<<16)}
	a.listen(w, false)
	end := func() error { return nil }
	if beside != nil {
		if end, err = beside(w); err != nil {
			return nil, err
		}
	}
	began, asked, skipped := time.Now(), 0, 0
	total := int(z.lasts.Seconds() * float64(rate))
	patience := time.Now().Add(z.lasts + 30*time.Second)
	for a.answered < asked-skipped || asked < total {
		now := time.Now()
		for asked < total {
			due := began.Add(time.Duration(asked) * time.Second / time.Duration(rate))
			if due.After(now) {
				break
			}
			c := w.clients[asked%len(w.clients)]
			if asked++; !c.due.IsZero() { // it has not been answered yet: counted as late as it then is
				skipped++
				continue
			}
			a.ask(c, due)
		}
		if err := w.poll(time.Millisecond); err != nil {
			return nil, err
		}
		if now.After(patience) {
			return a.times, errors.Join(end(), fmt.Errorf("%d of %d questions were answered", a.answered, asked))
		}
	}
	err = end()
	if skipped > total/100 {
		err = errors.Join(err, fmt.Errorf("%d of %d questions could not be asked in time", skipped, total))
	}
	if a.wrong > 0 {
		err = errors.Join(err, fmt.Errorf("%d wrong answers", a.wrong))
	}
	return a.times, err
}

// mixed asks while events to everybody are emitted flat out.
func mixed(s server, z *sizes) ([]figure, error) {
	times, err := askAt(s, z, 2*z.ask, func(*crowd) (func() error, error) {
		stop, err := s.fanout(40)
		return func() error {
			_, err := stop()
			return err
		}, err
	})
	return percentiles(fmt.Sprintf("event and ack while emitting flat out, %d a second", 2*z.ask), times), err
}

// slow has one client that does not read.
func slow(s server, z *sizes) ([]figure, error) {
	w, before, err := gather(s, 10)
	if err != nil {
		return nil, err
	}
	defer w.close()
	w.pause(w.clients[0])
	var d deliveries
	d.count(w, false)
	failed := make(chan error, 1)
	go func() { failed <- s.burst(z.burst) }()
	want, patience, peak := (z.burst+64<<10-1)/(64<<10)*9, time.Now().Add(time.Minute), before.rss
	err = w.run(func() bool {
		if now, err := s.process().usage(); err == nil {
			peak = max(peak, now.rss)
		}
		return d.got >= want || time.Now().After(patience)
	})
	if err = errors.Join(err, <-failed); d.got != want {
		err = errors.Join(err, fmt.Errorf("%d of %d deliveries came to who reads", d.got, want))
	}
	return []figure{{fmt.Sprintf("a client that does not read, burst of %d MB, growth of RSS", z.burst>>20), "MB", float64(peak-before.rss) / (1 << 20)}}, err
}

// upgrades begins with polling and goes on with WebSocket, as browsers do.
func upgrades(s server, z *sizes) ([]figure, error) {
	before, err := s.process().usage()
	if err != nil {
		return nil, err
	}
	began, n := time.Now(), z.handshakes/4
	results := make(chan error, n)
	slots := make(chan struct{}, 128)
	go func() {
		for range n {
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				results <- upgradeOne(s.edge())
			}()
		}
	}()
	for range n {
		err = errors.Join(err, <-results)
	}
	took := time.Since(began)
	after, err2 := s.process().usage()
	if err != nil {
		err = errors.New(strings.SplitN(err.Error(), "\n", 2)[0])
	}
	return []figure{
		{"polling, then upgraded", "1/s", float64(n) / took.Seconds()},
		{"polling, then upgraded, CPU each", "us", per(after.cpu-before.cpu, n)},
	}, errors.Join(err, err2)
}
