package restarter

import (
	"defib/restarter/hold"
	"defib/restarter/policy"
)

// ShutdownGrace is what the tests of the loop, which are of another package, measure with.
const ShutdownGrace = shutdownGrace

// Policy is what the user wants now, holds included.
func (r *Restarter) Policy() policy.Policy { return r.policy }

// ReadHolds has the hold file read so. It is for before Run.
func (r *Restarter) ReadHolds(read func() (policy.Holds, error)) { r.holdFile = hold.NewReader(read) }
