package logs

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxLine is how many bytes are kept of a line.
	maxLine = 1 << 10
	// maxRaw is how many bytes of a line are looked at: some of them are colours.
	maxRaw = 4 * maxLine
)

// escape matches what a terminal takes for a command: control sequences, strings that end
// with a bell or ESC \, and everything else that begins with ESC.
// Source: https://www.ecma-international.org/publications-and-standards/standards/ecma-48/
var escape = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[ -/]*[0-~])")

// clean makes of a line what may be shown: without terminal commands, with the last of
// what a progress bar wrote over itself, and nothing that is not text.
func clean(raw []byte) string {
	raw = bytes.TrimRight(escape.ReplaceAll(raw, nil), "\r")
	if i := bytes.LastIndexByte(raw, '\r'); i >= 0 {
		raw = raw[i+1:]
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ReplaceAll(strings.ToValidUTF8(string(raw), string(unicode.ReplacementChar)), "\t", "    "))
	return cut(text)
}

// cut shortens a text to maxLine, and says so by its last character.
func cut(text string) string {
	const mark = "…"
	if len(text) <= maxLine {
		return text
	}
	n := maxLine - len(mark)
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + mark
}
