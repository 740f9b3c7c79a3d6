package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A glob is a row of tokens, as in a shell: * for any characters, ? for one, a class
// such as [a-z], [!0-9] or [^0-9] for one of those, or not of those; any other is for
// itself. It means a whole name, or the whole value of a label.

// tokenSize is the length of the token that a glob begins with; 0 if that is a class
// without an end.
func tokenSize(glob string) int {
	if glob[0] != '[' {
		_, n := utf8.DecodeRuneInString(glob)
		return n
	}
	_, chars, _ := classOf(glob)
	return len(glob) - len(chars)
}

// classOf splits the class that a glob begins with from what is behind it. Behind is
// the whole glob if the class has no end. A ] that comes first is one of its
// characters, as in a shell.
func classOf(glob string) (chars, behind string, negated bool) {
	chars = glob[1:]
	if chars != "" && (chars[0] == '!' || chars[0] == '^') {
		chars, negated = chars[1:], true
	}
	if chars == "" {
		return "", glob, negated
	}
	end := strings.IndexByte(chars[1:], ']') + 1
	if end == 0 {
		return "", glob, negated
	}
	return chars[:end], chars[end+1:], negated
}

// tokenHas reports whether the token that a glob begins with, and that is no *, means
// this character.
func tokenHas(glob string, c rune) bool {
	switch glob[0] {
	case '?':
		return true
	case '[':
		chars, _, negated := classOf(glob)
		return classHas(chars, c) != negated
	}
	own, _ := utf8.DecodeRuneInString(glob)
	return own == c
}

// classHas reports whether a class has a character, by itself or in a range.
func classHas(chars string, c rune) bool {
	for chars != "" {
		low, n := utf8.DecodeRuneInString(chars)
		high := low
		chars = chars[n:]
		if end, ok := strings.CutPrefix(chars, "-"); ok && end != "" {
			high, n = utf8.DecodeRuneInString(end)
			chars = end[n:]
		}
		if low <= c && c <= high {
			return true
		}
	}
	return false
}

// globMatches reports whether a glob that was checked means this name. When what
// follows a * does not fit, that * is tried with one more character; only the last
// one needs to be.
func globMatches(glob, name string) bool {
	star, from := -1, 0 // what is behind the last *, and where in the name that was tried
	g, n := 0, 0
	for n < len(name) {
		c, size := utf8.DecodeRuneInString(name[n:])
		switch {
		case g < len(glob) && glob[g] == '*':
			g++
			star, from = g, n
		case g < len(glob) && tokenHas(glob[g:], c):
			g += tokenSize(glob[g:])
			n += size
		case star < 0:
			return false
		default:
			_, size = utf8.DecodeRuneInString(name[from:])
			from += size
			g, n = star, from
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}

var errOpenClass = errors.New("a glob may contain *, ? and [a-z], each [ needs its ], and entries are separated by commas")

// alphabet is the characters of one kind of names.
type alphabet struct {
	kind        string
	first, rest string
}

const (
	lower        = "abcdefghijklmnopqrstuvwxyz"
	alphanumeric = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
)

// A project of docker-compose 1.x may begin with - or _, as one in a directory _site does.
// Sources: https://github.com/moby/moby/blob/master/daemon/names/names.go,
// https://github.com/compose-spec/compose-go/blob/main/loader/loader.go,
// https://github.com/docker/compose/blob/1.29.2/compose/cli/command.py
var (
	containerNames = alphabet{"container", alphanumeric, alphanumeric + "_.-"}
	projectNames   = alphabet{"project", lower + "0123456789_-", lower + "0123456789_-"}
	serviceNames   = alphabet{"service", alphanumeric + "_.-", alphanumeric + "_.-"}
)

// check returns why a glob can never mean a name: one of its tokens means no
// character that may be there.
func (a alphabet) check(glob string) error {
	if !utf8.ValidString(glob) {
		return errors.New("a name must be valid UTF-8")
	}
	may := a.first
	for glob != "" {
		n := tokenSize(glob)
		if n == 0 {
			return errOpenClass
		}
		token := glob[:n]
		if strings.Contains(token, `\`) {
			return a.refuse(`\`) // in a class, too: \d is no digit here
		}
		if !strings.Contains(may, token) && !meansAny(token, may) {
			return a.refuse(token)
		}
		glob, may = glob[n:], a.rest
	}
	return nil
}

// checkValue returns why a glob can never mean the value of a label: a class without an
// end, or without characters.
func checkValue(glob string) error {
	for glob != "" {
		n := tokenSize(glob)
		if n == 0 {
			return errOpenClass
		}
		token := glob[:n]
		if chars, _, negated := classOf(token); token[0] == '[' && !negated && !meansAny(token, chars) {
			return fmt.Errorf("%s matches no character", token)
		}
		glob = glob[n:]
	}
	return nil
}

func meansAny(token, chars string) bool {
	if token == "*" {
		return true
	}
	return strings.ContainsFunc(chars, func(r rune) bool { return tokenHas(token, r) })
}

// refuse says what is wrong with a token.
func (a alphabet) refuse(token string) error {
	r, _ := utf8.DecodeRuneInString(token)
	switch {
	case token[0] == '[':
		return fmt.Errorf("%s matches no character of a %s name", token, a.kind)
	case unicode.IsSpace(r):
		return errors.New("a name cannot contain spaces")
	case strings.ContainsRune(a.rest, r):
		return fmt.Errorf("a %s name cannot begin with %q", a.kind, r)
	}
	return fmt.Errorf("a %s name cannot contain %q", a.kind, r)
}
