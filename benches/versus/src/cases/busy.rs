//! G: polls that do some work, for the cost of diagnosis only. One operation is a round trip.

use crate::executor::{Executor, Gochan};
use crate::measure::{Operation, Spent};
use crate::registry::{ONE, Registry};
use gochan::chan;
use std::hint::black_box;
use std::time::Instant;

/// Steps that each wait for the one before: about 5 us.
const STEPS: u64 = 3_000;

pub fn register(rows: &mut Registry) {
    rows.repeated("G01_pingpong_5us", "gochan", ONE, pingpong);
}

fn pingpong(workers: usize) -> Operation {
    let rt = Gochan::start(workers);
    Box::new(move |n| rt.run(round_trips(n)))
}

async fn round_trips(n: u64) -> Spent {
    let (there, inbox) = chan(0);
    let (outbox, back) = chan(0);
    let start = Instant::now();
    let partner = Gochan::spawn(async move {
        while let Ok(v) = inbox.recv().await {
            outbox.send(work(v)).await.expect("open");
        }
    });
    let mut v = 0;
    for _ in 0..n {
        there.send(work(v)).await.expect("open");
        v = back.recv().await.expect("open");
    }
    let spent = Spent::since(start, n);
    drop(there);
    partner.await;
    black_box(v);
    spent
}

fn work(v: u64) -> u64 {
    (0..STEPS).fold(v, |v, step| {
        black_box(v.wrapping_mul(6_364_136_223_846_793_005) ^ step)
    })
}
