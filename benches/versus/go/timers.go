package main

import (
	"sync"
	"time"
)

// F01, F02, F06: timers. One operation of F01 is one timer made and stopped; F02 is how late sleepers wake; F06 is what each of a
// million pending timers costs.

const (
	pendingTimers = 100_000

	sleeperTasks = 100_000
	naps         = 3
	shortestNap  = 10 * time.Millisecond
	napRange     = 90 * time.Millisecond

	million = 1_000_000
)

func registerTimers() {
	repeated("F01_timer_create_stop", one, createStop)
	repeated("F01_timer_create_stop_100k_pending", one, createStopCrowded)
	figures("F02_sleep2ms_idle", 2, sleepIdle)
	figures("F02_sleepers100k", 3, sleepers)
	figures("F06_timers1m", 2, aMillion)
}

func createStop(n int) spent {
	stopped := 0
	start := time.Now()
	for range n {
		if time.NewTimer(time.Hour).Stop() {
			stopped++
		}
	}
	s := since(start, n)
	check(stopped == n, "stopped timers")
	return s
}

// With functions to call: a timer whose channel nobody waits on is in no heap.
func createStopCrowded(n int) spent {
	pending := make([]*time.Timer, pendingTimers)
	for i := range pending {
		pending[i] = time.AfterFunc(time.Hour+time.Duration(i)*time.Millisecond, func() {})
	}
	amongThem := time.Hour + pendingTimers/2*time.Millisecond
	stopped := 0
	start := time.Now()
	for range n {
		if time.AfterFunc(amongThem, func() {}).Stop() {
			stopped++
		}
	}
	s := since(start, n)
	check(stopped == n, "stopped timers")
	for _, timer := range pending {
		timer.Stop()
	}
	return s
}

// One sleeper in a program that does nothing else.
func sleepIdle() []result {
	late := make([]int64, 100)
	for i := range late {
		late[i] = napLateness(2 * time.Millisecond)
	}
	return []result{figure("p50", "ns", percentile(late, .5)), figure("p99", "ns", percentile(late, .99))}
}

// late3: the third nap alone, when the burst of starting is over.
func sleepers() []result {
	all := make([]int64, sleeperTasks*naps)
	third := make([]int64, sleeperTasks)
	var done sync.WaitGroup
	done.Add(sleeperTasks)
	cpu, start := cpuTime(), time.Now()
	for i := range sleeperTasks {
		go func() {
			// Marsaglia's generator with shifts 13, 7, 17.
			random := uint64(i)*0x9E3779B97F4A7C15 + 1
			mine := all[i*naps : (i+1)*naps]
			for k := range mine {
				random ^= random << 13
				random ^= random >> 7
				random ^= random << 17
				mine[k] = napLateness(shortestNap + time.Duration(random%uint64(napRange)))
			}
			third[i] = mine[naps-1]
			done.Done()
		}()
	}
	done.Wait()
	wall, used := time.Since(start), cpuTime()-cpu
	us := func(ns float64) float64 { return ns / 1e3 }
	return []result{
		figure("cpu_per_sleep", "ns", float64(used)/(sleeperTasks*naps)),
		figure("wall", "ms", float64(wall)/1e6),
		figure("late_p50", "us", us(percentile(all, .5))),
		figure("late_p99", "us", us(percentile(all, .99))),
		figure("late3_p50", "us", us(percentile(third, .5))),
		figure("late3_p99", "us", us(percentile(third, .99))),
	}
}

// From when the sleep should have ended to when its goroutine went on.
func napLateness(nap time.Duration) int64 {
	start := time.Now()
	time.Sleep(nap)
	late := time.Since(start) - nap
	check(late >= 0, "woken early")
	return int64(late)
}

// Started in no order of their deadlines, stopped in the order of their start.
func aMillion() []result {
	pending := make([]*time.Timer, 0, million)
	before, random := residentBytes(), uint64(7)
	start := time.Now()
	for range million {
		random ^= random << 13
		random ^= random >> 7
		random ^= random << 17
		pending = append(pending, time.AfterFunc(time.Hour+time.Duration(random%uint64(time.Hour)), func() {}))
	}
	started := time.Since(start)
	bytes := residentBytes() - before
	start, stopped := time.Now(), 0
	for _, timer := range pending {
		if timer.Stop() {
			stopped++
		}
	}
	ended := time.Since(start)
	check(stopped == million, "stopped timers")
	return []result{
		figure("start", "ns", float64(started)/million),
		figure("stop", "ns", float64(ended)/million),
		figure("bytes", "B", bytes/million),
	}
}
