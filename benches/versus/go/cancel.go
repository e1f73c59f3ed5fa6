package main

import (
	"context"
	"sync"
	"time"
)

// F03-F05: trees of cancellation. One operation is one child made and cancelled (F03), ten thousand waiters woken by
// one cancellation (F04), one link of a chain a thousand deep (F05).

const (
	waiters    = 10_000
	chainDepth = 1000
)

func registerCancel() {
	repeated("F03_ctx_child_cancel", one, childCancel)
	whole("F04_cancel_fanout10k_own_child", both, func() spent { return fanOut(true) })
	whole("F04_cancel_fanout10k_shared", both, func() spent { return fanOut(false) })
	repeated("F05_chain1000_create_per_ctx", one, func(n int) spent { return chain(n, true) })
	repeated("F05_chain1000_cancel_per_ctx", one, func(n int) spent { return chain(n, false) })
}

func childCancel(n int) spent {
	root, stop := context.WithCancel(context.Background())
	defer stop()
	cancelled := 0
	start := time.Now()
	for range n {
		child, cancel := context.WithCancel(root)
		cancel()
		if child.Err() != nil {
			cancelled++
		}
	}
	s := since(start, n)
	check(cancelled == n && root.Err() == nil, "cancelled children")
	return s
}

// From the cancellation to the last waiter having woken.
func fanOut(ownChild bool) spent {
	root, cancel := context.WithCancel(context.Background())
	var waiting, woken sync.WaitGroup
	waiting.Add(waiters)
	woken.Add(waiters)
	for range waiters {
		go func() {
			mine := root
			if ownChild {
				child, stop := context.WithCancel(root)
				defer stop()
				mine = child
			}
			waiting.Done()
			<-mine.Done()
			woken.Done()
		}()
	}
	waiting.Wait()
	// Let the last of them park.
	time.Sleep(3 * time.Millisecond)
	start := time.Now()
	cancel()
	woken.Wait()
	return since(start, 1)
}

// Times either the making of the chain or its cancellation from the root.
func chain(n int, creation bool) spent {
	rounds := share(n, chainDepth)
	var total time.Duration
	for range rounds {
		start := time.Now()
		last, cancel := context.WithCancel(context.Background())
		stops := make([]context.CancelFunc, 0, chainDepth)
		for range chainDepth - 1 {
			next, stop := context.WithCancel(last)
			stops = append(stops, stop)
			last = next
		}
		created := time.Since(start)
		cancel()
		check(last.Err() != nil, "the end of the chain")
		if creation {
			total += created
		} else {
			total += time.Since(start) - created
		}
	}
	return spent{total, rounds * chainDepth}
}
