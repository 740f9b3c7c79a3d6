package journal

import "testing"

func TestTheJournalKeepsTheNewest(t *testing.T) {
	var j Journal[int]
	var old []int
	for i := range 3*Size + 7 {
		j.Add(i)
		if i == Size {
			old = j.All()
		}
	}
	got := j.All()
	if len(got) != Size || got[0] != 2*Size+7 || got[len(got)-1] != 3*Size+6 {
		t.Errorf("%d entries from %d to %d", len(got), got[0], got[len(got)-1])
	}
	if len(old) != Size || old[0] != 1 || old[len(old)-1] != Size {
		t.Errorf("what was handed out has changed: %d entries from %d to %d", len(old), old[0], old[len(old)-1])
	}
}
