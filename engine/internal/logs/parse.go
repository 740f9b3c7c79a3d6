package logs

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"defib/engine"
)

// A frame of a stream that carries standard output and standard error side by side begins
// with the number of its own, three zeros and its size.
// Source: https://docs.docker.com/reference/api/engine/version/v1.51/#tag/Container/operation/ContainerAttach
const (
	frameHead   = 8
	stderrFrame = 2
	errorFrame  = 3 // the engine's own words about why there is no more
)

// stampLength is the least that a time takes, as 2006-01-02T15:04:05Z.
const stampLength = 20

// tail is what is kept of a log while it is read.
type tail struct {
	end      time.Time // what is later belongs to another run
	most     int       // lines that are kept
	lines    []engine.LogLine
	oldest   int       // index in lines, once there are as many as may be
	later    bool      // there are lines of another run
	last     time.Time // of the newest line that has a time
	out, err line

	frames, whole int // what has come so far: frames, of which a long line has several, and lines
	buffer        [maxRaw]byte
}

// line is a line of one stream that may not be complete.
type line struct {
	open  bool
	bytes []byte // maxRaw at most
}

// read takes a log as the engine sends it, with times before its lines. Those tell the two
// forms apart: no time begins like a frame.
func (t *tail) read(r io.Reader) error {
	b := bufio.NewReader(r)
	first, err := b.Peek(frameHead)
	if err == nil && first[0] <= errorFrame && first[1] == 0 && first[2] == 0 && first[3] == 0 {
		err = t.readFrames(b)
	} else {
		err = t.readChunks(b, &t.out)
	}
	t.complete(&t.out)
	t.complete(&t.err)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // a log that is being written may end anywhere
	}
	return err
}

func (t *tail) readFrames(b *bufio.Reader) error {
	head := make([]byte, frameHead)
	for {
		if _, err := io.ReadFull(b, head); err != nil {
			return err
		}
		l, size := &t.out, int64(binary.BigEndian.Uint32(head[4:]))
		switch head[0] {
		case stderrFrame:
			l = &t.err
		case errorFrame:
			said, err := io.ReadAll(io.LimitReader(b, min(size, maxLine)))
			return errors.Join(errors.New(clean(said)), err)
		}
		t.frames++
		if l.open { // what follows is the rest of a long line, with a time of its own
			stamp, _ := b.Peek(int(min(size, int64(len(time.RFC3339Nano)+1))))
			if _, rest := cutTime(stamp); len(rest) < len(stamp) {
				n, _ := b.Discard(len(stamp) - len(rest))
				size -= int64(n)
			}
		}
		frame := &io.LimitedReader{R: b, N: size}
		if err := t.readChunks(frame, l); !errors.Is(err, io.EOF) {
			return err
		}
		if frame.N > 0 {
			return io.EOF
		}
	}
}

// readChunks takes all that comes for one stream. It always returns an error, at the end
// io.EOF.
func (t *tail) readChunks(r io.Reader, l *line) error {
	for {
		n, err := r.Read(t.buffer[:])
		for chunk := t.buffer[:n]; len(chunk) > 0; {
			part, rest, ended := bytes.Cut(chunk, []byte{'\n'})
			l.open = true
			l.bytes = append(l.bytes, part[:min(len(part), maxRaw-len(l.bytes))]...)
			if ended {
				t.complete(l)
			}
			chunk = rest
		}
		if err != nil {
			return err
		}
	}
}

// complete takes a line in.
func (t *tail) complete(l *line) {
	if !l.open {
		return
	}
	t.whole++
	at, text := cutTime(l.bytes)
	if !at.IsZero() {
		t.last = at
	}
	if t.last.After(t.end) {
		t.later = true
	} else {
		t.keep(engine.LogLine{At: t.last, Stderr: l == &t.err, Text: clean(text)})
	}
	*l = line{bytes: l.bytes[:0]}
}

// keep keeps the newest lines.
func (t *tail) keep(l engine.LogLine) {
	if len(t.lines) < t.most {
		t.lines = append(t.lines, l)
		return
	}
	t.lines[t.oldest] = l
	t.oldest = (t.oldest + 1) % t.most
}

// kept returns the lines in their order.
func (t *tail) kept() []engine.LogLine {
	return append(t.lines[t.oldest:len(t.lines):len(t.lines)], t.lines[:t.oldest]...)
}

// cutTime splits a line into its time, zero if it has none, and what was written.
func cutTime(l []byte) (time.Time, []byte) {
	stamp, text, _ := bytes.Cut(l, []byte{' '})
	if len(stamp) < stampLength {
		return time.Time{}, l
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return time.Time{}, l
	}
	return at, text
}
