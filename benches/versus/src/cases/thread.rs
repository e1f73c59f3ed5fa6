//! B: channels between plain threads. One operation is one message, in the ping-pong a round trip.

use super::{share, sum_below};
use crate::executor::on_threads;
use crate::measure::Spent;
use crate::registry::{Registry, TWO};
use std::thread;
use std::time::Instant;

/// A channel between threads as a peer. Closed by dropping its senders.
pub trait BlockingChannel: 'static {
    type Sender: Send + 'static;
    type Receiver: Send + 'static;

    fn open(capacity: usize) -> (Self::Sender, Self::Receiver);
    fn send(tx: &Self::Sender, v: u64);
    fn recv(rx: &Self::Receiver) -> Option<u64>;
}

/// One with any number of senders and receivers.
pub trait Shared: BlockingChannel {
    fn another_sender(tx: &Self::Sender) -> Self::Sender;
    fn another_receiver(rx: &Self::Receiver) -> Self::Receiver;
}

macro_rules! blocking_channel {
    ($peer:ident: $sender:ty, $receiver:ty, $open:path) => {
        pub struct $peer;

        impl BlockingChannel for $peer {
            type Sender = $sender;
            type Receiver = $receiver;

            fn open(capacity: usize) -> (Self::Sender, Self::Receiver) {
                $open(capacity)
            }
            #[inline]
            fn send(tx: &Self::Sender, v: u64) {
                tx.send(v).expect("open")
            }
            #[inline]
            fn recv(rx: &Self::Receiver) -> Option<u64> {
                rx.recv().ok()
            }
        }
    };
    ($peer:ident: $sender:ty, $receiver:ty, $open:path, shared) => {
        blocking_channel!($peer: $sender, $receiver, $open);

        impl Shared for $peer {
            fn another_sender(tx: &Self::Sender) -> Self::Sender {
                tx.clone()
            }
            fn another_receiver(rx: &Self::Receiver) -> Self::Receiver {
                rx.clone()
            }
        }
    };
}
blocking_channel!(Crossbeam: crossbeam_channel::Sender<u64>, crossbeam_channel::Receiver<u64>, crossbeam_channel::bounded, shared);
blocking_channel!(Flume: flume::Sender<u64>, flume::Receiver<u64>, flume::bounded, shared);
blocking_channel!(Kanal: kanal::Sender<u64>, kanal::Receiver<u64>, kanal::bounded, shared);
blocking_channel!(Std: std::sync::mpsc::SyncSender<u64>, std::sync::mpsc::Receiver<u64>, std::sync::mpsc::sync_channel);
blocking_channel!(CrossfireMpmc: crossfire::MTx<crossfire::mpmc::Array<u64>>, crossfire::MRx<crossfire::mpmc::Array<u64>>, crossfire::mpmc::bounded_blocking, shared);
blocking_channel!(CrossfireSpsc: crossfire::Tx<crossfire::spsc::Array<u64>>, crossfire::Rx<crossfire::spsc::Array<u64>>, crossfire::spsc::bounded_blocking);

/// gochan's channels by their blocking forms.
pub struct Gochan;

impl BlockingChannel for Gochan {
    type Sender = gochan::Sender<u64>;
    type Receiver = gochan::Receiver<u64>;

    fn open(capacity: usize) -> (Self::Sender, Self::Receiver) {
        gochan::chan(capacity)
    }
    #[inline]
    fn send(tx: &Self::Sender, v: u64) {
        tx.send_blocking(v).expect("open")
    }
    #[inline]
    fn recv(rx: &Self::Receiver) -> Option<u64> {
        rx.recv_blocking().ok()
    }
}

impl Shared for Gochan {
    fn another_sender(tx: &Self::Sender) -> Self::Sender {
        tx.clone()
    }
    fn another_receiver(rx: &Self::Receiver) -> Self::Receiver {
        rx.clone()
    }
}

