package main

import (
	"math"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// E01-E03, E06: mutexes and their fairness. One operation is one lock, access and unlock.

const (
	fairTasks   = 8
	fairLasting = time.Second
	rwTasks     = 8
)

func registerLocks() {
	repeated("E01_mutex_uncontended", one, mutexUncontended)
	for _, tasks := range []int{2, 8, 64} {
		workers := both
		if tasks == 2 {
			workers = two
		}
		name := "E02_mutex_" + strconv.Itoa(tasks) + "tasks_"
		repeated(name+"tiny", workers, mutexContended(tasks, false))
		repeated(name+"yield", workers, mutexContended(tasks, true))
	}
	repeated("E03_rwmutex_read_uncontended", one, readUncontended)
	repeated("E03_rwmutex_90_10_8tasks", two, nineReadsAWrite)
	figures("E06_fair_tiny", 2, func() []result { return fairness(false) })
	figures("E06_fair_yield", 2, func() []result { return fairness(true) })
}

func mutexUncontended(n int) spent {
	var mu sync.Mutex
	count := 0
	start := time.Now()
	for range n {
		mu.Lock()
		count++
		mu.Unlock()
	}
	s := since(start, n)
	check(count == n, "mutex")
	return s
}

// Goroutines that do nothing else; yielding: and pass the processor on while they hold the lock.
func mutexContended(tasks int, yielding bool) func(int) spent {
	return func(n int) spent {
		each := share(n, tasks)
		var mu sync.Mutex
		var done sync.WaitGroup
		count := 0
		done.Add(tasks)
		start := time.Now()
		for range tasks {
			go func() {
				for range each {
					mu.Lock()
					count++
					if yielding {
						runtime.Gosched()
					}
					mu.Unlock()
				}
				done.Done()
			}()
		}
		done.Wait()
		s := since(start, each*tasks)
		check(count == each*tasks, "contended mutex")
		return s
	}
}

func readUncontended(n int) spent {
	var mu sync.RWMutex
	value, sum := 1, 0
	start := time.Now()
	for range n {
		mu.RLock()
		sum += value
		mu.RUnlock()
	}
	s := since(start, n)
	check(sum == n, "read lock")
	return s
}

func nineReadsAWrite(n int) spent {
	each := max(10, share(n, rwTasks))
	var mu sync.RWMutex
	var done sync.WaitGroup
	var seen atomic.Int64
	value := 0
	done.Add(rwTasks)
	start := time.Now()
	for range rwTasks {
		go func() {
			mine := 0
			for i := range each {
				if i%10 == 0 {
					mu.Lock()
					value++
					mu.Unlock()
				} else {
					mu.RLock()
					mine = max(mine, value)
					mu.RUnlock()
				}
			}
			seen.Store(int64(mine))
			done.Done()
		}()
	}
	done.Wait()
	s := since(start, each*rwTasks)
	check(value == rwTasks*((each+9)/10), "writes")
	check(seen.Load() > 0, "reads")
	return s
}

// How evenly a mutex serves those who want nothing else, for one second.
func fairness(yielding bool) []result {
	var mu sync.Mutex
	var done sync.WaitGroup
	var counts [fairTasks]int64
	var worsts [fairTasks]time.Duration
	total := int64(0)
	done.Add(fairTasks)
	end := time.Now().Add(fairLasting)
	for i := range fairTasks {
		go func() {
			count, worst := int64(0), time.Duration(0)
			for asked := time.Now(); !asked.After(end); asked = time.Now() {
				mu.Lock()
				worst = max(worst, time.Since(asked))
				total++
				if yielding {
					runtime.Gosched()
				}
				mu.Unlock()
				count++
			}
			counts[i], worsts[i] = count, worst
			done.Done()
		}()
	}
	done.Wait()
	sum := int64(0)
	for _, count := range counts {
		sum += count
	}
	check(sum == total, "acquisitions")
	mean, variance := float64(total)/fairTasks, 0.0
	for _, count := range counts {
		variance += (float64(count) - mean) * (float64(count) - mean) / fairTasks
	}
	return []result{
		figure("max_wait", "us", float64(slices.Max(worsts[:]))/1e3),
		figure("min_share", "%", 100*float64(slices.Min(counts[:]))/mean),
		figure("cv", "%", 100*math.Sqrt(variance)/mean),
		figure("acq_total", "k/s", float64(total)/fairLasting.Seconds()/1e3),
	}
}
