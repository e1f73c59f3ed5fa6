package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// A: channels between goroutines. One operation is one message, except in a ping-pong (a round trip), the sieve (a
// whole program) and the ring (one hop).

// The sieve's last candidate and how many primes there are up to it.
const (
	sieveEnd    = 7919
	sievePrimes = 1000
)

type (
	words64B  [8]uint64
	words1KiB [128]uint64
)

func registerChannels() {
	repeated("A01_pingpong_unbuf", both, pingPong(0))
	repeated("A01_pingpong_buf1", both, pingPong(1))
	repeated("A02_stream_1to1_unbuf", both, stream(1, 1, 0))
	repeated("A03_stream_1to1_buf1", both, stream(1, 1, 1))
	repeated("A04_stream_1to1_buf128", both, stream(1, 1, 128))
	repeated("A05_stream_4to1_buf128", two, stream(4, 1, 128))
	repeated("A06_stream_4to4_buf128", two, stream(4, 4, 128))
	repeated("A07_stream_4to4_unbuf", two, stream(4, 4, 0))
	repeated("A08_local_send_recv_buf1", one, sendReceiveLocal)
	whole("A09_sieve1000_unbuf", both, sieve(0))
	whole("A09_sieve1000_buf1", both, sieve(1))
	repeated("A10_ring1000_hop_unbuf", both, ring(1000, 0))
	repeated("A10_ring1000_hop_buf1", both, ring(1000, 1))
	repeated("A11_fanin1000_buf16", both, fanIn(1000, 16))
	repeated("A12_stream_1to1_buf128_64B", two, func(n int) spent {
		return streamOf(n, 128, func(m *words64B) *uint64 { return &m[0] })
	})
	repeated("A12_stream_1to1_buf128_1KiB", two, func(n int) spent {
		return streamOf(n, 128, func(m *words1KiB) *uint64 { return &m[0] })
	})
}

// There and back over two channels; the number grows by one on each trip.
func pingPong(capacity int) func(int) spent {
	return func(n int) spent {
		there, back := make(chan uint64, capacity), make(chan uint64, capacity)
		start := time.Now()
		go func() {
			for v := range there {
				back <- v + 1
			}
		}()
		var v uint64
		for range n {
			there <- v
			v = <-back
		}
		s := since(start, n)
		close(there)
		check(v == uint64(n), "ping-pong")
		return s
	}
}

// Each producer sends the numbers below its share; the consumers together must see all of them.
func stream(producers, consumers, capacity int) func(int) spent {
	return func(n int) spent {
		each := share(n, producers)
		ch := make(chan uint64, capacity)
		var count, sum atomic.Uint64
		var producing, consuming sync.WaitGroup
		producing.Add(producers)
		consuming.Add(consumers)
		start := time.Now()
		for range producers {
			go func() {
				send(ch, each)
				producing.Done()
			}()
		}
		for range consumers {
			go func() {
				var c, s uint64
				for v := range ch {
					c++
					s += v
				}
				count.Add(c)
				sum.Add(s)
				consuming.Done()
			}()
		}
		producing.Wait()
		close(ch)
		consuming.Wait()
		s := since(start, each*producers)
		check(count.Load() == uint64(each*producers), "stream's messages")
		check(sum.Load() == uint64(producers)*sumBelow(each), "stream's sum")
		return s
	}
}

func send(ch chan<- uint64, count int) {
	for i := range count {
		ch <- uint64(i)
	}
}

// One to one with a larger message, of which one word is stamped.
func streamOf[M any](n, capacity int, word func(*M) *uint64) spent {
	ch := make(chan M, capacity)
	start := time.Now()
	go func() {
		var message M
		for i := range n {
			*word(&message) = uint64(i)
			ch <- message
		}
		close(ch)
	}()
	count, sum := 0, uint64(0)
	for message := range ch {
		count++
		sum += *word(&message)
	}
	s := since(start, n)
	check(count == n && sum == sumBelow(n), "stream of large messages")
	return s
}

// Send and receive in one goroutine: nothing ever waits.
func sendReceiveLocal(n int) spent {
	ch := make(chan uint64, 1)
	var sum uint64
	start := time.Now()
	for i := range n {
		ch <- uint64(i)
		sum += <-ch
	}
	s := since(start, n)
	check(sum == sumBelow(n), "local send and receive")
	return s
}

// The prime sieve: a chain of filters that grows by one goroutine and one channel for each prime found.
func sieve(capacity int) func() spent {
	return func() spent {
		start := time.Now()
		candidates := make(chan uint64, capacity)
		go func() {
			for i := uint64(2); i <= sieveEnd; i++ {
				candidates <- i
			}
			close(candidates)
		}()
		primes := 0
		for input := candidates; ; {
			prime, open := <-input
			if !open {
				break
			}
			primes++
			passed := make(chan uint64, capacity)
			go filter(prime, input, passed)
			input = passed
		}
		s := since(start, 1)
		check(primes == sievePrimes, "primes")
		return s
	}
}

func filter(prime uint64, input <-chan uint64, passed chan<- uint64) {
	for v := range input {
		if v%prime != 0 {
			passed <- v
		}
	}
	close(passed)
}

// One number goes round a ring of goroutines, one larger after each.
func ring(tasks, capacity int) func(int) spent {
	return func(n int) spent {
		laps := share(n, tasks)
		first := make(chan uint64, capacity)
		last := first
		var done sync.WaitGroup
		for range tasks - 1 {
			input, output := last, make(chan uint64, capacity)
			done.Add(1)
			go func() {
				for range laps {
					output <- <-input + 1
				}
				done.Done()
			}()
			last = output
		}
		// Let all of them park first.
		time.Sleep(time.Millisecond)
		start := time.Now()
		var v uint64
		for range laps {
			first <- v
			v = <-last + 1
		}
		s := since(start, laps*tasks)
		done.Wait()
		check(v == uint64(laps*tasks), "ring")
		return s
	}
}

// A thousand goroutines send to one.
func fanIn(tasks, capacity int) func(int) spent {
	return func(n int) spent {
		each := share(n, tasks)
		ch := make(chan uint64, capacity)
		var done sync.WaitGroup
		done.Add(tasks)
		start := time.Now()
		for range tasks {
			go func() {
				send(ch, each)
				done.Done()
			}()
		}
		go func() {
			done.Wait()
			close(ch)
		}()
		count, sum := 0, uint64(0)
		for v := range ch {
			count++
			sum += v
		}
		s := since(start, each*tasks)
		check(count == each*tasks && sum == uint64(tasks)*sumBelow(each), "fan-in")
		return s
	}
}