pub fn register(rows: &mut Registry) {
    unbuffered::<Gochan>(rows, "gochan");
    buffered::<Gochan>(rows, "gochan");
    shared::<Gochan>(rows, "gochan");
    unbuffered::<Crossbeam>(rows, "crossbeam");
    unbuffered::<Flume>(rows, "flume");
    unbuffered::<Kanal>(rows, "kanal");
    unbuffered::<Std>(rows, "std-mpsc");
    buffered::<Crossbeam>(rows, "crossbeam");
    buffered::<Flume>(rows, "flume");
    buffered::<Kanal>(rows, "kanal");
    buffered::<Std>(rows, "std-mpsc");
    buffered::<CrossfireMpmc>(rows, "crossfire-mpmc");
    buffered::<CrossfireSpsc>(rows, "crossfire-spsc");
    shared::<Crossbeam>(rows, "crossbeam");
    shared::<Flume>(rows, "flume");
    shared::<Kanal>(rows, "kanal");
    shared::<CrossfireMpmc>(rows, "crossfire-mpmc");
}

fn unbuffered<C: BlockingChannel>(rows: &mut Registry, peer: &'static str) {
    rows.repeated(
        "B00_thr_pingpong_cap0",
        peer,
        TWO,
        on_threads(|n| pingpong::<C>(n, 0)),
    );
    rows.repeated(
        "B01_thr_1to1_cap0",
        peer,
        TWO,
        on_threads(|n| one_to_one::<C>(n, 0)),
    );
}

fn buffered<C: BlockingChannel>(rows: &mut Registry, peer: &'static str) {
    rows.repeated(
        "B02_thr_1to1_cap128",
        peer,
        TWO,
        on_threads(|n| one_to_one::<C>(n, 128)),
    );
}

fn shared<C: Shared>(rows: &mut Registry, peer: &'static str) {
    rows.repeated(
        "B03_thr_4to4_cap128",
        peer,
        TWO,
        on_threads(|n| four_to_four::<C>(n, 128)),
    );
}

fn pingpong<C: BlockingChannel>(n: u64, capacity: usize) -> Spent {
    let (there, inbox) = C::open(capacity);
    let (outbox, back) = C::open(capacity);
    let start = Instant::now();
    let partner = thread::spawn(move || {
        while let Some(v) = C::recv(&inbox) {
            C::send(&outbox, v + 1);
        }
    });
    let mut v = 0;
    for _ in 0..n {
        C::send(&there, v);
        v = C::recv(&back).expect("open");
    }
    let spent = Spent::since(start, n);
    drop(there);
    partner.join().expect("the partner ends well");
    assert_eq!(v, n);
    spent
}

fn one_to_one<C: BlockingChannel>(n: u64, capacity: usize) -> Spent {
    let (tx, rx) = C::open(capacity);
    stream::<C>(n, vec![tx], vec![rx])
}

fn four_to_four<C: Shared>(n: u64, capacity: usize) -> Spent {
    let (tx, rx) = C::open(capacity);
    let txs = (0..4).map(|_| C::another_sender(&tx)).collect();
    let rxs = (0..4).map(|_| C::another_receiver(&rx)).collect();
    drop((tx, rx));
    stream::<C>(n, txs, rxs)
}

/// Each producer sends the numbers below its share; the consumers together must see all of them.
fn stream<C: BlockingChannel>(n: u64, txs: Vec<C::Sender>, rxs: Vec<C::Receiver>) -> Spent {
    let producers = txs.len() as u64;
    let each = share(n, producers);
    let total = each * producers;
    let start = Instant::now();
    let consume = |rx| {
        thread::spawn(move || {
            let (mut count, mut sum) = (0, 0);
            while let Some(v) = C::recv(&rx) {
                count += 1;
                sum += v;
            }
            (count, sum)
        })
    };
    let produce = |tx| thread::spawn(move || (0..each).for_each(|i| C::send(&tx, i)));
    let consuming: Vec<_> = rxs.into_iter().map(consume).collect();
    let producing: Vec<_> = txs.into_iter().map(produce).collect();
    for thread in producing {
        thread.join().expect("a producer ends well");
    }
    let (mut count, mut sum) = (0, 0);
    for thread in consuming {
        let (c, s) = thread.join().expect("a consumer ends well");
        count += c;
        sum += s;
    }
    let spent = Spent::since(start, total);
    assert_eq!((count, sum), (total, producers * sum_below(each)));
    spent
}
