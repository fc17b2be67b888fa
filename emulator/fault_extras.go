package emulator

import "net/http"

// extras are the parts of the server beside the account's own drive.
type extras struct {
	faults faultSet
	shaper shaper
	shares *shareSet
	dl     *dlService
	admin  http.Handler

	linkEpoch linkEpoch
}

// initExtras prepares faults, shaping, shares and the TeraboxDL account; called once, after the
// drive exists and before the routes.
func (s *Server) initExtras() error {
	if err := s.faults.set(s.cfg.Faults); err != nil {
		return err
	}
	s.shaper.set(Shape{Latency: Duration(s.cfg.Latency), Bandwidth: s.cfg.Bandwidth})
	if err := s.loadShares(); err != nil {
		return err
	}
	dl, err := newDLService(s.cfg, s.shares.get, &s.linkEpoch)
	if err != nil {
		return err
	}
	s.dl, s.admin = dl, s.newAdmin()
	return nil
}
