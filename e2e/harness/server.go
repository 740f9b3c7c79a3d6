package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Server is another program that a test needs beside Defib: Prometheus or
// Alertmanager.
type Server struct {
	testing.TB
	name, URL string // http://ADDRESS
	log       string // file
	cmd       *exec.Cmd
	gone      chan struct{}
}

// Serve starts a server and waits until it is ready.
func Serve(tb testing.TB, name, address string, cmd *exec.Cmd) *Server {
	tb.Helper()
	s := &Server{TB: tb, name: name, URL: "http://" + address, log: filepath.Join(tb.TempDir(), "log"), cmd: cmd}
	s.launch()
	tb.Cleanup(s.close)
	s.awaitReady()
	return s
}

func (s *Server) launch() {
	s.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	cmd, gone := s.cmd, make(chan struct{})
	s.gone = gone
	go func() {
		// How it ended is in its log.
		_ = cmd.Wait()
		close(gone)
	}()
}

func (s *Server) awaitReady() {
	s.Helper()
	Eventually(s, s.name+" to be ready", func() bool {
		select {
		case <-s.gone:
			s.Fatalf("%s ended while starting", s.name)
		default:
		}
		_, err := s.Ask(http.MethodGet, "/-/ready", nil)
		return err == nil
	})
}

// Kill ends it with no chance to clean up.
func (s *Server) Kill() {
	s.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.Fatal(err)
	}
	<-s.gone
}

// Again starts one that has ended, as it was started before, and waits until it is ready.
func (s *Server) Again() {
	s.Helper()
	s.cmd = exec.CommandContext(context.WithoutCancel(s.Context()), s.cmd.Path, s.cmd.Args[1:]...)
	s.launch()
	s.awaitReady()
}

// Address is its host and port.
func (s *Server) Address() string { return strings.TrimPrefix(s.URL, "http://") }

func (s *Server) close() {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.Error(err)
	}
	select {
	case <-s.gone:
	case <-time.After(Limit):
		s.Errorf("%s did not end within %v", s.name, Limit)
		_ = s.cmd.Process.Kill()
		<-s.gone
	}
	if s.Failed() {
		text, _ := os.ReadFile(s.log)
		s.Logf("log of %s:\n%s", s.name, text[max(0, len(text)-4000):])
	}
}

// Ask returns the body of a 200; whatever else comes is an error. What is not
// nil is sent as JSON.
func (s *Server) Ask(method, path string, what any) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), Limit)
	defer cancel()
	var sent io.Reader
	if what != nil {
		text, err := json.Marshal(what)
		if err != nil {
			return "", err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, sent)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s answers %s: %s", method, path, resp.Status, body)
	}
	return string(body), err
}

// Program finds one of Debian's, under the first name that is there.
func Program(tb testing.TB, pkg string, names ...string) string {
	tb.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			Uses(tb, path)
			return path
		}
	}
	Unavailable(tb, fmt.Sprintf("%s, of Debian's package %s, is not on the PATH", names[0], pkg))
	return ""
}

var addresses atomic.Int64

// Loopback is an IP address that only this server of only this run listens on,
// so that its port can be told to others before it listens. All of 127/8 is
// loopback.
func Loopback() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", pid>>8&0xff, pid&0xff, addresses.Add(1)%254+1)
}

// Edited is a file of this repository, by its path there, in which what a test needs otherwise is
// replaced, old by new. What is not there to be replaced fails the test.
func Edited(tb testing.TB, path string, edits ...string) string {
	tb.Helper()
	text, err := os.ReadFile(Repository(path))
	if err != nil {
		tb.Fatal(err)
	}
	result := string(text)
	for i := 0; i+1 < len(edits); i += 2 {
		if !strings.Contains(result, edits[i]) {
			tb.Fatalf("%s has no %q that could be replaced", path, edits[i])
		}
		result = strings.ReplaceAll(result, edits[i], edits[i+1])
	}
	return result
}

// File puts text into a file of the test's own and returns its path.
func File(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
