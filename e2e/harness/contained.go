package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/pkg/stdcopy"
	"golang.org/x/sys/unix"
)

const (
	defibImage  = "defib:e2e"
	nobody      = 65534
	socketGroup = 4711
)

// Contained is a Defib in a container of the engine that it watches: nobody, who
// is in the socket's group.
type Contained struct {
	*Defib
	Container *Container
	Holds     string // directory of the hold file, on the host
}

// Contain runs Defib with as few rights as there are.
func (s *Env) Contain(change func(*container.HostConfig), args ...string) *Contained {
	s.Helper()
	s.ImportDefib(defibImage)
	return s.ContainFrom(defibImage, fmt.Sprint(nobody, ":", nobody), change, args...)
}

// ContainFrom is Contain from this image, as this user.
func (s *Env) ContainFrom(image, user string, change func(*container.HostConfig), args ...string) *Contained {
	s.Helper()
	// The socket in a directory that others may enter: the image's user is nobody.
	socket := strings.TrimPrefix(s.Engine.Host, "unix://")
	holds, owner, group := filepath.Join(s.TempDir(), "holds"), 0, socketGroup
	kind := s.Engine.kind()
	if kind.Rootless { // who may reach nothing of ours, and is root in containers
		holds, owner, group, user = filepath.Join(filepath.Dir(socket), s.Prefix+"holds"), nobody, nobody, "0:0"
	}
	for _, err := range []error{
		os.Chmod(filepath.Dir(socket), 0o711),
		os.Chown(socket, owner, group),
		os.Chmod(socket, 0o660),
		os.MkdirAll(holds, 0o700),
		os.Chown(holds, nobody, nobody),
	} {
		if err != nil {
			s.Fatal(err)
		}
	}
	config := &container.Config{
		Image: image,
		User:  user,
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
	if kind.Remapped { // root's group outside is none that a container could have
		host.UsernsMode = "host"
	}
	if change != nil {
		change(host)
	}
	c := &Contained{Container: &Container{Env: s, Name: s.Prefix + "defib"}, Holds: holds}
	s.Must("creating Defib's container", func(ctx context.Context) error {
		answer, err := s.Engine.ContainerCreate(ctx, config, host, nil, nil, c.Container.Name)
		c.Container.ID = answer.ID
		return err
	})
	c.Container.Start()
	c.Attend()
	return c
}

// Attend follows the log of the newest run, and waits until Defib is ready. The
// requests are made within the container's network, where it listens.
func (c *Contained) Attend() {
	c.Container.Helper()
	c.Defib = &Defib{TB: c.Container.TB, Journal: &Journal{}, URL: "http://127.0.0.1:10911", gone: make(chan struct{})}
	pid := c.Container.Inspect().Pid
	c.client = &http.Client{Transport: &http.Transport{
		DisableCompression: true,
		DisableKeepAlives:  true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialWithin(ctx, pid, network, address)
		},
	}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.Context()))
	r, err := c.Container.Engine.ContainerLogs(ctx, c.Container.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		cancel()
		c.Fatal(err)
	}
	j, ended := c.Journal, make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = stdcopy.StdCopy(j, j, r) // until the container ends, or the test
	}()
	c.Cleanup(func() {
		cancel()
		r.Close()
		<-ended
		if c.Failed() {
			c.Logf("log of the contained Defib:\n%s", j.Tail(200))
		}
	})
	c.Ready()
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

// Exec is docker exec: it returns the exit code and all that was said.
func (c *Contained) Exec(cmd ...string) (code int, said string) {
	c.Helper()
	return c.Container.Output(cmd...)
}
