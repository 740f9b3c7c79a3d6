package heartbeat

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Saved are strips at one moment, to be kept in a file. It never changes, and may be
// marshalled beside the loop.
type Saved struct {
	now    time.Time
	strips map[string]*Strip // by name
}

// Saved returns what all strips are at this moment.
func (s *Strips) Saved(now time.Time) Saved {
	all := Saved{now: now, strips: make(map[string]*Strip, len(s.tracks))}
	for name, t := range s.tracks {
		all.strips[name] = t.strip
	}
	return all
}

// document is how strips are written: {"quarter":1,"strips":{"web":"?93 u2 d1:9000/90000"}}
// Each word is a state, how many cells of it follow each other, and what is not the usual
// of that state: for how many milliseconds of how many watched ones the container was up.
type document struct {
	Quarter int64             `json:"quarter"` // of the last cell, counted from 1970
	Strips  map[string]string `json:"strips"`
}

// usual is a cell of a state that lasted all the while.
func usual(s State) cell {
	c := cell{}
	c.see(s, Quarter)
	return c
}

// MarshalJSON writes all strips.
func (s Saved) MarshalJSON() ([]byte, error) {
	d := document{Strips: make(map[string]string, len(s.strips))}
	for name, strip := range s.strips {
		fresh := strip.at(s.now, strip.state, strip.state)
		d.Quarter = fresh.last
		d.Strips[name] = fresh.write()
	}
	return json.Marshal(d)
}

func (s *Strip) write() string {
	var b []byte
	for i := 0; i < Cells; {
		c, n := s.cells[i], 1
		for i+n < Cells && s.cells[i+n] == c {
			n++
		}
		b = append(b, c.worst.Letter())
		b = strconv.AppendInt(b, int64(n), 10)
		if c != usual(c.worst) {
			b = fmt.Appendf(b, ":%d/%d", c.up, c.watched)
		}
		b = append(b, ' ')
		i += n
	}
	return strings.TrimSuffix(string(b), " ")
}

// maxQuarter is more than any clock shows.
const maxQuarter = 1 << 40

// UnmarshalJSON reads what MarshalJSON wrote. What it does not understand, such as a state
// that a later version has, was not seen: the file holds what matters more.
func (s *Saved) UnmarshalJSON(text []byte) error {
	var d document
	_ = json.Unmarshal(text, &d) // which goes on after what does not fit
	if d.Quarter < -maxQuarter || d.Quarter > maxQuarter {
		return nil
	}
	s.strips = make(map[string]*Strip, len(d.Strips))
	for name, words := range d.Strips {
		if strip, ok := readStrip(words); ok {
			strip.last = d.Quarter
			s.strips[name] = strip
		}
	}
	return nil
}

func readStrip(words string) (s *Strip, ok bool) {
	s, filled := &Strip{}, 0
	for word := range strings.FieldsSeq(words) {
		c, n, ok := readRun(word)
		if !ok || n > Cells-filled {
			return nil, false
		}
		for i := range n {
			s.cells[filled+i] = c
		}
		filled += n
	}
	return s, filled == Cells
}

// readRun reads one word: so many cells that are the same.
func readRun(word string) (c cell, n int, ok bool) {
	state, known := parseState(word[0])
	count, times, special := strings.Cut(word[1:], ":")
	n, err := strconv.Atoi(count)
	switch c = usual(state); {
	case err != nil || n < 1:
		return cell{}, 0, false
	case !known:
		return cell{}, n, true
	case !special:
		return c, n, true
	}
	up, watched, _ := strings.Cut(times, "/")
	u, errUp := strconv.ParseUint(up, 10, 32)
	w, errWatched := strconv.ParseUint(watched, 10, 32)
	if errUp != nil || errWatched != nil || u > w || w > uint64(quarterMs) || w > 0 && !state.counts() {
		return cell{}, 0, false
	}
	c.up, c.watched = uint32(u), uint32(w)
	return c, n, true
}
