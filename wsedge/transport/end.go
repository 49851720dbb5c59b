package transport

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// refuseNew answers a handshake that comes while the server shuts down.
func refuseNew(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	http.Error(w, "server shutting down", http.StatusServiceUnavailable)
}

// RefuseNew refuses new sessions from now on, with the status 503 and a connection that closes; those that exist go on.
func (s *Server) RefuseNew() {
	s.refusing.Store(true)
	s.stop()
}

// Retire stops accepting, so that who else listens gets the connections that come, lets in for retireTime at most who had been accepted, and
// refuses new sessions from then on. Those that exist go on. WebTransport, which shares its listener with nobody, goes on to refuse.
func (s *Server) Retire(ctx context.Context) {
	s.closing.Store(true)
	ctx, cancel := context.WithTimeout(ctx, retireTime)
	defer cancel()
	if err := s.door.Retire(ctx); err != nil {
		s.cfg.Logger.Warn("listener did not close in order", "error", err)
	}
	s.RefuseNew()
}

// retireTime is for clients whose request was on its way: browsers open connections that they do not use, which must not hold
// up an end.
const retireTime = time.Second

// StopAccepting closes the listener and refuses new sessions; those that exist
// go on. It is the first half of Shutdown.
func (s *Server) StopAccepting() {
	s.closing.Store(true)
	s.stopOnce.Do(func() {
		s.RefuseNew()
		if err := s.door.Close(); err != nil {
			s.cfg.Logger.Warn("listener did not close in order", "error", err)
		}
		if s.webTransport != nil {
			s.webTransport.StopAccepting()
		}
	})
}

// Shutdown stops accepting, closes every session, waits until the clients have
// been told or ctx ends, and stops all goroutines. The error is ctx's if it
// came first; the Server is shut down all the same.
func (s *Server) Shutdown(ctx context.Context) error {
	s.StopAccepting()
	for _, session := range s.sessions.all() {
		session.closeBecause(CauseShutdown)
	}
	err := s.drain(ctx)
	if e := s.http.Shutdown(ctx); e != nil {
		err = errors.Join(err, e, s.http.Close())
	}
	s.engine.Shutdown()
	if s.webTransport != nil {
		err = errors.Join(err, s.webTransport.Shutdown(ctx))
	}
	s.begun.Lock()   // whoever came before has been counted
	s.begun.Unlock() //nolint:staticcheck // the section is empty on purpose
	s.served.Wait()
	return err
}

// drain waits until no WebSocket waits for its client's close frame.
func (s *Server) drain(ctx context.Context) error {
	const every = 10 * time.Millisecond
	t := time.NewTicker(every)
	defer t.Stop()
	for s.engine.Len() > 0 && s.lingering() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	return nil
}

// lingering reports whether some connection still has something to tell. The
// records of ended polling sessions that nobody may ever ask for do not count.
func (s *Server) lingering() bool { return s.engine.Len() > s.sessions.len() }
