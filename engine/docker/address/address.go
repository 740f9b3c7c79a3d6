// Package address says at which addresses an engine can listen.
package address

import (
	"fmt"
	"strconv"

	"github.com/docker/docker/client"
)

// Default is where Docker listens unless told otherwise.
const Default = client.DefaultDockerHost

// maxSocketPath is the kernel's limit, unix(7).
const maxSocketPath = 107

// Check refuses an engine address that can never work.
func Check(host string) error {
	u, err := client.ParseHostURL(host)
	if err != nil {
		return fmt.Errorf("engine address %q: must be unix:///path or tcp://host:port: %w", host, err)
	}
	switch u.Scheme {
	case "unix":
		if len(u.Host) > maxSocketPath {
			return fmt.Errorf("engine address %q: the path of a socket can have at most %d characters", host, maxSocketPath)
		}
		return nil
	case "tcp", "http", "https":
		if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
			return fmt.Errorf("engine address %q: must have a port, as in tcp://host:2376", host)
		}
		return nil
	case "ssh":
		return fmt.Errorf("engine address %q: ssh:// is not supported: forward the socket with `ssh -nNT -L /path/docker.sock:/var/run/docker.sock HOST` and use unix:///path/docker.sock", host)
	}
	return fmt.Errorf("engine address %q: %s:// is not supported: use unix:///path or tcp://host:port", host, u.Scheme)
}
