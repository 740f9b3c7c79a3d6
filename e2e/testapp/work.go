package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const mib = 1 << 20

// work begins what the container uses for as long as it lives. What it is to hold, it
// holds when this returns.
func (p testapp) work() error {
	for range p.hold {
		if _, err := hold(mib); err != nil {
			return err
		}
	}
	if p.receive != "" {
		listener, err := net.Listen("tcp", p.receive) //nolint:noctx // it ends with the program
		if err != nil {
			return err
		}
		go take(listener)
	}
	if p.leak > 0 {
		go leak(p.leak)
	}
	if p.busy {
		go func() {
			for {
				spin()
			}
		}()
	}
	return nil
}

// held keeps what is held from the collector of garbage.
var held [][]byte

// hold takes memory from the kernel, and touches each page.
func hold(size int) ([]byte, error) {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	for i := 0; i < size; i += os.Getpagesize() {
		b[i] = 1
	}
	held = append(held, b)
	return b, nil
}

// leak takes so many KiB a second until the kernel kills it.
func leak(rate int) {
	for range time.Tick(time.Second / 4) {
		if _, err := hold(rate << 10 / 4); err != nil {
			fmt.Fprintln(os.Stderr, "testapp:", err)
			return
		}
	}
}

// spin computes for some milliseconds.
func spin() {
	n := 1
	for i := range 1 << 22 {
		n = n*31 + i
	}
	runtime.KeepAlive(n)
}

// use computes until the kernel has charged this program with so much time, and says
// with how much it has.
func use(d time.Duration) error {
	for {
		spin()
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			return err
		}
		if used := time.Duration(usage.Utime.Nano() + usage.Stime.Nano()); used >= d {
			fmt.Println("testapp: used", used.Seconds())
			return nil
		}
	}
}

// fill writes a file, a MiB at a time, and to the disk.
func fill(path string, size, flags int) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|flags, 0o600)
	if err != nil {
		return err
	}
	b := make([]byte, mib+4096)
	// O_DIRECT takes only memory that begins with a block.
	b = b[4096-uintptr(unsafe.Pointer(&b[0]))%4096:][:mib]
	for range size {
		if _, err := f.Write(b); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(f.Sync(), f.Close())
}

// transmit sends so many MiB, and waits until the other end has taken them.
func transmit(address string, size int) error {
	conn, err := net.Dial("tcp", address) //nolint:noctx // the test waits for the end
	if err != nil {
		return err
	}
	defer conn.Close()
	b := make([]byte, mib)
	for range size {
		if _, err := conn.Write(b); err != nil {
			return err
		}
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return errors.New("this is no TCP")
	}
	if err := tcp.CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn) // ends when the other end hangs up
	return err
}

// take takes what comes, and hangs up at its end.
func take(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "testapp:", err)
			return
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(io.Discard, conn)
		}()
	}
}
