package main

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// growth is what a session and a delivery cost with a part of the idle sessions: the cost must not depend on their number.
func growth(part int) func(s server, z *sizes) ([]figure, error) {
	return func(s server, z *sizes) ([]figure, error) {
		n := z.idle / part
		before, err := s.process().usage()
		if err != nil {
			return nil, err
		}
		w, connected, err := gather(s, n)
		if err != nil {
			return nil, err
		}
		defer w.close()
		alone, err := deliverAlone(s, w, max(1, z.idle*8/n))
		if err != nil {
			return nil, err
		}
		// What waits of the last broadcast would be counted as this one's.
		quiet, err := s.process().usage()
		if err != nil {
			return nil, err
		}
		together, err := deliverTogether(s, w, z.lasts)
		last, err2 := s.process().usage()
		return []figure{
			{fmt.Sprintf("%d sessions, growth of RSS for each", n), "B", float64(connected.rss-before.rss) / float64(n)},
			{fmt.Sprintf("%d sessions, CPU of a delivery, one broadcast at a time", n), "us", per(quiet.cpu-connected.cpu, alone)},
			{fmt.Sprintf("%d sessions, CPU of a delivery, flat out", n), "us", per(last.cpu-quiet.cpu, together)},
		}, errors.Join(err, err2)
	}
}

// deliverAlone emits to everybody so many times, each when the one before has arrived, and returns the deliveries.
func deliverAlone(s server, w *crowd, times int) (int, error) {
	var d deliveries
	d.count(w, false)
	for n := 1; n <= times; n++ {
		failed := make(chan error, 1)
		go func() {
			_, err := s.offer(1000, time.Millisecond, 40)
			failed <- err
		}()
		patience := time.Now().Add(time.Minute)
		err := w.run(func() bool { return d.got >= n*len(w.clients) || w.closed > 0 || time.Now().After(patience) })
		if err = errors.Join(err, <-failed); err != nil {
			return 0, err
		}
		if d.got != n*len(w.clients) {
			return 0, fmt.Errorf("%d of %d deliveries came", d.got, n*len(w.clients))
		}
	}
	return d.got, nil
}

// deliverTogether emits to everybody flat out for a while, and returns the deliveries when all are there.
func deliverTogether(s server, w *crowd, lasts time.Duration) (int, error) {
	var d deliveries
	d.count(w, false)
	stop, err := s.fanout(40)
	if err != nil {
		return 0, err
	}
	var emitted atomic.Int64
	failed := make(chan error, 1)
	emitted.Store(-1)
	time.AfterFunc(lasts, func() {
		n, err := stop()
		emitted.Store(int64(n))
		failed <- err
	})
	patience := time.Now().Add(lasts + time.Minute)
	err = w.run(func() bool {
		n := int(emitted.Load())
		return n >= 0 && d.got >= n*len(w.clients) || w.closed > 0 || time.Now().After(patience)
	})
	err = errors.Join(err, <-failed)
	if want := int(emitted.Load()) * len(w.clients); d.got != want {
		err = errors.Join(err, fmt.Errorf("%d of %d deliveries came, %d clients were closed", d.got, want, w.closed))
	}
	return d.got, err
}
