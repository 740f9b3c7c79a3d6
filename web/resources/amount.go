package resources

import (
	"math"
	"strconv"
	"strings"

	"defib/stats"
)

// Amount is what is used of something, for a narrow cell of a table.
type Amount struct {
	Text string // where it must not be broken it has no-break spaces; "": it is unknown
	High bool   // it is close to its limit, and the text says so: not everybody sees colours
}

// newAmount makes one of parts that are not to be broken.
func newAmount(high bool, parts ...string) Amount {
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(part, " ", "\u00a0")
	}
	return Amount{Text: strings.Join(parts, " "), High: high}
}

// cpuAmount is in percent of one processor, as docker stats has it.
func cpuAmount(u *stats.Usage) Amount {
	if !knowsCores(u) {
		return Amount{}
	}
	used, limit := percent(u.Cores), percent(maxCores(u))
	switch {
	case cpuIsHigh(u):
		return newAmount(true, used, "(limit", limit+",", "high)")
	case maxCores(u) > 0:
		return newAmount(false, used, "(limit", limit+")")
	}
	return newAmount(false, used)
}

// memoryAmount is with its limit, and the share of that.
func memoryAmount(u *stats.Usage) Amount {
	if !u.Memory.Known {
		return Amount{}
	}
	parts := sizes(u)
	if u.Limits.Memory == 0 {
		return newAmount(false, parts...)
	}
	share := percent(float64(u.Memory.WorkingSet) / float64(u.Limits.Memory))
	if memoryIsHigh(u) {
		return newAmount(true, append(parts, "("+share+",", "high)")...)
	}
	return newAmount(false, append(parts, "("+share+")")...)
}

func cpuPhrase(u *stats.Usage) string {
	phrase := percent(u.Cores) + " of one processor"
	if most := maxCores(u); most > 0 {
		phrase += " (limit " + percent(most) + ")"
	}
	return phrase
}

// Phrase says what is used of memory, with its limit, and of processors: "348 of 512 MiB of
// memory and 20 % of one processor". Of these, nil is unknown; a limit of 0 is none.
func Phrase(cores *float64, memory, limit uint64) string {
	u := &stats.Usage{Memory: stats.Memory{WorkingSet: memory}, Limits: stats.Limits{Memory: limit}}
	if cores == nil {
		return memoryPhrase(u)
	}
	u.Cores = *cores
	return memoryPhrase(u) + " and " + cpuPhrase(u)
}

func memoryPhrase(u *stats.Usage) string { return strings.Join(sizes(u), " ") + " of memory" }

// sizes are its memory and the limit of that: "348 of 512 MiB".
func sizes(u *stats.Usage) []string {
	used, unit := size(u.Memory.WorkingSet)
	most, its := size(u.Limits.Memory)
	switch {
	case u.Limits.Memory == 0:
		return []string{used + " " + unit}
	case unit == its:
		return []string{used + " of", most + " " + its}
	}
	return []string{used + " " + unit, "of " + most + " " + its}
}

// size writes a number of bytes with two digits, or all of its whole ones.
func size(bytes uint64) (amount, unit string) {
	n, units := float64(bytes), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for n >= 1023.5 && len(units) > 1 {
		n, units = n/1024, units[1:]
	}
	if n < 9.95 {
		return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0"), units[0]
	}
	return strconv.FormatFloat(n, 'f', 0, 64), units[0]
}

func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*100), 'f', 0, 64) + " %"
}
