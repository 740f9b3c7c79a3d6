package web

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

// span writes how long something has lasted, as coarse as a person needs it. The
// script of the page writes the same, second by second.
func span(d time.Duration) string {
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

// wait writes how long something will still take, to the second when it is near.
func wait(d time.Duration) string {
	if s := int(d / time.Second); s >= 60 && s < 600 {
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return span(d)
}

// times writes how often something has happened.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return number(n) + " times"
}

// number writes a number so that thousands can be told at a glance.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// exitWords says what an exit code means, as a part of a sentence; "" if the code
// alone says no more than that it is an error of the program's own.
// Sources: https://docs.docker.com/engine/containers/run/#exit-status,
// https://www.gnu.org/software/bash/manual/html_node/Exit-Status.html
func exitWords(e engine.Exit) string {
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

// exitPhrase writes the exit code with its words: "exit code 137 (killed)".
func exitPhrase(e engine.Exit) string {
	phrase := "exit code " + strconv.Itoa(e.Code)
	if words := exitWords(e); words != "" {
		phrase += " (" + words + ")"
	}
	return phrase
}

// printable replaces what would not be seen, or would change how the text around
// it is read: control characters, and those that turn the direction of writing.
// What the page shows comes from images and labels, which anybody may have made.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// line is a text as one line.
func line(s string) string { return printable(strings.Join(strings.Fields(s), " ")) }

// brief is what is printed of a text that anybody may have made as long as they
// like.
func brief(s string) string {
	const most = 300
	s = line(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
