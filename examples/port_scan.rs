//! Which ports of this machine's loopback address are open: many connects at once, but no more than a limit, and none for
//! longer than its time.
//!
//! ```console
//! cargo run --features net --example port_scan -- --from 1 --to 1024
//! ```
//!
//! Loopback only: other people's machines are theirs.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Duration;

use clap::Parser;
use gochan::net::TcpStream;
use gochan::sync::Semaphore;
use gochan::{chan, go, timeout};
use std::sync::Arc;

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 1)]
    from: u16,
    #[arg(long, default_value_t = 1024)]
    to: u16,
    /// Connects at once.
    #[arg(long, default_value_t = 256)]
    limit: usize,
    /// Milliseconds that one may take.
    #[arg(long, default_value_t = 200)]
    timeout: u64,
}

enum State {
    Open,
    Closed,
    Silent,
}

fn main() {
    let args = Args::parse();
    let limit = Duration::from_millis(args.timeout);
    gochan::run(async move {
        let permits = Arc::new(Semaphore::new(args.limit));
        let (found_in, found) = chan(0);
        go(async move {
            for port in args.from..=args.to {
                let permit = Arc::clone(&permits)
                    .acquire_owned()
                    .await
                    .expect("nobody closes it");
                let found = found_in.clone();
                go(async move {
                    let state = probe(port, limit).await;
                    drop(permit);
                    found.send((port, state)).await
                });
            }
        });
        let (mut open, mut closed, mut silent) = (Vec::new(), 0, 0);
        while let Ok((port, state)) = found.recv().await {
            match state {
                State::Open => open.push(port),
                State::Closed => closed += 1,
                State::Silent => silent += 1,
            }
        }
        open.sort_unstable();
        println!("open: {open:?}");
        println!("{} open, {closed} closed, {silent} silent", open.len());
    });
}

async fn probe(port: u16, limit: Duration) -> State {
    match timeout(limit, TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await {
        Ok(Ok(_)) => State::Open,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => State::Closed,
        Ok(Err(_)) | Err(_) => State::Silent,
    }
}
