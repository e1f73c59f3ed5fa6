//! A shop whose clients get in each other's way, and everything that the diagnosis has to say of it, one file each.
//!
//! ```console
//! cargo run --release --example profile -- --out DIR
//! go tool pprof -top DIR/block.pb.gz
//! go tool pprof -http=localhost:8080 DIR/wall.pb.gz
//! go tool trace DIR/go.trace                  # DIR/perfetto.pftrace is for https://ui.perfetto.dev
//! ```
//!
//! Clients lock the one ledger, and keep it while they look into a read-write locked price list; each sale goes through a
//! channel to the one auditor, who is slow now and then because it writes to a disk. One task waits for what never comes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use clap::Parser;
use gochan::diag::profile::{self, Profile};
use gochan::diag::trace::Recorder;
use gochan::diag::{self, latency, stats};
use gochan::sync::mutex::MutexGuard;
use gochan::sync::{Mutex, RwMutex};
use gochan::{JoinHandle, Receiver, Runtime, Sender, chan, go, select, task, yield_now};

#[derive(Parser)]
struct Args {
    /// The directory for the files; it is made if it is not there.
    #[arg(long)]
    out: PathBuf,
    /// Clients of the shop.
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// Milliseconds that the shop is watched for.
    #[arg(long, default_value_t = 300)]
    time: u64,
}

struct Shop {
    ledger: Mutex<u64>,
    prices: RwMutex<Vec<u64>>,
    audit: Sender<u64>,
    open: AtomicBool,
}

async fn client(shop: Arc<Shop>, number: usize) -> u64 {
    diag::label("client", &number.to_string());
    let mut sales = 0;
    while shop.open.load(Relaxed) {
        let _selling = diag::region!("sell");
        let mut ledger = shop.ledger.lock().await;
        let price = price_of(&shop, number).await;
        *ledger += price;
        MutexGuard::unlock(ledger);
        shop.audit.send(price).await.expect("the auditor is there");
        sales += 1;
    }
    diag::log("client", format_args!("{sales} sales"));
    sales
}

async fn price_of(shop: &Shop, item: usize) -> u64 {
    let prices = shop.prices.read().await;
    yield_now().await;
    prices[item % prices.len()]
}

async fn merchant(shop: Arc<Shop>) {
    while shop.open.load(Relaxed) {
        let mut prices = shop.prices.write().await;
        let first = prices[0];
        prices.rotate_left(1);
        prices.push(first + 1);
        prices.pop();
        drop(prices);
        gochan::sleep(Duration::from_micros(200)).await;
    }
}

async fn auditor(sales: Receiver<u64>, quit: Receiver<()>) -> u64 {
    let mut sum = 0;
    loop {
        let price = select! {
            price = sales.recv() => match price { Ok(price) => price, Err(_) => return sum },
            _ = quit.recv() => return sum,
        };
        sum += price;
        if sum % 8 == 0 {
            write_down();
        }
    }
}

fn write_down() {
    gochan::blocking(|| std::thread::sleep(Duration::from_micros(100)));
}

/// Waits for a message that nobody sends.
async fn forgotten(rx: Receiver<()>) {
    let _ = rx.recv().await;
}

/// Everybody in the shop.
struct People {
    clients: Vec<JoinHandle<u64>>,
    merchant: JoinHandle<()>,
    auditor: JoinHandle<u64>,
    forgotten: JoinHandle<()>,
}

fn open_shop(clients: usize) -> (Arc<Shop>, People, Sender<()>, Sender<()>) {
    let (audit, sales) = chan(4);
    let (quit, quitting) = chan(0);
    let (never, forgotten_rx) = chan(0);
    let shop = Arc::new(Shop {
        ledger: Mutex::new(0).named("ledger"),
        prices: RwMutex::new((1..=8).collect()),
        audit: audit.named("audit"),
        open: AtomicBool::new(true),
    });
    let people = People {
        clients: (0..clients)
            .map(|number| {
                let name = format!("client {number}");
                let builder = task::Builder::new().name(&name);
                builder.go(client(Arc::clone(&shop), number))
            })
            .collect(),
        merchant: go(merchant(Arc::clone(&shop))),
        auditor: go(auditor(sales, quitting)),
        forgotten: go(forgotten(forgotten_rx)),
    };
    (shop, people, quit, never)
}

/// Sales, what they brought in, and what the auditor has written down of that.
async fn close_shop(shop: Arc<Shop>, people: People) -> (u64, u64, u64) {
    shop.open.store(false, Relaxed);
    let mut sales = 0;
    for client in people.clients {
        sales += client.await.expect("a client comes home");
    }
    people.merchant.await.expect("the merchant comes home");
    people.forgotten.abort();
    let taken = *shop.ledger.lock().await;
    // With it goes the last sender.
    drop(shop);
    let audited = people.auditor.await.expect("the auditor comes home");
    (sales, taken, audited)
}

fn write(out: &Path, name: &str, profile: &Profile) -> io::Result<()> {
    profile.write_to(&mut File::create(out.join(name))?)?;
    println!("{name}: {} samples", profile.samples.len());
    Ok(())
}

/// Everything that can be written of the shop while it is open.
fn watch(args: &Args, recorder: &Recorder) -> io::Result<()> {
    let out = &args.out;
    let wall = profile::wall(Duration::from_millis(args.time), 199);
    write(out, "wall.pb.gz", &wall)?;
    write(out, "goroutine.pb.gz", &profile::goroutine())?;
    write(out, "block.pb.gz", &profile::block())?;
    write(out, "mutex.pb.gz", &profile::mutex())?;
    write(out, "threadcreate.pb.gz", &profile::threadcreate())?;
    std::fs::write(out.join("dump.json"), diag::dump().to_json())?;
    println!("dump.json");
    std::fs::write(out.join("metrics.txt"), diag::metrics::text())?;
    println!("metrics.txt");
    let trace = recorder.snapshot();
    std::fs::write(out.join("go.trace"), trace.to_go_trace())?;
    std::fs::write(out.join("perfetto.pftrace"), trace.to_perfetto())?;
    let (events, length) = (trace.events().len(), trace.length());
    println!("go.trace, perfetto.pftrace: {events} events in {length:?}");
    Ok(())
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out)?;
    diag::set_block_profile_rate(1);
    diag::set_mutex_profile_fraction(1);
    let recording = (stats::record(), latency::record());
    let recorder = Recorder::start().map_err(io::Error::other)?;
    let rt = Runtime::builder()
        .workers(2)
        .build()
        .map_err(io::Error::other)?;
    let (shop, people, _quit, _never) = rt.block_on(async { open_shop(args.clients) });
    let watched = watch(&args, &recorder);
    let (sales, taken, audited) = rt.block_on(close_shop(shop, people));
    println!("{sales} sales, {taken} taken, {audited} audited");
    drop(recording);
    print!("{}", stats::snapshot());
    watched
}
