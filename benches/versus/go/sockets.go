package main

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// H01, H03: sockets. H01: one operation is 64 bytes there and back over a loopback connection, clients and servers all
// goroutines of this program. H03: net/http under wrk with 64 connections that stay, the time for one request.

const echoSize = 64

func registerSockets() {
	repeated("H01_echo_64B_1conn", both, echo(1))
	repeated("H01_echo_64B_64conn", both, echo(64))
	if _, err := exec.LookPath("wrk"); err == nil {
		figures("H03_http_64conn", 3, httpUnderWrk)
	}
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err == nil, "a listener")
	return listener
}

// Go's connections do not delay either (TCP_NODELAY).
func echo(connections int) func(int) spent {
	return func(n int) spent {
		listener := listen()
		defer listener.Close()
		go func() {
			for range connections {
				conn, err := listener.Accept()
				check(err == nil, "a connection")
				go func() {
					defer conn.Close()
					buf := make([]byte, 1024)
					for {
						n, err := conn.Read(buf)
						if err != nil {
							return
						}
						_, err = conn.Write(buf[:n])
						check(err == nil, "room")
					}
				}()
			}
		}()
		conns := make([]net.Conn, connections)
		for i := range conns {
			conn, err := net.Dial("tcp", listener.Addr().String())
			check(err == nil, "a connection")
			conns[i] = conn
		}
		rounds := share(n, connections)
		var done sync.WaitGroup
		done.Add(connections)
		start := time.Now()
		for _, conn := range conns {
			go func() {
				defer conn.Close()
				out, back := [echoSize]byte{7}, [echoSize]byte{}
				for range rounds {
					_, err := conn.Write(out[:])
					check(err == nil, "room")
					_, err = io.ReadFull(conn, back[:])
					check(err == nil && back == out, "bytes")
				}
				done.Done()
			}()
		}
		done.Wait()
		return since(start, rounds*connections)
	}
}

func httpUnderWrk() []result {
	listener := listen()
	server := http.Server{
		// hyper's.
		ReadHeaderTimeout: 30 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "hello, world\n")
		}),
	}
	go server.Serve(listener)
	out, err := exec.Command("wrk", "-t1", "-c64", "-d2s", "http://"+listener.Addr().String()+"/").Output()
	said := string(out)
	check(err == nil && !strings.Contains(said, "Socket errors") && !strings.Contains(said, "Non-2xx"), said)
	_, rate, _ := strings.Cut(said, "Requests/sec:")
	fields := strings.Fields(rate)
	check(len(fields) > 0, said)
	perSecond, err := strconv.ParseFloat(fields[0], 64)
	check(err == nil, said)
	return []result{figure("per_request", "ns", 1e9/perSecond)}
}
