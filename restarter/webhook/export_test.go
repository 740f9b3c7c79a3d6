package webhook

// The bounds that tests of another package go to.
const (
	MaxAlerts = maxAlerts
	MaxCalls  = maxCalls
	MaxLarge  = maxLarge
	MaxLines  = maxLines
	LargeBody = largeBody
)

// ReadLarge has a large body be read, until the result is called.
func (h *Webhook) ReadLarge() (done func()) {
	h.large <- struct{}{}
	return func() { <-h.large }
}
