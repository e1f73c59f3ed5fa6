package main

import (
	"context"
	"time"
)

// C: select between goroutines. One operation is one message received, or one look that finds nothing.

func registerSelects() {
	repeated("C01_select2_ready_local", one, select2Local)
	repeated("C01_select2_stream_unbuf", two, select2Stream(0))
	repeated("C01_select2_stream_buf1", two, select2Stream(1))
	repeated("C02_default_miss_1ch", one, defaultOf1)
	repeated("C02_default_miss_2ch", one, defaultOf2)
	repeated("C03_select4_load_unbuf", two, select4Load(0))
	repeated("C03_select4_load_buf128", two, select4Load(128))
	repeated("C04_select_cancel_stream_buf128", two, stopStream(128))
	repeated("C04_select_cancel_ready_local", one, stopLocal)
}

// A send to one of two channels in turn, then a select over both, in one goroutine: nothing waits.
func select2Local(n int) spent {
	a, b := make(chan uint64, 1), make(chan uint64, 1)
	var sum uint64
	start := time.Now()
	for i := range n {
		if i%2 == 0 {
			a <- uint64(i)
		} else {
			b <- uint64(i)
		}
		select {
		case v := <-a:
			sum += v
		case v := <-b:
			sum += v
		}
	}
	s := since(start, n)
	check(sum == sumBelow(n), "local select")
	return s
}

// One goroutine sends to two channels in turn, another selects over both.
func select2Stream(capacity int) func(int) spent {
	return func(n int) spent {
		a, b := make(chan uint64, capacity), make(chan uint64, capacity)
		start := time.Now()
		go func() {
			for i := range n {
				if i%2 == 0 {
					a <- uint64(i)
				} else {
					b <- uint64(i)
				}
			}
		}()
		var sum uint64
		for range n {
			select {
			case v := <-a:
				sum += v
			case v := <-b:
				sum += v
			}
		}
		s := since(start, n)
		check(sum == sumBelow(n), "select of two")
		return s
	}
}

// A look at one empty channel.
func defaultOf1(n int) spent {
	a := make(chan uint64, 1)
	misses := 0
	start := time.Now()
	for range n {
		select {
		case <-a:
		default:
			misses++
		}
	}
	s := since(start, n)
	check(misses == n, "default of one")
	return s
}

// A look at two empty channels.
func defaultOf2(n int) spent {
	a, b := make(chan uint64, 1), make(chan uint64, 1)
	misses := 0
	start := time.Now()
	for range n {
		select {
		case <-a:
		case <-b:
		default:
			misses++
		}
	}
	s := since(start, n)
	check(misses == n, "default of two")
	return s
}

// Four goroutines each keep a channel busy, a fifth selects over the four.
func select4Load(capacity int) func(int) spent {
	return func(n int) spent {
		each := share(n, 4)
		var ch [4]chan uint64
		for i := range ch {
			ch[i] = make(chan uint64, capacity)
		}
		start := time.Now()
		for i := range ch {
			go send(ch[i], each)
		}
		var sum uint64
		for range 4 * each {
			select {
			case v := <-ch[0]:
				sum += v
			case v := <-ch[1]:
				sum += v
			case v := <-ch[2]:
				sum += v
			case v := <-ch[3]:
				sum += v
			}
		}
		s := since(start, 4*each)
		check(sum == 4*sumBelow(each), "select of four")
		return s
	}
}

// One goroutine sends, another receives unless told to stop.
func stopStream(capacity int) func(int) spent {
	return func(n int) spent {
		ch := make(chan uint64, capacity)
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		start := time.Now()
		go func() {
			send(ch, n)
			close(ch)
		}()
		count, sum := 0, uint64(0)
		for open := true; open; {
			select {
			case v, more := <-ch:
				if open = more; open {
					count++
					sum += v
				}
			case <-ctx.Done():
				panic("nobody said stop")
			}
		}
		s := since(start, n)
		check(count == n && sum == sumBelow(n), "stream with a stop")
		return s
	}
}

// Send, then receive unless told to stop, in one goroutine: nothing waits.
func stopLocal(n int) spent {
	ch := make(chan uint64, 1)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var sum uint64
	start := time.Now()
	for i := range n {
		ch <- uint64(i)
		select {
		case v := <-ch:
			sum += v
		case <-ctx.Done():
			panic("nobody said stop")
		}
	}
	s := since(start, n)
	check(sum == sumBelow(n), "local receive with a stop")
	return s
}
