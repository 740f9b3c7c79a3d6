// Package text writes durations, numbers, exit codes, and what strangers have written, for
// people to read.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"defib/engine"
)

// Span writes how long something has lasted, as coarse as a person needs it. The
// script of the page writes the same, second by second.
func Span(d time.Duration) string {
	switch s := int(d / time.Second); {
	case s < 60:
		return fmt.Sprintf("%d s", max(s, 0))
	case s < 3600:
		return fmt.Sprintf("%d min", s/60)
	case s < 48*3600 && s/60%60 == 0:
		return fmt.Sprintf("%d h", s/3600)
	case s < 48*3600:
		return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%d days", s/86400)
	}
}

// Wait writes how long something will still take, to the second when it is near.
func Wait(d time.Duration) string {
	if s := int(d / time.Second); s >= 60 && s < 600 {
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return Span(d)
}

// Times writes how often something has happened.
func Times(n int) string {
	if n == 1 {
		return "once"
	}
	return Number(n) + " times"
}

// Took writes how long something took that may be over in a moment.
func Took(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// Number writes a number so that thousands can be told at a glance.
func Number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// ExitWords says what an exit code means, as a part of a sentence; "" if the code
// alone says no more than that it is an error of the program's own.
// Sources: https://docs.docker.com/engine/containers/run/#exit-status,
// https://www.gnu.org/software/bash/manual/html_node/Exit-Status.html
func ExitWords(e engine.Exit) string {
	if e.OOMKilled {
		return "out of memory"
	}
	switch e.Code {
	case 0:
		return "no error"
	case 126:
		return "the command cannot be executed"
	case 127:
		return "command not found"
	case 128:
		return "failed to start"
	case 130:
		return "interrupted"
	case 134:
		return "aborted"
	case 137:
		return "killed"
	case 139:
		return "segmentation fault"
	case 143:
		return "terminated"
	case 255:
		return "an error, or the host went down"
	}
	if signal := unix.SignalName(syscall.Signal(e.Code - 128)); e.Code > 128 && signal != "" {
		return "killed by signal " + signal
	}
	return ""
}

// ExitPhrase writes the exit code with its words: "exit code 137 (killed)".
func ExitPhrase(e engine.Exit) string {
	phrase := "exit code " + strconv.Itoa(e.Code)
	if words := ExitWords(e); words != "" {
		phrase += " (" + words + ")"
	}
	return phrase
}

// Printable replaces what would not be seen, or would change how the text around
// it is read: control characters, and those that turn the direction of writing.
// What the page shows comes from images and labels, which anybody may have made.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// Line is a text as one line.
func Line(s string) string { return Printable(strings.Join(strings.Fields(s), " ")) }

// Brief is what is printed of a text that anybody may have made as long as they
// like.
func Brief(s string) string {
	const most = 300
	s = Line(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
