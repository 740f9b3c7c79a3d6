package inbox

import (
	"slices"
	"testing"
	"time"
)

func TestWhatIsPostedFirstIsDoneFirstAndOnce(t *testing.T) {
	q, at := New(), time.Unix(1, 0)
	var done []int
	for i := range 3 {
		q.Post(func(now time.Time) {
			if !now.Equal(at) {
				t.Errorf("it is told %v", now)
			}
			done = append(done, i)
			if i == 0 {
				q.Post(func(time.Time) { done = append(done, 3) }) // while the others are done
			}
		})
	}
	<-q.Wake()
	q.Drain(at)
	<-q.Wake()
	q.Drain(at)
	q.Drain(at)
	if !slices.Equal(done, []int{0, 1, 2, 3}) {
		t.Errorf("%v", done)
	}
	select {
	case <-q.Wake():
		t.Error("it wakes for nothing")
	default:
	}
}
