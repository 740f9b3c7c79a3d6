package restarter

import "testing"

func TestTheJournalKeepsTheNewest(t *testing.T) {
	var j journal[int]
	var old []int
	for i := range 3*journalSize + 7 {
		j.add(i)
		if i == journalSize {
			old = j.all()
		}
	}
	got := j.all()
	if len(got) != journalSize || got[0] != 2*journalSize+7 || got[len(got)-1] != 3*journalSize+6 {
		t.Errorf("%d entries from %d to %d", len(got), got[0], got[len(got)-1])
	}
	if len(old) != journalSize || old[0] != 1 || old[len(old)-1] != journalSize {
		t.Errorf("what was handed out has changed: %d entries from %d to %d", len(old), old[0], old[len(old)-1])
	}
}
