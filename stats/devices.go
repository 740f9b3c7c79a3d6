package stats

import (
	"bytes"
	"fmt"
	"path/filepath"
	"time"
)

// devices are the names of block devices, as far as somebody has asked for them.
type devices struct {
	names map[devno]string
	read  time.Time
}

// partitionsAge is how often the list of devices is read at most.
const partitionsAge = time.Minute

// disksOf returns what was gathered with the names of devices.
func (r *Reader) disksOf(now time.Time, all ios) []Disk {
	first := len(r.disks)
	for _, io := range all {
		r.disks = append(r.disks, Disk{r.deviceName(now, io.device), io.readBytes, io.writeBytes, io.reads, io.writes})
	}
	return r.disks[first:len(r.disks):len(r.disks)]
}

// deviceName returns the name of a device, or its number if it had none when it was first
// seen.
func (r *Reader) deviceName(now time.Time, n devno) string {
	d := &r.devices
	if name, ok := d.names[n]; ok {
		return name
	}
	if d.names == nil || now.Sub(d.read) >= partitionsAge {
		data, err := r.files.readOnce(cPath(filepath.Join(r.o.ProcFS, "partitions")))
		if passes(err) {
			return fmt.Sprintf("%d:%d", n.major, n.minor)
		}
		d.names, d.read = partitions(data), now
	}
	if d.names[n] == "" {
		d.names[n] = fmt.Sprintf("%d:%d", n.major, n.minor)
	}
	return d.names[n]
}

// partitions reads /proc/partitions.
func partitions(data []byte) map[devno]string {
	names := map[devno]string{}
	for line := range bytes.Lines(data) {
		f := bytes.Fields(line)
		if len(f) != 4 {
			continue
		}
		major, ok1 := number(f[0])
		minor, ok2 := number(f[1])
		if ok1 && ok2 {
			names[devno{major, minor}] = "/dev/" + string(f[3])
		}
	}
	return names
}
