//! A chat: every line that a client sends goes to all the others. A task for each client, and one that knows them all.
//!
//! ```console
//! cargo run --features net --example chat -- --listen 127.0.0.1:7001
//! nc 127.0.0.1 7001      # twice or more
//! ```
//!
//! The room is a task and not a lock: it receives from one channel who comes, who goes and what is said, and it has a channel
//! to each client. A client that reads too slowly for its channel's 64 lines is shown the door, so that it holds nobody up.
//! `--self-test N` talks with N clients of its own instead, and ends.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use clap::Parser;
use futures::io::{AsyncBufReadExt, BufReader};
use gochan::net::{TcpListener, TcpStream};
use gochan::{Context, Receiver, Sender, chan, go, select, signal};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "127.0.0.1:7001")]
    listen: String,
    /// Talks with so many clients of its own, and ends.
    #[arg(long, value_name = "N")]
    self_test: Option<usize>,
}

type Line = Arc<str>;

enum Event {
    Came(u64, Sender<Line>),
    Said(u64, String),
    Went(u64),
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
            Some(clients) => talk(addr, clients).await?,
            None => drop(signal::ctrl_c()?.recv().await),
        }
        cancel.cancel();
        server.await.expect("it does not panic")
    })
}

async fn serve(ctx: Context, listener: TcpListener) -> io::Result<()> {
    let (events, heard) = chan(64);
    go(room(heard));
    for number in 1.. {
        let (stream, _) = select! {
            accepted = listener.accept() => accepted?,
            _ = ctx.done() => break,
        };
        // Here and not in the client's task: they are announced in the order in which they came.
        let (to, lines) = chan::<Line>(64);
        if events.send(Event::Came(number, to)).await.is_err() {
            break;
        }
        go(client(ctx.clone(), number, stream, lines, events.clone()));
    }
    Ok(())
}

/// Ends with the last client.
async fn room(heard: Receiver<Event>) {
    let mut clients = BTreeMap::new();
    while let Ok(event) = heard.recv().await {
        let (from, text) = match event {
            Event::Came(who, to) => {
                clients.insert(who, to);
                (
                    who,
                    format!("* client {who} is here, as one of {}\n", clients.len()),
                )
            }
            Event::Went(who) => {
                clients.remove(&who);
                (who, format!("* client {who} has left\n"))
            }
            Event::Said(who, text) => (who, format!("{who}: {text}")),
        };
        let line = Line::from(text);
        // A full channel drops its client: the task that writes sees the close.
        clients.retain(|&who, to| who == from || to.try_send(line.clone()).is_ok());
    }
}

async fn client(
    ctx: Context,
    who: u64,
    stream: TcpStream,
    lines: Receiver<Line>,
    events: Sender<Event>,
) {
    let (reader, writer) = stream.into_split();
    let writing = go(async move {
        while let Ok(line) = lines.recv().await {
            if writer.write_all(line.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    loop {
        line.clear();
        // The line is kept by the reader if the context ends first, and nobody wants it any more.
        let read = select! {
            read = gochan::fut(reader.read_line(&mut line)) => read,
            _ = ctx.done() => break,
        };
        if !matches!(read, Ok(1..)) || events.send(Event::Said(who, line.clone())).await.is_err() {
            break;
        }
    }
    let _ = events.send(Event::Went(who)).await;
    // The room has dropped its end of `lines`.
    let _ = writing.await;
}

/// Everybody says one line, and hears one of everybody else.
async fn talk(addr: std::net::SocketAddr, clients: usize) -> io::Result<()> {
    let mut streams = Vec::new();
    for n in 0..clients {
        let stream = BufReader::new(TcpStream::connect(addr).await?);
        // Those who came before have heard of it when it may speak.
        for earlier in &mut streams {
            wait_for(earlier, "is here").await?;
        }
        if n == 0 {
            // Nobody tells the first one that it is here. It asks.
            stream.get_ref().write_all(b"anybody?\n").await?;
        }
        streams.push(stream);
    }
    for stream in &streams {
        stream.get_ref().write_all(b"hello\n").await?;
    }
    let mut heard = 0;
    for stream in &mut streams {
        for _ in 1..clients {
            wait_for(stream, "hello").await?;
            heard += 1;
        }
    }
    println!("{clients} clients heard {heard} greetings");
    Ok(())
}

async fn wait_for(stream: &mut BufReader<TcpStream>, text: &str) -> io::Result<()> {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
