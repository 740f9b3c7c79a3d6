package stats

import "bytes"

// netDev reads /proc/PID/net/dev, and adds each interface that is not internal to the
// host to all. Names holds each name once.
func netDev(data []byte, all []Interface, names names) []Interface {
	for len(data) > 0 {
		var line []byte
		line, data = cut(data, '\n')
		label, line := cut(line, ':')
		if label = bytes.TrimSpace(label); line == nil || len(label) == 0 || internal(label) {
			continue
		}
		var n [16]uint64
		i := 0
		for ; i < len(n) && len(line) > 0; i++ {
			var w []byte
			w, line = word(line)
			n[i], _ = number(w)
		}
		if i == len(n) {
			all = append(all, Interface{names.of(label), Traffic{n[0], n[1], n[2], n[3]}, Traffic{n[8], n[9], n[10], n[11]}})
		}
	}
	return all
}

// names are strings that are made once, by themselves.
type names map[string]string

// maxNames is how many are kept: the host gets an interface with each network, under a
// name that it never had.
const maxNames = 1000

func (n names) of(b []byte) string {
	name, ok := n[string(b)]
	if !ok {
		if len(n) >= maxNames {
			clear(n)
		}
		name = string(b)
		n[name] = name
	}
	return name
}

// internal reports whether cAdvisor leaves out interfaces of this name too: the loopback,
// and the host's ends of what containers have.
func internal(name []byte) bool {
	for _, prefix := range [...]string{"lo", "veth", "docker", "nerdctl"} {
		if len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// meminfo reads /proc/meminfo.
func (h *Host) meminfo(data []byte) {
	var free, available uint64
	for len(data) > 0 {
		var line []byte
		line, data = cut(data, '\n')
		key, rest := cut(line, ':')
		digits, _ := word(rest)
		n, ok := number(bytes.TrimSpace(digits))
		switch {
		case !ok:
		case string(key) == "MemTotal":
			h.MemoryTotal = n * 1024
		case string(key) == "MemFree":
			free = n * 1024
		case string(key) == "MemAvailable":
			available = n * 1024
		}
	}
	if h.MemoryTotal > 0 {
		h.Memory.Known = true
		h.Memory.Usage, h.Memory.WorkingSet = h.MemoryTotal-min(free, h.MemoryTotal), h.MemoryTotal-min(available, h.MemoryTotal)
	}
}

// stat reads /proc/stat: what all processors did, and how many there are. The time of
// guests is within that of users; waiting is no use.
// Source: https://docs.kernel.org/filesystems/proc.html, section 1.7.
func (h *Host) stat(data []byte) {
	for len(data) > 0 {
		var line, w []byte
		line, data = cut(data, '\n')
		kind, line := word(line)
		switch {
		case string(kind) == "cpu":
			var n [8]uint64 // user nice system idle iowait irq softirq steal
			for i := range n {
				w, line = word(line)
				n[i], _ = number(w)
			}
			h.CPU.Known = true
			user, system, steal := n[0]+n[1], n[2]+n[5]+n[6], n[7]
			h.CPU.User, h.CPU.System = float64(user)/userHZ, float64(system)/userHZ
			h.CPU.Total = float64(user+system+steal) / userHZ
		case len(kind) > 3 && string(kind[:3]) == "cpu":
			h.Cores++
		}
	}
}
