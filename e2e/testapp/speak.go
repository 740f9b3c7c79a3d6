package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// breath is how long it waits between lines of two streams: an engine reads each by itself,
// and knows no other order than that in which it gets them.
const breath = 250 * time.Millisecond

// speak writes what it is to write at its start.
func (p testapp) speak() {
	for word := range strings.FieldsSeq(p.say) {
		if word, loud := strings.CutPrefix(word, "!"); loud {
			fmt.Fprintln(os.Stderr, word)
		} else {
			fmt.Println(word)
		}
		time.Sleep(breath)
	}
	if p.garbage {
		fmt.Println(strings.Repeat("x", mib))
		fmt.Print("\x1b[31mred\x1b[0m \xff\x00 \x1b]0;title\x07end\n")
	}
	var all strings.Builder
	for i := range p.flood {
		fmt.Fprintln(&all, "flood", i)
	}
	fmt.Print(all.String())
}

// die writes its last words, and returns the exit code.
func (p testapp) die() int {
	if p.last != "" {
		time.Sleep(breath)
		fmt.Fprintln(os.Stderr, p.last)
	}
	return p.code
}
