package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

// D06: what a parked goroutine costs, in resident bytes and in the time to get there.

const parkedTasks = 200_000

func registerMemory() {
	figures("D06_mem_recv_parked", 2, func() []result {
		ch := make(chan uint64, 1)
		return park(func() { <-ch })
	})
	figures("D06_mem_send_parked", 2, func() []result {
		ch := make(chan uint64, 1)
		ch <- 0
		return park(func() { ch <- 1 })
	})
	figures("D06_mem_bare", 2, func() []result {
		return park(func() { select {} })
	})
}

// Starts the goroutines and waits until each has run for the first time, and a while for the last ones to park.
func park(wait func()) []result {
	runtime.GC()
	var started atomic.Int64
	before := residentBytes()
	start := time.Now()
	for range parkedTasks {
		go func() {
			started.Add(1)
			wait()
		}()
	}
	for started.Load() < parkedTasks {
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(start)
	time.Sleep(100 * time.Millisecond)
	bytes := residentBytes() - before
	return []result{
		figure("bytes_per_task", "B", bytes/parkedTasks),
		figure("spawn_ns_per_task", "ns", float64(took)/parkedTasks),
	}
}
