package wsedge

// Why a session is closed or a client's wish is not fulfilled, as the log has it: a closed set. Each line is written once,
// where it happens, at info level; what a client chose is in none of them.
const (
	whyNoPacket      = "no Socket.IO packet"
	whyBrokenRule    = "Socket.IO rules broken"
	whyNoConnect     = "no namespace joined in time"
	whyManyEvents    = "too many events per second"
	whyManyBytes     = "too many bytes per second"
	whyNoNamespace   = "invalid namespace"
	whyNamespaces    = "too many namespaces"
	whyNotAdmitted   = "admission"
	whyRecoveryBytes = "Config.Recovery's MaxBytes"
	whyClientOwes    = "the client owes MaxPendingAcks"
	whyServiceOwes   = "services owe MaxPendingAcks"
)

// reject closes a session whose client sent more than it may, and says so to both sides.
func (c *Client) reject(why string) {
	c.srv.noteEnd(why)
	c.session.Reject(why)
}

// noteEnd logs that a session is closed for what its client did.
func (srv *Server) noteEnd(why string) { srv.cfg.Logger.Info("session closed", "reason", why) }

// noteRefused logs that a client is not let into a namespace.
func (srv *Server) noteRefused(why string) { srv.cfg.Logger.Info("connect refused", "reason", why) }

// noteAck logs that an acknowledgement will not come.
func (srv *Server) noteAck(why string) { srv.cfg.Logger.Info("acknowledgement dropped", "reason", why) }

// noteGivenUp logs that sockets which were away cannot be recovered for lack of room.
func (r *Recovery) noteGivenUp(gone []*parked) {
	if len(gone) > 0 {
		r.log.Info("lost sockets given up", "reason", whyRecoveryBytes, "count", len(gone))
	}
}
