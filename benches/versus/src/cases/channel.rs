//! A: channels between tasks. One operation is one message, except in a ping-pong (a round trip), the sieve (a whole
//! program) and the ring (one hop).

use super::{share, sum_below};
use crate::channel::{Channel, ManyReceivers, ManySenders, Message};
use crate::executor::Executor;
use crate::measure::Spent;
use crate::registry::{BOTH, ONE, Registry, TWO};
use std::mem::replace;
use std::time::{Duration, Instant};

/// The sieve's last candidate and how many primes there are up to it.
const SIEVE_END: u64 = 7919;
const SIEVE_PRIMES: u64 = 1000;

type Words64B = [u64; 8];
type Words1KiB = [u64; 128];

pub fn register(rows: &mut Registry) {
    rendezvous!(enter!(
        rows,
        repeated,
        "A01_pingpong_unbuf",
        BOTH,
        pingpong(0)
    ));
    spsc!(enter!(
        rows,
        repeated,
        "A01_pingpong_buf1",
        BOTH,
        pingpong(1)
    ));
    rendezvous!(enter!(
        rows,
        repeated,
        "A02_stream_1to1_unbuf",
        BOTH,
        words8(0)
    ));
    spsc!(enter!(
        rows,
        repeated,
        "A03_stream_1to1_buf1",
        BOTH,
        words8(1)
    ));
    spsc!(enter!(
        rows,
        repeated,
        "A04_stream_1to1_buf128",
        BOTH,
        words8(128)
    ));
    mpsc!(enter!(
        rows,
        repeated,
        "A05_stream_4to1_buf128",
        TWO,
        many_to_one(4, 128)
    ));
    mpmc!(enter!(
        rows,
        repeated,
        "A06_stream_4to4_buf128",
        TWO,
        many_to_many(4, 4, 128)
    ));
    rendezvous!(enter!(
        rows,
        repeated,
        "A07_stream_4to4_unbuf",
        TWO,
        many_to_many(4, 4, 0)
    ));
    spsc!(enter!(
        rows,
        repeated,
        "A08_local_send_recv_buf1",
        ONE,
        local()
    ));
    rendezvous!(enter!(rows, whole, "A09_sieve1000_unbuf", BOTH, sieve(0)));
    spsc!(enter!(rows, whole, "A09_sieve1000_buf1", BOTH, sieve(1)));
    rendezvous!(enter!(
        rows,
        repeated,
        "A10_ring1000_hop_unbuf",
        BOTH,
        ring(1000, 0)
    ));
    spsc!(enter!(
        rows,
        repeated,
        "A10_ring1000_hop_buf1",
        BOTH,
        ring(1000, 1)
    ));
    mpsc!(enter!(
        rows,
        repeated,
        "A11_fanin1000_buf16",
        BOTH,
        fan_in(1000, 16)
    ));
    spsc!(enter!(
        rows,
        repeated,
        "A12_stream_1to1_buf128_64B",
        TWO,
        words64(128)
    ));
    spsc!(enter!(
        rows,
        repeated,
        "A12_stream_1to1_buf128_1KiB",
        TWO,
        words1k(128)
    ));
}

/// There and back over two channels; the number grows by one on each trip.
async fn pingpong<E: Executor, C: Channel>(n: u64, capacity: usize) -> Spent {
    let (mut there, mut inbox) = C::open::<u64>(capacity);
    let (mut outbox, mut back) = C::open::<u64>(capacity);
    let start = Instant::now();
    let partner = E::spawn(async move {
        while let Some(v) = C::recv(&mut inbox).await {
            C::send(&mut outbox, v + 1).await;
        }
    });
    let mut v = 0;
    for _ in 0..n {
        C::send(&mut there, v).await;
        v = C::recv(&mut back).await.expect("open");
    }
    let spent = Spent::since(start, n);
    drop(there);
    partner.await;
    assert_eq!(v, n);
    spent
}

async fn words8<E: Executor, C: Channel>(n: u64, capacity: usize) -> Spent {
    one_to_one::<E, C, u64>(n, capacity).await
}

async fn words64<E: Executor, C: Channel>(n: u64, capacity: usize) -> Spent {
    one_to_one::<E, C, Words64B>(n, capacity).await
}

async fn words1k<E: Executor, C: Channel>(n: u64, capacity: usize) -> Spent {
    one_to_one::<E, C, Words1KiB>(n, capacity).await
}

async fn one_to_one<E: Executor, C: Channel, M: Message>(n: u64, capacity: usize) -> Spent {
    let (mut tx, mut rx) = C::open::<M>(capacity);
    let start = Instant::now();
    let producer = E::spawn(async move {
        let mut message = M::BLANK;
        for i in 0..n {
            message.stamp(i);
            C::send(&mut tx, message).await;
        }
    });
    let (mut count, mut sum) = (0, 0);
    while let Some(message) = C::recv(&mut rx).await {
        count += 1;
        sum += message.number();
    }
    producer.await;
    let spent = Spent::since(start, n);
    assert_eq!((count, sum), (n, sum_below(n)));
    spent
}

