//! C05: select from plain threads. One operation is one message received.

use super::thread::{BlockingChannel, Crossbeam, Flume, Gochan};
use super::{share, sum_below};
use crate::executor::on_threads;
use crate::measure::Spent;
use crate::registry::{ONE, Registry, TWO};
use gochan::select_blocking;
use std::thread;
use std::time::Instant;

/// Blocks until one of several channels has something.
trait BlockingSelect: BlockingChannel {
    fn recv_of_2(a: &Self::Receiver, b: &Self::Receiver) -> u64;
    fn recv_of_4(from: &[Self::Receiver; 4]) -> u64;
}

impl BlockingSelect for Crossbeam {
    fn recv_of_2(a: &Self::Receiver, b: &Self::Receiver) -> u64 {
        crossbeam_channel::select! { recv(a) -> v => v, recv(b) -> v => v }.expect("open")
    }
    fn recv_of_4([a, b, c, d]: &[Self::Receiver; 4]) -> u64 {
        crossbeam_channel::select! { recv(a) -> v => v, recv(b) -> v => v, recv(c) -> v => v, recv(d) -> v => v }
            .expect("open")
    }
}

impl BlockingSelect for Flume {
    fn recv_of_2(a: &Self::Receiver, b: &Self::Receiver) -> u64 {
        flume::Selector::new()
            .recv(a, |v| v)
            .recv(b, |v| v)
            .wait()
            .expect("open")
    }
    fn recv_of_4(from: &[Self::Receiver; 4]) -> u64 {
        from.iter()
            .fold(flume::Selector::new(), |s, rx| s.recv(rx, |v| v))
            .wait()
            .expect("open")
    }
}

impl BlockingSelect for Gochan {
    fn recv_of_2(a: &Self::Receiver, b: &Self::Receiver) -> u64 {
        select_blocking! { v = a.recv() => v, v = b.recv() => v }.expect("open")
    }
    fn recv_of_4([a, b, c, d]: &[Self::Receiver; 4]) -> u64 {
        select_blocking! {
            v = a.recv() => v,
            v = b.recv() => v,
            v = c.recv() => v,
            v = d.recv() => v,
        }
        .expect("open")
    }
}

pub fn register(rows: &mut Registry) {
    enter::<Gochan>(rows, "gochan");
    enter::<Crossbeam>(rows, "crossbeam");
    enter::<Flume>(rows, "flume");
}

fn enter<C: BlockingSelect>(rows: &mut Registry, peer: &'static str) {
    rows.repeated(
        "C05_thr_select2_ready_local",
        peer,
        ONE,
        on_threads(local::<C>),
    );
    rows.repeated(
        "C05_thr_select4_load_cap0",
        peer,
        TWO,
        on_threads(|n| load::<C>(n, 0)),
    );
    rows.repeated(
        "C05_thr_select4_load_cap128",
        peer,
        TWO,
        on_threads(|n| load::<C>(n, 128)),
    );
}

/// A send to one of two channels in turn, then a select over both, on one thread.
fn local<C: BlockingSelect>(n: u64) -> Spent {
    let (atx, arx) = C::open(1);
    let (btx, brx) = C::open(1);
    let mut sum = 0;
    let start = Instant::now();
    for i in 0..n {
        C::send(if i % 2 == 0 { &atx } else { &btx }, i);
        sum += C::recv_of_2(&arx, &brx);
    }
    let spent = Spent::since(start, n);
    assert_eq!(sum, sum_below(n));
    spent
}

/// Four threads each keep a channel busy, a fifth selects over the four.
fn load<C: BlockingSelect>(n: u64, capacity: usize) -> Spent {
    let each = share(n, 4);
    let mut txs = Vec::new();
    let rxs = std::array::from_fn(|_| {
        let (tx, rx) = C::open(capacity);
        txs.push(tx);
        rx
    });
    let start = Instant::now();
    let produce = |tx| {
        thread::spawn(move || {
            (0..each).for_each(|i| C::send(&tx, i));
            // Given back so that it does not close while the others are still read.
            tx
        })
    };
    let producers: Vec<_> = txs.into_iter().map(produce).collect();
    let sum: u64 = (0..4 * each).map(|_| C::recv_of_4(&rxs)).sum();
    let spent = Spent::since(start, 4 * each);
    for producer in producers {
        producer.join().expect("a producer ends well");
    }
    assert_eq!(sum, 4 * sum_below(each));
    spent
}
