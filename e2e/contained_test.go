package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/pkg/stdcopy"
	"golang.org/x/sys/unix"
)

const (
	defibImage  = "defib:e2e"
	nobody      = 65534
	socketGroup = 4711
)

// contained is a Defib in a container of the engine that it watches: nobody, who
// is in the socket's group.
type contained struct {
	*defib
	box   *testContainer
	holds string // directory of the hold file, on the host
}

// contain runs Defib with as few rights as there are.
func (s *env) contain(change func(*container.HostConfig), args ...string) *contained {
	s.Helper()
	s.importDefib(defibImage)
	// The socket in a directory that others may enter: the image's user is nobody.
	socket := strings.TrimPrefix(s.engine.host, "unix://")
	holds := filepath.Join(s.TempDir(), "holds")
	for _, err := range []error{
		os.Chmod(filepath.Dir(socket), 0o711),
		os.Chown(socket, 0, socketGroup),
		os.Chmod(socket, 0o660),
		os.Mkdir(holds, 0o700),
		os.Chown(holds, nobody, nobody),
	} {
		if err != nil {
			s.Fatal(err)
		}
	}
	config := &container.Config{
		Image: defibImage,
		User:  fmt.Sprint(nobody, ":", nobody),
		Env:   []string{"DEFIB_RESTART_HOLD_FILE=/holds/holds"},
		Cmd: slices.Concat([]string{
			"--docker.host=unix:///engine/" + filepath.Base(socket), "--web.listen-address=127.0.0.1:10911",
			"--log.format=json", "--log.level=debug", "--restart.stopped-delay=1s",
		}, allowance(), args),
	}
	host := &container.HostConfig{
		NetworkMode:    "none",
		GroupAdd:       []string{strconv.Itoa(socketGroup)},
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges"},
		Mounts: []mount.Mount{
			{Type: mount.TypeBind, Source: filepath.Dir(socket), Target: "/engine", ReadOnly: true, BindOptions: &mount.BindOptions{NonRecursive: true}},
			{Type: mount.TypeBind, Source: holds, Target: "/holds"},
		},
	}
	if change != nil {
		change(host)
	}
	c := &contained{box: &testContainer{env: s, name: s.prefix + "defib"}, holds: holds}
	s.must("creating Defib's container", func(ctx context.Context) error {
		answer, err := s.engine.ContainerCreate(ctx, config, host, nil, nil, c.box.name)
		c.box.id = answer.ID
		return err
	})
	c.box.start()
	c.attend()
	return c
}

// importDefib makes an image of Defib as its Dockerfile does, FROM nothing.
func (s *env) importDefib(name string, changes ...string) {
	s.Helper()
	path, err := buildStatic()
	if err != nil {
		s.Fatal(err)
	}
	s.must("importing Defib's image", func(ctx context.Context) error {
		return s.engine.importProgram(ctx, path, name, append(changes, `ENTRYPOINT ["/defib"]`))
	})
}

// attend follows the log of the newest run, and waits until Defib is ready. The
// requests are made within the container's network, where it listens.
func (c *contained) attend() {
	c.box.Helper()
	c.defib = &defib{TB: c.box.TB, journal: &journal{}, base: "http://127.0.0.1:10911", gone: make(chan struct{})}
	pid := c.box.inspect().Pid
	c.client = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialWithin(ctx, pid, network, address)
		},
	}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.Context()))
	r, err := c.box.engine.ContainerLogs(ctx, c.box.id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		cancel()
		c.Fatal(err)
	}
	j, ended := c.journal, make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = stdcopy.StdCopy(j, j, r) // until the container ends, or the test
	}()
	c.Cleanup(func() {
		cancel()
		r.Close()
		<-ended
		if c.Failed() {
			c.Logf("log of the contained Defib:\n%s", j.tail(200))
		}
	})
	c.ready()
}

// dialWithin connects within the network of a process. The thread comes back: it
// must not end, since the engines that it started would be told to end with it.
func dialWithin(ctx context.Context, pid int, network, address string) (net.Conn, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer home.Close()
	there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return conn, errors.Join(err, unix.Setns(int(home.Fd()), unix.CLONE_NEWNET))
}

// exec is docker exec: it returns the exit code and all that was said.
func (c *contained) exec(cmd ...string) (code int, said string) {
	c.Helper()
	c.box.must("docker exec "+strings.Join(cmd, " "), func(ctx context.Context) error {
		e := c.box.engine
		created, err := e.ContainerExecCreate(ctx, c.box.id, container.ExecOptions{Cmd: cmd, AttachStdout: true, AttachStderr: true})
		if err != nil {
			return err
		}
		stream, err := e.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
		if err != nil {
			return err
		}
		defer stream.Close()
		var text bytes.Buffer
		if _, err := stdcopy.StdCopy(&text, &text, stream.Reader); err != nil {
			return err
		}
		said = text.String()
		for {
			now, err := e.ContainerExecInspect(ctx, created.ID)
			if err != nil || !now.Running {
				code = now.ExitCode
				return err
			}
		}
	})
	return code, said
}

// importProgram makes an image of one program and nothing else.
func (e *engine) importProgram(ctx context.Context, path, tag string, changes []string) error {
	program, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: filepath.Base(path), Mode: 0o755, Size: int64(len(program))}); err != nil {
		return err
	}
	if _, err := w.Write(program); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	source := image.ImportSource{Source: &layer, SourceName: "-"}
	answer, err := e.ImageImport(ctx, source, tag, image.ImportOptions{Changes: changes})
	if err != nil {
		return err
	}
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer)
	return err
}

func TestHealingFromWithinAContainerWithoutRights(t *testing.T) {
	t.Parallel()
	s := newEnv(t, privateEngine(t))
	down, sick := s.run("down", spec{args: []string{"-code=1"}}), s.run("sick", spec{})
	d := s.contain(nil, whitelist(down, sick), hasty)
	down.crash()
	down.awaitEvents("start", 2)
	d.awaitLine(1, "container started", "container", down.name, "exit_code", 1)
	d.heals(sick.alarm())
	sick.awaitEvents("start", 2)
	d.shows(series("docker_container_up", "name", d.box.name), 1)
	d.shows("defib_engine_drift_total", 0)
	if refused := d.told("refuse"); len(refused) > 0 {
		t.Errorf("it lacks a right: %v", refused)
	}
}
