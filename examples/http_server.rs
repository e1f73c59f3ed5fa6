//! An HTTP server: hyper over our sockets, tasks and timers, with an end in good order.
//!
//! ```console
//! cargo run --release --features hyper --example http_server -- --listen 127.0.0.1:8080
//! curl http://127.0.0.1:8080/
//! curl --data-binary @Cargo.toml http://127.0.0.1:8080/echo
//! ```
//!
//! `/` says hello, `/echo` sends the body back, `/tasks` tells what every task is waiting for. On Ctrl-C the context ends: nothing
//! more is accepted, each connection finishes the request it is at, and the wait group says when the last one has. Who takes
//! longer than the grace is cut off. `--self-test N` has N requests sent by hyper's client, then ends and checks that
//! nothing is left.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use gochan::net::hyper::Timer;
use gochan::net::{TcpListener, TcpStream};
use gochan::sync::WaitGroup;
use gochan::{Context, fut, go, select, signal, timeout};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, client, server};

/// How long requests may take once the server is to end.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// Sends so many requests itself, over 64 connections, and ends.
    #[arg(long, value_name = "N")]
    self_test: Option<usize>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    gochan::run(async move {
        let (ctx, cancel) = Context::background().with_cancel();
        let listener = TcpListener::bind(&*args.listen)?;
        let addr = listener.local_addr();
        println!("listening on http://{addr}");
        let server = go(serve(ctx, listener));
        match args.self_test {
            Some(requests) => self_test(addr, requests).await,
            None => drop(signal::ctrl_c()?.recv().await),
        }
        println!("stopping");
        cancel.cancel();
        server.await.expect("it does not panic")?;
        // This one is not left. A connection that has said it is done, and the task that waited for the signal, may still be
        // ending.
        let ended = async {
            while gochan::num_tasks() > 1 {
                gochan::yield_now().await;
            }
        };
        let _ = timeout(GRACE, ended).await;
        let left = gochan::num_tasks() - 1;
        println!("tasks left: {left}");
        if left > 0 {
            eprintln!("{}", gochan::diag::dump());
        }
        Ok(())
    })
}

async fn serve(ctx: Context, listener: TcpListener) -> io::Result<()> {
    let connections = WaitGroup::new();
    loop {
        let (stream, _) = select! {
            accepted = listener.accept() => accepted?,
            _ = ctx.done() => break,
        };
        let ctx = ctx.clone();
        connections.go(async move {
            // Errors are the peers': they hang up when they like.
            let _ = connection(ctx, stream).await;
        });
    }
    drop(listener);
    if timeout(GRACE, connections.wait()).await.is_err() {
        eprintln!("some did not end in {GRACE:?}");
    }
    Ok(())
}

async fn connection(ctx: Context, stream: TcpStream) -> hyper::Result<()> {
    // An answer is one write; it need not wait for a second one to share a packet with.
    let _ = stream.set_nodelay(true);
    let http = server::conn::http1::Builder::new()
        .timer(Timer::new())
        .serve_connection(stream, service_fn(answer));
    let mut http = pin!(http);
    select! {
        ended = fut(http.as_mut()) => return ended,
        _ = ctx.done() => {}
    }
    http.as_mut().graceful_shutdown();
    http.await
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (StatusCode::OK, Bytes::from_static(b"hello, world\n")),
        (&Method::GET, "/tasks") => (StatusCode::OK, gochan::diag::dump().to_string().into()),
        (&Method::POST, "/echo") => match request.into_body().collect().await {
            Ok(body) => (StatusCode::OK, body.to_bytes()),
            Err(_) => (StatusCode::BAD_REQUEST, Bytes::new()),
        },
        _ => (StatusCode::NOT_FOUND, Bytes::from_static(b"not here\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}

// === the self-test ===

async fn self_test(addr: SocketAddr, requests: usize) {
    const CONNECTIONS: usize = 64;
    const ROUNDS: usize = 4;
    const SLACK_KIB: usize = 1024;
    let begin = Instant::now();
    // Once for what is made once and kept; then it counts.
    burst(addr, CONNECTIONS, requests / 10).await;
    let before = Left::now().await;
    let mut after = None;
    for _ in 0..ROUNDS {
        let left = Left::now().await;
        burst(addr, CONNECTIONS, requests).await;
        let now = Left::now().await;
        // What an allocator keeps for a new thread is kept once; what the server lost it would lose in each round.
        if now.kib < left.kib + SLACK_KIB {
            after = Some(now);
            break;
        }
    }
    let after = after.expect("memory is left by each round");
    println!("{requests} requests in {:?}", begin.elapsed());
    println!(
        "descriptors: {} before, {} after",
        before.descriptors, after.descriptors
    );
    println!(
        "resident: {} KiB before, {} KiB after",
        before.kib, after.kib
    );
    assert_eq!(
        before.descriptors, after.descriptors,
        "a descriptor is left"
    );
}

async fn burst(addr: SocketAddr, connections: usize, requests: usize) {
    let clients = WaitGroup::new();
    for _ in 0..connections {
        clients.go(async move {
            let stream = TcpStream::connect(addr).await.expect("a connection");
            let (mut sender, connection) = client::conn::http1::handshake(stream).await.unwrap();
            let connection = go(connection);
            for _ in 0..requests / connections {
                let request = Request::get("/").header("host", "self-test");
                let request = request.body(Full::<Bytes>::default()).unwrap();
                sender.ready().await.expect("the server keeps it alive");
                let response = sender.send_request(request).await.expect("an answer");
                assert_eq!(response.status(), StatusCode::OK);
                response.into_body().collect().await.expect("a body");
            }
            drop(sender);
            let _ = connection.await;
        });
    }
    clients.wait().await;
}

/// What a burst may leave behind.
struct Left {
    descriptors: usize,
    kib: usize,
}

impl Left {
    /// When all connections have ended: the server sees that a little later than the client.
    async fn now() -> Left {
        // main, the server and its signal-less wait.
        while gochan::num_tasks() > 2 {
            gochan::yield_now().await;
        }
        let count = |dir| std::fs::read_dir(dir).map_or(0, Iterator::count);
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        Left {
            descriptors: count("/proc/self/fd"),
            kib: pages.unwrap_or(0) * 4,
        }
    }
}
