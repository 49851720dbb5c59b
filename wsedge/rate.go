package wsedge

import "time"

// rateLimit is what one client may send: a bucket of events and one of bytes.
// It belongs to its Client and is guarded by recv.
type rateLimit struct {
	events, bytes bucket
}

// bucket holds tokens that come at a steady rate. The zero bucket has no limit.
type bucket struct {
	rate   float64 // tokens a second; 0: no limit
	size   float64 // the most it holds
	tokens float64
	filled time.Time
}

// burst is how many seconds' worth a client may send at once.
const burst = 2

// newRateLimit returns nil when nothing is limited.
func newRateLimit(cfg *Config) *rateLimit {
	if cfg.EventsPerSecond == 0 && cfg.BytesPerSecond == 0 {
		return nil
	}
	now := time.Now()
	return &rateLimit{
		events: newBucket(float64(cfg.EventsPerSecond), 1, now),
		bytes:  newBucket(float64(cfg.BytesPerSecond), float64(cfg.MaxPayload), now),
	}
}

// newBucket returns a full bucket, which holds one thing of the largest size at
// least.
func newBucket(rate, largest float64, now time.Time) bucket {
	size := max(burst*rate, largest)
	return bucket{rate: rate, size: size, tokens: size, filled: now}
}

// take reports whether n tokens were there, and takes them.
func (b *bucket) take(n float64, now time.Time) bool {
	if b.rate == 0 {
		return true
	}
	b.tokens = min(b.size, b.tokens+b.rate*now.Sub(b.filled).Seconds())
	b.filled = now
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}
