package hold

import (
	"errors"
	"time"

	"defib/restarter/policy"
)

// ReadTimeout is how long Reader.Ask waits for the file. A disk answers a thousand
// times sooner.
const ReadTimeout = 250 * time.Millisecond

// ErrHangs says that a file system does not answer.
var ErrHangs = errors.New("the file system of the hold file does not respond")

// Reading is what a hold file said.
type Reading struct {
	Holds policy.Holds
	Err   error
}

// Reader reads the hold file beside the loop, which a network file system must
// not stop. There is at most one read under way.
type Reader struct {
	read    func() (policy.Holds, error)
	results chan Reading
	reading bool
}

// NewReader returns a Reader of what read returns; see FileReader.
func NewReader(read func() (policy.Holds, error)) *Reader {
	return &Reader{
		read:    read,
		results: make(chan Reading, 1), // so that a read ends also if nobody asks any more
	}
}

// Ask returns what the file says, nil if that is not known, and whether it is of now.
// While a read hangs it does not wait.
func (h *Reader) Ask() (got *Reading, current bool) {
	if h.reading {
		select {
		case late := <-h.results: // the file may have changed since: it is read again
			got = &late
		default:
			return nil, false
		}
	}
	h.reading = true
	go func() {
		holds, err := h.read()
		h.results <- Reading{holds, err}
	}()
	select {
	case now := <-h.results:
		h.reading = false
		return &now, true
	case <-time.After(ReadTimeout):
		return got, false
	}
}
