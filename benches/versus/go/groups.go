package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// E04, E05: wait groups and semaphores. One operation is one member that enters and leaves, or one permit taken and
// given back. The standard library has no semaphore: a buffered channel is the idiom.

const (
	members  = 1000
	permits  = 4
	semTasks = 8
)

func registerGroups() {
	repeated("E04_waitgroup_1000_spawned", both, waitGroups)
	repeated("E04_waitgroup_add_done", one, addDone)
	repeatedAs(asChannel, "E05_sem_uncontended", one, semaphoreUncontended)
	repeatedAs(asChannel, "E05_sem_4of8_yield", both, semaphoreContended)
}

// Members that have run in this process.
var entered atomic.Int64

// Groups of a thousand; each member counts itself, and all must have when the last wait is over.
func waitGroups(n int) spent {
	rounds := share(n, members)
	before := entered.Load()
	start := time.Now()
	for range rounds {
		var group sync.WaitGroup
		for range members {
			group.Add(1)
			go func() {
				entered.Add(1)
				group.Done()
			}()
		}
		group.Wait()
	}
	s := since(start, rounds*members)
	check(entered.Load()-before == int64(rounds*members), "members")
	return s
}

func addDone(n int) spent {
	var group sync.WaitGroup
	group.Add(1)
	start := time.Now()
	for range n {
		group.Add(1)
		group.Done()
	}
	s := since(start, n)
	group.Done()
	group.Wait()
	return s
}

func semaphoreUncontended(n int) spent {
	sem := make(chan struct{}, permits)
	start := time.Now()
	for range n {
		sem <- struct{}{}
		<-sem
	}
	s := since(start, n)
	check(len(sem) == 0, "permits")
	return s
}

// Eight goroutines for four permits, each passing the processor on while it holds one.
func semaphoreContended(n int) spent {
	each := share(n, semTasks)
	sem := make(chan struct{}, permits)
	var done sync.WaitGroup
	done.Add(semTasks)
	start := time.Now()
	for range semTasks {
		go func() {
			for range each {
				sem <- struct{}{}
				runtime.Gosched()
				<-sem
			}
			done.Done()
		}()
	}
	done.Wait()
	s := since(start, each*semTasks)
	check(len(sem) == 0, "permits")
	return s
}