async fn many_to_one<E: Executor, C: ManySenders>(
    n: u64,
    producers: u64,
    capacity: usize,
) -> Spent {
    let (tx, rx) = C::open::<u64>(capacity);
    stream::<E, C>(n, producers, tx, vec![rx]).await
}

async fn many_to_many<E: Executor, C: ManyReceivers>(
    n: u64,
    producers: u64,
    consumers: u64,
    capacity: usize,
) -> Spent {
    let (tx, rx) = C::open::<u64>(capacity);
    let mut rxs: Vec<_> = (1..consumers).map(|_| C::another_receiver(&rx)).collect();
    rxs.push(rx);
    stream::<E, C>(n, producers, tx, rxs).await
}

/// Each producer sends the numbers below its share; the consumers together must see all of them.
async fn stream<E: Executor, C: ManySenders>(
    n: u64,
    producers: u64,
    tx: C::Sender<u64>,
    rxs: Vec<C::Receiver<u64>>,
) -> Spent {
    let each = share(n, producers);
    let total = each * producers;
    let start = Instant::now();
    let producing: Vec<_> = (0..producers)
        .map(|_| produce::<E, C>(C::another_sender(&tx), each))
        .collect();
    drop(tx);
    let consuming: Vec<_> = rxs
        .into_iter()
        .map(|mut rx| {
            E::spawn(async move {
                let (mut count, mut sum) = (0, 0);
                while let Some(v) = C::recv(&mut rx).await {
                    count += 1;
                    sum += v;
                }
                (count, sum)
            })
        })
        .collect();
    for task in producing {
        task.await;
    }
    let (mut count, mut sum) = (0, 0);
    for task in consuming {
        let (c, s) = task.await;
        count += c;
        sum += s;
    }
    let spent = Spent::since(start, total);
    assert_eq!((count, sum), (total, producers * sum_below(each)));
    spent
}

fn produce<E: Executor, C: Channel>(mut tx: C::Sender<u64>, count: u64) -> E::Join<()> {
    E::spawn(async move {
        for i in 0..count {
            C::send(&mut tx, i).await;
        }
    })
}

/// Send and receive in one task: nothing ever waits.
async fn local<E: Executor, C: Channel>(n: u64) -> Spent {
    let (mut tx, mut rx) = C::open::<u64>(1);
    let mut sum = 0;
    let start = Instant::now();
    for i in 0..n {
        C::send(&mut tx, i).await;
        sum += C::recv(&mut rx).await.expect("open");
    }
    let spent = Spent::since(start, n);
    assert_eq!(sum, sum_below(n));
    spent
}

/// The prime sieve: a chain of filters that grows by one task and one channel for each prime found.
async fn sieve<E: Executor, C: Channel>(_: u64, capacity: usize) -> Spent {
    let start = Instant::now();
    let (mut candidates, mut rx) = C::open::<u64>(capacity);
    E::detach(E::spawn(async move {
        for i in 2..=SIEVE_END {
            C::send(&mut candidates, i).await;
        }
    }));
    let mut primes = 0;
    while let Some(prime) = C::recv(&mut rx).await {
        primes += 1;
        let (mut passed, next) = C::open::<u64>(capacity);
        let mut input = replace(&mut rx, next);
        E::detach(E::spawn(async move {
            while let Some(v) = C::recv(&mut input).await {
                if v % prime != 0 {
                    C::send(&mut passed, v).await;
                }
            }
        }));
    }
    let spent = Spent::since(start, 1);
    assert_eq!(primes, SIEVE_PRIMES);
    spent
}

/// One number goes round a ring of tasks, one larger after each.
async fn ring<E: Executor, C: Channel>(n: u64, tasks: u64, capacity: usize) -> Spent {
    let laps = share(n, tasks);
    let (mut first, mut rx) = C::open::<u64>(capacity);
    let mut joins = Vec::new();
    for _ in 1..tasks {
        let (mut tx, next) = C::open::<u64>(capacity);
        let mut input = replace(&mut rx, next);
        joins.push(E::spawn(async move {
            for _ in 0..laps {
                let v = C::recv(&mut input).await.expect("open");
                C::send(&mut tx, v + 1).await;
            }
        }));
    }
    // Let all of them park first.
    E::sleep(Duration::from_millis(1)).await;
    let start = Instant::now();
    let mut v = 0;
    for _ in 0..laps {
        C::send(&mut first, v).await;
        v = C::recv(&mut rx).await.expect("open") + 1;
    }
    let spent = Spent::since(start, laps * tasks);
    for join in joins {
        join.await;
    }
    assert_eq!(v, laps * tasks);
    spent
}

/// A thousand tasks send to one.
async fn fan_in<E: Executor, C: ManySenders>(n: u64, tasks: u64, capacity: usize) -> Spent {
    let each = share(n, tasks);
    let (tx, mut rx) = C::open::<u64>(capacity);
    let start = Instant::now();
    for _ in 0..tasks {
        E::detach(produce::<E, C>(C::another_sender(&tx), each));
    }
    drop(tx);
    let (mut count, mut sum) = (0, 0);
    while let Some(v) = C::recv(&mut rx).await {
        count += 1;
        sum += v;
    }
    let spent = Spent::since(start, each * tasks);
    assert_eq!((count, sum), (each * tasks, tasks * sum_below(each)));
    spent
}
