package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The peer's name, and that of idioms where Go has no such thing in its library.
const (
	self      = "go"
	asChannel = "go-chan"
)

// Rounds of a row that may be measured as often as one likes.
const unlimited = 99

var (
	both = []int{2, 1}
	two  = []int{2}
	one  = []int{1}
)

// An entry is one row of this program, with what measures it.
type entry struct {
	name, peer string
	workers    []int
	maxRounds  int
	measure    func() []result
}

// A result is one line of a run; figure is empty or begins with a colon.
type result struct {
	figure, unit string
	values       []float64
}

var entries []entry

// spent is what one call of a case took, and how many operations it really did.
type spent struct {
	time time.Duration
	ops  int
}

func since(start time.Time, ops int) spent { return spent{time.Since(start), ops} }

func (s spent) perOp() float64 { return float64(s.time.Nanoseconds()) / float64(s.ops) }

// repeated enters a loop, to be calibrated; work does about n operations.
func repeated(name string, workers []int, work func(n int) spent) {
	repeatedAs(self, name, workers, work)
}

func repeatedAs(peer, name string, workers []int, work func(n int) spent) {
	measure := func() []result {
		n := calibrate(work, time.Duration(setting("VERSUS_MS", 20))*time.Millisecond)
		return sample(work, n, setting("VERSUS_SAMPLES", 3))
	}
	entries = append(entries, entry{name, peer, workers, unlimited, measure})
}

// whole enters a program of fixed size: one run to warm up, two that count.
func whole(name string, workers []int, work func() spent) {
	measure := func() []result {
		work()
		return sample(func(int) spent { return work() }, 1, 2)
	}
	entries = append(entries, entry{name, self, workers, unlimited, measure})
}

// figures enters a single measurement with named figures.
func figures(name string, maxRounds int, measure func() []result) {
	entries = append(entries, entry{name, self, two, maxRounds, measure})
}

func figure(name, unit string, value float64) result {
	return result{":" + name, unit, []float64{value}}
}

func sample(work func(n int) spent, n, samples int) []result {
	var values []float64
	cpu, start := cpuTime(), time.Now()
	for range samples {
		values = append(values, work(n).perOp())
	}
	cores := float64(cpuTime()-cpu) / float64(time.Since(start))
	return []result{{"", "ns", values}, {"", "cores", []float64{cores}}}
}

// calibrate finds the count that lasts about target, raised at most a hundredfold a step.
func calibrate(work func(n int) spent, target time.Duration) int {
	n := 64
	for {
		s := work(n)
		fitting := int(float64(target) / max(s.perOp(), 0.1))
		if s.time >= target*7/10 {
			return max(1, fitting)
		}
		n = min(max(fitting, n+1), n*100)
	}
}

func setting(name string, otherwise int) int {
	if v, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return v
	}
	return otherwise
}

// check ends the run as failed: nothing recovers here.
func check(ok bool, what string) {
	if !ok {
		panic("miscounted: " + what)
	}
}

// share deals n operations to so many hands, at least one each.
func share(n, hands int) int { return max(1, n/hands) }

// sumBelow is 0 + 1 + ... + (n - 1).
func sumBelow(n int) uint64 { return uint64(n) * uint64(n-1) / 2 }

func percentile(values []int64, p float64) float64 {
	slices.Sort(values)
	return float64(values[int(p*float64(len(values)-1))])
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil, "getrusage")
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func residentBytes() float64 {
	statm, err := os.ReadFile("/proc/self/statm")
	check(err == nil, "statm")
	pages, err := strconv.ParseFloat(strings.Fields(string(statm))[1], 64)
	check(err == nil, "statm")
	return pages * float64(os.Getpagesize())
}
