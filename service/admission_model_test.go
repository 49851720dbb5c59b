package service

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

// Services that come, go, die and answer as they like, each over a TCP connection of its own, while clients ask. Whatever
// they do, every question has exactly one verdict, and one of those that it may have.
//
// ADMIT_SEED repeats a run; ADMIT_ROUNDS makes it longer.

// mortal is a service with a connection that can be cut.
type mortal struct {
	conn   *grpc.ClientConn
	stream realtimev1.AdmissionService_AdmitClient
	leave  context.CancelFunc // resets the stream

	mu  sync.Mutex // guards the following
	tcp *net.TCPConn
}

// listen serves w on a TCP port as well.
func (w *world) listen(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	t.Cleanup(func() { // before the world's own, which must not find calls
		_ = l.Close()
		<-served
	})
	return l.Addr().String()
}

// newMortal attaches.
func newMortal(ctx context.Context, address string, as *realtimev1.AdmitAttach) (*mortal, error) {
	m := &mortal{}
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			m.mu.Lock()
			m.tcp = c.(*net.TCPConn)
			m.mu.Unlock()
		}
		return c, err
	}
	var err error
	m.conn, err = grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dial))
	if err != nil {
		return nil, err
	}
	ctx, m.leave = context.WithCancel(ctx)
	if m.stream, err = realtimev1.NewAdmissionServiceClient(m.conn).Admit(ctx); err == nil {
		err = m.stream.Send(&realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Attach{Attach: as}})
	}
	if err == nil {
		_, err = m.stream.Recv()
	}
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// cut breaks the connection, as the kernel does for a process that was killed: with what it has not read, by a reset.
func (m *mortal) cut(reset bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if reset {
		_ = m.tcp.SetLinger(0)
	}
	_ = m.tcp.Close()
}

func (m *mortal) close() {
	if m.leave != nil {
		m.leave()
	}
	_ = m.conn.Close()
}

// yes is the answer that lets a client in: the user of a socket is what it sent as auth.
func yes(q *realtimev1.AdmitQuestion) *realtimev1.AdmitAnswer {
	accept := &realtimev1.AdmitAccept{User: q.GetSocket().GetAuth()}
	return &realtimev1.AdmitAnswer{QuestionId: q.GetId(), Verdict: &realtimev1.AdmitAnswer_Accept{Accept: accept}}
}

// no is the answer that keeps it out, for a reason that tells whose it is.
func no(q *realtimev1.AdmitQuestion) *realtimev1.AdmitAnswer {
	refuse := &realtimev1.AdmitRefuse{Message: "no " + q.GetSocket().GetAuth() + q.GetHandshake().GetHandshake().GetUrl()}
	return &realtimev1.AdmitAnswer{QuestionId: q.GetId(), Verdict: &realtimev1.AdmitAnswer_Refuse{Refuse: refuse}}
}

func (m *mortal) say(a *realtimev1.AdmitAnswer) error {
	return m.stream.Send(&realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Answer{Answer: a}})
}

// ends are the ways in which a service ends.
var ends = []func(m *mortal){
	func(m *mortal) { m.cut(true) },
	func(m *mortal) { m.cut(false) },
	func(m *mortal) { m.leave() },
	func(m *mortal) { _ = m.stream.CloseSend() },
	func(m *mortal) { _ = m.conn.Close() },
	func(m *mortal) { // breaks a rule
		_ = m.stream.Send(&realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Attach{Attach: &realtimev1.AdmitAttach{}}})
	},
}

