// Testapp is the program inside the test containers: it lives and dies as it
// is told. With no arguments it runs until SIGTERM, and leaves with 0.
// What it is to use, see work.go, it uses beside that, or as a second one in the
// same container that leaves when it is done.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// crashSignal reaches PID 1 from a second testapp in the same container. Sent
// from inside, the engine announces no kill: it is a death like any other, at a
// moment that somebody outside chose.
const crashSignal = syscall.SIGUSR1

// sickness is a file that makes the container unhealthy while it is there.
const sickness = "/sick"

func main() {
	var p testapp
	flag.DurationVar(&p.after, "after", 0, "die by itself after this long; 0: never")
	flag.IntVar(&p.code, "code", 0, "exit code when it dies by itself or crashes")
	flag.BoolVar(&p.stubborn, "stubborn", false, "ignore SIGTERM and SIGINT")
	flag.DurationVar(&p.slow, "slow", 0, "take this long to leave on SIGTERM")
	flag.BoolVar(&p.oom, "oom", false, "allocate memory until the kernel kills it")
	crash := flag.Bool("crash", false, "make PID 1 of this container exit with its -code, and leave")
	sicken := flag.Bool("sicken", false, "make this container unhealthy until it is restarted, and leave")
	healthcheck := flag.Bool("healthcheck", false, "leave with 1 if this container is sick")
	burn := flag.Duration("burn", 0, "use this much processor time, and leave")
	write := flag.Int("write", 0, "write so many MiB to /data, past the page cache, and leave")
	cache := flag.Int("cache", 0, "write so many MiB to /data, through the page cache, and leave")
	send := flag.String("send", "", "send -size MiB to this address, and leave when all has arrived")
	size := flag.Int("size", 10, "MiB to send")
	keep := flag.String("keep", "", "write this to a file in /data, and leave")
	kept := flag.Bool("kept", false, "say what -keep wrote there, and leave")
	namespace := flag.Bool("network", false, "say in which network namespace it is, and leave")
	flag.StringVar(&p.say, "say", "", "write these words, a line each, those that begin with ! to standard error")
	flag.IntVar(&p.flood, "flood", 0, "write so many lines at once")
	flag.BoolVar(&p.garbage, "garbage", false, "write a line of 1 MiB, and what a terminal obeys")
	flag.StringVar(&p.last, "last", "", "write this line to standard error before it dies by itself or crashes")
	flag.IntVar(&p.hold, "hold", 0, "hold so many MiB of memory")
	flag.IntVar(&p.leak, "leak", 0, "take so many KiB of memory each second, and never give them back")
	flag.BoolVar(&p.busy, "busy", false, "use as much processor time as there is, on one thread")
	flag.StringVar(&p.receive, "receive", "", "listen on this address, and take what comes")
	flag.Parse()

	switch {
	case *burn > 0:
		leave(use(*burn))
	case *write > 0:
		leave(fill("/data/direct", *write, syscall.O_DIRECT))
	case *cache > 0:
		leave(fill("/data/cached", *cache, 0))
	case *keep != "":
		leave(os.WriteFile(keepsake, []byte(*keep), 0o600))
	case *kept:
		leave(recall())
	case *namespace:
		leave(network())
	case *send != "":
		leave(transmit(*send, *size))
	case *crash:
		leave(syscall.Kill(1, crashSignal))
	case *sicken:
		leave(os.WriteFile(sickness, nil, 0o600))
	case *healthcheck:
		if _, err := os.Stat(sickness); err == nil {
			leave(errors.New("sick"))
		}
		leave(nil)
	}
	if err := os.Remove(sickness); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.EROFS) {
		leave(err)
	}
	os.Exit(p.live())
}

func leave(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "testapp:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type testapp struct {
	after    time.Duration
	code     int
	stubborn bool
	slow     time.Duration
	oom      bool

	say, last string
	flood     int
	garbage   bool

	hold, leak int
	busy       bool
	receive    string
}

// live returns the exit code once it is time to die. SIGHUP is survived, as by
// a program that opens its logs again.
func (p testapp) live() int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, crashSignal)
	var death <-chan time.Time
	if p.after > 0 {
		death = time.After(p.after)
	}
	if err := p.work(); err != nil {
		fmt.Fprintln(os.Stderr, "testapp:", err)
		return 1
	}
	p.speak()
	fmt.Println("testapp: alive")
	if p.oom {
		go devour()
	}
	for {
		select {
		case <-death:
			return p.die()
		case s := <-signals:
			fmt.Println("testapp: got", s)
			switch {
			case s == crashSignal:
				return p.die()
			case s == syscall.SIGHUP || p.stubborn:
			default:
				time.Sleep(p.slow)
				return 0
			}
		}
	}
}

// devour takes a mebibyte at a time, with a breath in between, so that the
// kernel's killer finds this program and nobody else at its limit.
func devour() {
	var held [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		held = append(held, b)
		time.Sleep(time.Duration(len(held)) * time.Microsecond)
	}
}
