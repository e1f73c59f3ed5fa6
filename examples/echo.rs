//! An echo server: what a client sends comes back, until it has said all. One task a client.
//!
//! ```console
//! cargo run --features net --example echo -- --listen 127.0.0.1:7000
//! nc 127.0.0.1 7000
//! ```
//!
//! Ctrl-C ends the context, the context ends the accept and every read. `--self-test N` sends N messages from a client
//! of its own instead and ends.

use std::io;
use std::time::{Duration, Instant};

use clap::Parser;
use gochan::net::{TcpListener, TcpStream};
use gochan::{Context, go, select, signal};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "127.0.0.1:7000")]
    listen: String,
    /// Sends so many messages of 64 bytes itself, and ends.
    #[arg(long, value_name = "N")]
    self_test: Option<u32>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    gochan::run(async move {
        let (ctx, cancel) = Context::background().with_cancel();
        let listener = TcpListener::bind(&*args.listen)?;
        println!("listening on {}", listener.local_addr());
        let addr = listener.local_addr();
        let server = go(serve(ctx, listener));
        match args.self_test {
            Some(messages) => talk(TcpStream::connect(addr).await?, messages).await?,
            None => drop(signal::ctrl_c()?.recv().await),
        }
        cancel.cancel();
        server.await.expect("it does not panic")
    })
}

async fn serve(ctx: Context, listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, peer) = select! {
            accepted = listener.accept() => accepted?,
            _ = ctx.done() => return Ok(()),
        };
        let ctx = ctx.clone();
        go(async move {
            if let Err(error) = echo(ctx, &stream).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn echo(ctx: Context, stream: &TcpStream) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        let n = select! {
            n = stream.read(&mut buf) => n?,
            _ = ctx.done() => return Ok(()),
        };
        if n == 0 {
            return Ok(());
        }
        // Who sends and never reads is given up.
        stream.set_write_deadline(Some(Instant::now() + Duration::from_secs(10)));
        stream.write_all(&buf[..n]).await?;
    }
}

async fn talk(stream: TcpStream, messages: u32) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let begin = Instant::now();
    let (mut out, mut back) = ([0; 64], [0; 64]);
    for n in 0..messages {
        out[..4].copy_from_slice(&n.to_le_bytes());
        stream.write_all(&out).await?;
        stream.read_exact(&mut back).await?;
        assert_eq!(out, back);
    }
    println!("{messages} messages came back in {:?}", begin.elapsed());
    Ok(())
}
