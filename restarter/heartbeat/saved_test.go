package heartbeat

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

// again is what the next life of Defib begins with.
func again(tb testing.TB, s *Strips, now time.Time) *Strips {
	tb.Helper()
	text, err := json.Marshal(s.Saved(now))
	if err != nil {
		tb.Fatal(err)
	}
	var saved Saved
	if err := json.Unmarshal(text, &saved); err != nil {
		tb.Fatalf("%v in %s", err, text)
	}
	return New(saved)
}

func TestStripsAreWrittenSo(t *testing.T) {
	s := observed(New(Saved{}), []look{{state: up}, {at: 50 * time.Minute, state: crashed}, {at: 50*time.Minute + 1500*time.Millisecond, state: up}})
	got, err := json.Marshal(s.Saved(noon.Add(66 * time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"quarter":1963732,"strips":{"web":"?91 u3 d1:898500/900000 u1:360000/360000"}}`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
}

func TestTheNextLifeGoesOn(t *testing.T) {
	const m = time.Minute
	life := []look{{state: up}, {at: 20 * m, state: crashed}, {at: 21 * m, state: up}}
	for name, row := range map[string]struct {
		next    []look
		now     time.Duration
		cells   string
		percent float64
	}{
		"at once": {[]look{{at: 40 * m, state: up}}, 50 * m, "uduu", 98},
		"an hour later: what lies between is unknown": {[]look{{at: 100 * m, state: up}}, 110 * m, "udu???uu", 98},
		"it is down by then":                          {[]look{{at: 40 * m, state: crashed}}, 50 * m, "uddd", 78},
		"two days later":                              {[]look{{at: 48 * time.Hour, state: up}}, 48*time.Hour + m, "u", 100},
		"nothing has been seen yet":                   {nil, 50 * m, "udu?", 97.5},
		"the engine has not answered yet":             {[]look{{at: 45 * m, away: true}}, 50 * m, "udu?", 97.5},
		"the counts begin anew":                       {[]look{{at: 46 * m, state: up, counts: counts(1, 0, 0)}}, 50 * m, "udud", 97.72},
		"the clock has been set back meanwhile":       {[]look{{at: -60 * m, state: up}}, -50 * m, "udu", 97.77},
	} {
		t.Run(name, func(t *testing.T) {
			s := again(t, observed(New(Saved{}), life), noon.Add(40*m))
			d := observed(s, row.next).Of("web")
			now := noon.Add(row.now)
			if got := written(d, now); got != row.cells {
				t.Errorf("cells %s, want %s", got, row.cells)
			}
			if got, _ := d.Day(now).Percent(); got != row.percent {
				t.Errorf("%v %%, want %v", got, row.percent)
			}
		})
	}
}

// The document that it is in holds what matters more, and is read in any case.
func TestWhatIsNoStripWasNotSeen(t *testing.T) {
	const good = `{"quarter":1963732,"strips":{"web":"?94 u2"}}`
	read := func(text string) string {
		var saved Saved
		if err := saved.UnmarshalJSON([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if saved.strips["web"] == nil {
			return "none"
		}
		return saved.strips["web"].write()
	}
	if got := read(good); got != "?94 u2" {
		t.Errorf("%s is read as %s", good, got)
	}
	for _, later := range []string{"x2", "x2:5/7"} {
		if got := read(strings.Replace(good, "u2", later, 1)); got != "?96" {
			t.Errorf("a state of a later version is read as %s", got)
		}
	}
	for name, text := range map[string]string{
		"no JSON":                         `{`,
		"a list":                          `[]`,
		"a time that is none":             strings.Replace(good, "1963732", "9223372036854775807", 1),
		"too few cells":                   strings.Replace(good, "u2", "u1", 1),
		"too many cells":                  strings.Replace(good, "u2", "u3", 1),
		"more than can be counted":        strings.Replace(good, "u2", "u99999999999999999999", 1),
		"a negative number":               strings.Replace(good, "u2", "u3 u-1", 1),
		"a letter without a number":       strings.Replace(good, "u2", "u u", 1),
		"up for longer than watched":      strings.Replace(good, "u2", "u2:2/1", 1),
		"watched for more than a quarter": strings.Replace(good, "u2", "u2:1/900001", 1),
		"watched, and unknown":            strings.Replace(good, "?94", "?94:1/2", 1),
		"half of the times":               strings.Replace(good, "u2", "u2:1", 1),
		"nothing":                         strings.Replace(good, "?94 u2", "", 1),
	} {
		if got := read(text); got != "none" {
			t.Errorf("%s is read as %s: %s", name, got, text)
		}
	}
}

// A thousand containers are some tens of kilobytes on a quiet day.
func TestTheSizeOfWhatIsSaved(t *testing.T) {
	s := New(Saved{})
	s.Observe(noon, crowd(up), never)
	quiet, err := json.Marshal(s.Saved(noon.Add(36*time.Hour + time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	one, other := crowd(up), crowd(crashed)
	for i := range 200 {
		one, other = other, one
		s.Observe(noon.Add(37*time.Hour+time.Duration(i)*7*time.Minute), one, never)
	}
	busy, err := json.Marshal(s.Saved(noon.Add(61 * time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("1,000 containers: %d bytes on a quiet day, %d if all of them die in each quarter", len(quiet), len(busy))
	if len(quiet) > 100<<10 || len(busy) > 2<<20 {
		t.Errorf("%d and %d bytes", len(quiet), len(busy))
	}
}

func FuzzSaved(f *testing.F) {
	f.Add([]byte(`{"quarter":1963732,"strips":{"web":"?91 u3 d1:898500/900000 u1:360000/360000","b":"o96"}}`), int64(0))
	f.Add([]byte(`{"quarter":-1963732,"strips":{"web":"h96:7/9"}}`), int64(-1<<40))
	f.Add([]byte(`null`), int64(1<<40))
	f.Fuzz(func(t *testing.T, text []byte, seconds int64) {
		var saved Saved
		if json.Unmarshal(text, &saved) != nil {
			return
		}
		now := noon.Add(time.Duration(seconds))
		s := New(saved)
		s.Observe(now, &engine.Snapshot{Connected: true}, never)
		next := again(t, s, now)
		for name, track := range s.tracks {
			d := track.strip.Day(now)
			if d.Up > d.Watched || d.Watched > 24*time.Hour {
				t.Errorf("%+v", d)
			}
			if got := next.Of(name).Day(now); got != d {
				t.Errorf("written and read %s is %+v, was %+v", name, got, d)
			}
		}
	})
}
