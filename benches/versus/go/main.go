// Go's side of the comparison. It speaks the protocol that src/protocol.rs describes:
//
//	versus-go list                     case,peer,workers,max_rounds
//	versus-go run CASE PEER WORKERS    case,peer,workers,unit,sample,sample,...
//
// The rows are defined together with those of the Rust side and must change with them.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
)

func main() {
	registerChannels()
	registerSelects()
	registerScheduler()
	registerMemory()
	registerLocks()
	registerGroups()
	registerTimers()
	registerCancel()
	registerSockets()
	switch {
	case len(os.Args) == 2 && os.Args[1] == "list":
		for _, e := range entries {
			for _, w := range e.workers {
				fmt.Printf("%s,%s,%d,%d\n", e.name, e.peer, w, e.maxRounds)
			}
		}
	case len(os.Args) == 5 && os.Args[1] == "run":
		run(os.Args[2], os.Args[3], os.Args[4])
	default:
		fail("usage: versus-go list | run CASE PEER WORKERS")
	}
}

func run(name, peer, workers string) {
	w, err := strconv.Atoi(workers)
	if err != nil {
		fail("not a number of workers: " + workers)
	}
	for _, e := range entries {
		if e.name != name || e.peer != peer {
			continue
		}
		runtime.GOMAXPROCS(w)
		for _, r := range e.measure() {
			fmt.Printf("%s,%s,%d,%s", name+r.figure, peer, w, r.unit)
			for _, v := range r.values {
				fmt.Printf(",%.3f", v)
			}
			fmt.Println()
		}
		return
	}
	fail("no case " + name + " for " + peer)
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "versus-go:", why)
	os.Exit(2)
}
