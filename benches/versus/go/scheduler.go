package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// D01-D05: the scheduler. One operation is one goroutine started and waited for, or one yield; skynet is a whole
// program. There is no D03: a Go program has no outside.

const (
	// Goroutines started before the first is waited for.
	batch = 10_000
	// Skynet: a tree of goroutines, ten children each, this many leaves; what their numbers add up to.
	leaves    = 100_000
	leavesSum = 4_999_950_000
	wakes     = 150
)

func registerScheduler() {
	repeated("D01_spawn_join_batch10k", both, spawnBatch)
	repeated("D01_spawn_join_one", both, spawnOne)
	repeated("D02_yield_2tasks", both, yields(2))
	repeated("D02_yield_1000tasks", both, yields(1000))
	whole("D04_skynet100k_join", both, skynetJoin)
	whole("D04_skynet100k_chan", both, skynetChannel)
	figures("D05_wake_idle", 5, wakeIdle)
}

func spawnBatch(n int) spent {
	rounds := share(n, batch)
	var done sync.WaitGroup
	start := time.Now()
	for range rounds {
		done.Add(batch)
		for range batch {
			go done.Done()
		}
		done.Wait()
	}
	return since(start, rounds*batch)
}

func spawnOne(n int) spent {
	var done sync.WaitGroup
	start := time.Now()
	for range n {
		done.Add(1)
		go done.Done()
		done.Wait()
	}
	return since(start, n)
}

func yields(tasks int) func(int) spent {
	return func(n int) spent {
		each := share(n, tasks)
		var yielded atomic.Int64
		var done sync.WaitGroup
		done.Add(tasks)
		start := time.Now()
		for range tasks {
			go func() {
				for range each {
					runtime.Gosched()
				}
				yielded.Add(int64(each))
				done.Done()
			}()
		}
		done.Wait()
		s := since(start, each*tasks)
		check(yielded.Load() == int64(each*tasks), "yields")
		return s
	}
}

func skynetJoin() spent {
	start := time.Now()
	sum := subtreeJoin(0, leaves)
	s := since(start, 1)
	check(sum == leavesSum, "skynet by joining")
	return s
}

func subtreeJoin(first, count uint64) uint64 {
	if count == 1 {
		return first
	}
	var sums [10]uint64
	var done sync.WaitGroup
	done.Add(len(sums))
	for i := range sums {
		go func() {
			sums[i] = subtreeJoin(first+uint64(i)*(count/10), count/10)
			done.Done()
		}()
	}
	done.Wait()
	total := uint64(0)
	for _, sum := range sums {
		total += sum
	}
	return total
}

func skynetChannel() spent {
	start := time.Now()
	up := make(chan uint64, 1)
	go subtreeChannel(up, 0, leaves)
	sum := <-up
	s := since(start, 1)
	check(sum == leavesSum, "skynet by channels")
	return s
}

// Children answer over a channel of ten, their parent over its own parent's.
func subtreeChannel(up chan<- uint64, first, count uint64) {
	if count == 1 {
		up <- first
		return
	}
	answers := make(chan uint64, 10)
	for i := range uint64(10) {
		go subtreeChannel(answers, first+i*(count/10), count/10)
	}
	total := uint64(0)
	for range 10 {
		total += <-answers
	}
	up <- total
}

// From a send, after the processors have gone idle, to the goroutine that receives. The sender sleeps in a system call
// on a thread of its own: the nearest Go has to a thread outside. It must still win a P back before it sends.
func wakeIdle() []result {
	ch := make(chan time.Time, 16)
	go func() {
		runtime.LockOSThread()
		for range wakes {
			pause := syscall.NsecToTimespec(int64(2 * time.Millisecond))
			syscall.Nanosleep(&pause, nil)
			ch <- time.Now()
		}
		close(ch)
	}()
	late := make(chan []int64)
	go func() {
		var all []int64
		for sent := range ch {
			all = append(all, int64(time.Since(sent)))
		}
		late <- all
	}()
	all := <-late
	check(len(all) == wakes, "wakes")
	return []result{figure("p50", "ns", percentile(all, .5)), figure("p99", "ns", percentile(all, .99))}
}