// A service that dies in the middle of its questions leaves them to the others, whatever the way: none waits for its time
// to be up.
func TestAdmitServicesDie(t *testing.T) {
	const questions = 60
	w := newWorld(t, func(c *Config) {
		c.Admission = AdmissionConfig{Timeout: time.Hour, Policy: PolicyDeny, HandshakePolicy: PolicyDeny}
	})
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	address := w.listen(t)
	as := &realtimev1.AdmitAttach{Handshakes: true}
	for way, end := range ends {
		dies, err := newMortal(ctx, address, as)
		if err != nil {
			t.Fatal(err)
		}
		lives, err := newMortal(ctx, address, as)
		if err != nil {
			t.Fatal(err)
		}
		before := w.svc.Admissions().Stats()
		var verdicts [questions]<-chan rooms.Verdict
		for i := range verdicts {
			if i%2 == 0 {
				verdicts[i] = w.admit(t, question("/", strconv.Itoa(i)))
			} else {
				verdicts[i] = w.shake(&rooms.Question{Handshake: &rooms.Handshake{URL: strconv.Itoa(i)}})
			}
		}
		for w.svc.Admissions().Stats().Open < questions { // one that is asked later is the other's from the start
			runtime.Gosched()
		}
		for range questions / 4 { // reads half of its own, and answers none
			if _, err := dies.stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		end(dies)
		for range questions {
			r, err := lives.stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if err := lives.say(yes(r.GetQuestion())); err != nil {
				t.Fatal(err)
			}
		}
		for i, verdict := range verdicts {
			want := "in "
			if i%2 == 0 {
				want += strconv.Itoa(i)
			}
			if got := brief(<-verdict); got != want {
				t.Errorf("way %d, question %d: %s", way, i, got)
			}
		}
		s := w.svc.Admissions().Stats()
		if s.HandedOn-before.HandedOn != questions/2 || s.TimedOut+s.Unattended+s.Failed != 0 || s.Open != 0 {
			t.Errorf("way %d: %+v", way, s)
		}
		dies.close()
		lives.leave()
		for w.svc.Admissions().Stats().Attached > 0 { // the next round's turn begins with its own
			_, _ = lives.stream.Recv()
		}
		lives.close()
	}
}

// model is one round.
type model struct {
	t       *testing.T
	w       *world
	address string
	ctx     context.Context // of the services

	verdicts [modelQuestions]atomic.Pointer[string]
	failed   atomic.Pointer[string]
}

const (
	modelQuestions = 400
	modelAskers    = 8
	modelServices  = 5
)

func env(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

func TestAdmitModel(t *testing.T) {
	seed := env(t, "ADMIT_SEED", rand.Uint64())
	rounds := env(t, "ADMIT_ROUNDS", 6)
	t.Logf("ADMIT_SEED=%d", seed)
	var sum AdmissionStats
	for round := range rounds {
		s := runModel(t, rand.New(rand.NewPCG(seed, round)))
		sum.Accepted += s.Accepted
		sum.Refused += s.Refused
		sum.Failed += s.Failed
		sum.TimedOut += s.TimedOut
		sum.HandedOn += s.HandedOn
		sum.Withdrawn += s.Withdrawn
		sum.Unattended += s.Unattended
		sum.Overloaded += s.Overloaded
		sum.Ignored += s.Ignored
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%d rounds, %d questions: %+v", rounds, rounds*modelQuestions, sum)
}

func runModel(t *testing.T, r *rand.Rand) AdmissionStats {
	t.Helper()
	policies := []Policy{PolicyAllow, PolicyDeny}
	w := newWorld(t, func(c *Config) {
		c.Admission = AdmissionConfig{
			Timeout: 30 * time.Millisecond, MaxPending: 4 + r.IntN(20),
			Policy: policies[r.IntN(2)], HandshakePolicy: policies[r.IntN(2)],
		}
	})
	ctx, cancel := context.WithCancel(w.ctx)
	m := &model{t: t, w: w, address: w.listen(t), ctx: ctx}
	var askers, services sync.WaitGroup
	var stop atomic.Bool
	for range modelServices {
		life := rand.New(rand.NewPCG(r.Uint64(), 0))
		services.Go(func() {
			for !stop.Load() {
				m.live(life)
			}
		})
	}
	for asker := range modelAskers {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		askers.Go(func() {
			for i := asker; i < modelQuestions; i += modelAskers {
				m.ask(own, i)
			}
		})
	}
	askers.Wait()
	stop.Store(true)
	cancel()
	services.Wait()
	m.check()
	return w.svc.Admissions().Stats()
}

// live is the life of one service.
func (m *model) live(r *rand.Rand) {
	as := &realtimev1.AdmitAttach{Handshakes: r.IntN(2) == 0}
	switch r.IntN(3) {
	case 0:
		as.Namespaces = []string{"/"}
	case 1:
		as.Namespaces = []string{"/chat"}
	}
	s, err := newMortal(m.ctx, m.address, as)
	if err != nil {
		return // the round is over
	}
	defer s.close()
	var late []*realtimev1.AdmitAnswer
	for range 1 + r.IntN(40) {
		response, err := s.stream.Recv()
		if err != nil {
			return
		}
		q := response.GetQuestion()
		if q == nil {
			continue // an answer was turned down
		}
		if q.GetHandshake() != nil && !as.GetHandshakes() {
			m.fail("a service was asked about handshakes that does not want to be")
		}
		answers := m.answers(r, q)
		if r.IntN(5) == 0 {
			late = append(late, answers...)
			continue
		}
		if r.IntN(3) == 0 {
			answers = append(answers, late...)
			late = nil
		}
		for _, a := range answers {
			if s.say(a) != nil {
				return
			}
		}
	}
	ends[r.IntN(len(ends))](s)
	for { // until the server has noticed
		if _, err := s.stream.Recv(); err != nil {
			return
		}
	}
}

// answers is what a service says to a question: mostly one thing, sometimes several, or none.
func (m *model) answers(r *rand.Rand, q *realtimev1.AdmitQuestion) []*realtimev1.AdmitAnswer {
	switch r.IntN(8) {
	case 0:
		return nil
	case 1:
		return []*realtimev1.AdmitAnswer{yes(q), no(q)}
	case 2:
		return []*realtimev1.AdmitAnswer{{QuestionId: q.GetId()}} // not valid
	case 3:
		return []*realtimev1.AdmitAnswer{{QuestionId: q.GetId() + 1, Verdict: yes(q).GetVerdict()}, no(q)} // perhaps another's
	case 4, 5:
		return []*realtimev1.AdmitAnswer{no(q)}
	default:
		return []*realtimev1.AdmitAnswer{yes(q)}
	}
}

// ask asks question i.
func (m *model) ask(r *rand.Rand, i int) {
	name := strconv.Itoa(i)
	waits := r.IntN(20) > 0
	for waits && m.w.svc.Admissions().Stats().Attached < 2 && m.w.ctx.Err() == nil {
		runtime.Gosched() // clients are faster than services come back
	}
	ctx, cancel := context.WithCancel(m.w.ctx)
	defer cancel()
	if r.IntN(4) == 0 {
		stop := time.AfterFunc(time.Duration(r.IntN(30))*time.Millisecond, cancel) // the client goes
		defer stop.Stop()
	}
	if r.IntN(2) == 0 {
		m.decided(i, m.w.svc.Admissions().AdmitHandshake(ctx, &rooms.Question{Handshake: &rooms.Handshake{URL: name}, Transport: "polling"}))
		return
	}
	done := make(chan struct{})
	namespace := []string{"/", "/chat"}[r.IntN(2)]
	v, ok := m.w.svc.Admissions().Admit(question(namespace, name), func(v rooms.Verdict) {
		m.decided(i, v)
		close(done) // a second verdict panics
	})
	if ok {
		m.decided(i, v)
		return
	}
	select {
	case <-done:
	case <-m.w.ctx.Done():
		m.fail("question " + name + " has no verdict")
	}
}

// decided notes a verdict.
func (m *model) decided(i int, v rooms.Verdict) {
	text := brief(v)
	if before := m.verdicts[i].Swap(&text); before != nil {
		m.fail(fmt.Sprintf("question %d has two verdicts: %s, %s", i, *before, text))
	}
	name := strconv.Itoa(i)
	switch text {
	case "in ", "in " + name, "out no " + name, // a handshake, or the policy, has no user
		"out " + MessageTimedOut, "out " + MessageUnavailable, "out " + MessageOverloaded, "out " + MessageFailed:
	default:
		// An answer to the wrong id may have met another question of the same service.
		if !v.Refused && v.User != "" {
			return
		}
		m.fail(fmt.Sprintf("question %d has the verdict %q", i, text))
	}
}

func (m *model) fail(text string) { m.failed.CompareAndSwap(nil, &text) }

// check looks at the end of a round.
func (m *model) check() {
	m.t.Helper()
	if text := m.failed.Load(); text != nil {
		m.t.Error(*text)
	}
	for i := range m.verdicts {
		if m.verdicts[i].Load() == nil {
			m.t.Errorf("question %d has no verdict", i)
		}
	}
	a := m.w.svc.Admissions()
	s := a.Stats()
	if n := s.Accepted + s.Refused + s.Failed + s.TimedOut + s.Overloaded + s.Unattended + s.Withdrawn; n != modelQuestions {
		m.t.Errorf("%d verdicts are counted: %+v", n, s)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.open) + a.order[0].Len() + a.order[1].Len() + a.bytes; n != 0 {
		m.t.Errorf("questions are left: %d", n)
	}
}
