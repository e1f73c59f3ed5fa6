//! C: select between tasks. One operation is one message received, or one look that finds nothing.

use super::{share, sum_below};
use crate::channel::{Channel, Selectable, TokioMpsc};
use crate::executor::{Executor, Tokio, on};
use crate::measure::Spent;
use crate::registry::{ONE, Registry, TWO};
use std::hint::black_box;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

pub fn register(rows: &mut Registry) {
    selectable!(enter!(
        rows,
        repeated,
        "C01_select2_ready_local",
        ONE,
        select2_local()
    ));
    rendezvous_select!(enter!(
        rows,
        repeated,
        "C01_select2_stream_unbuf",
        TWO,
        select2_stream(0)
    ));
    selectable!(enter!(
        rows,
        repeated,
        "C01_select2_stream_buf1",
        TWO,
        select2_stream(1)
    ));
    spsc!(enter!(
        rows,
        repeated,
        "C02_default_miss_1ch",
        ONE,
        default_of_1()
    ));
    spsc!(enter!(
        rows,
        repeated,
        "C02_default_miss_2ch",
        ONE,
        default_of_2()
    ));
    rendezvous_select!(enter!(
        rows,
        repeated,
        "C03_select4_load_unbuf",
        TWO,
        select4_load(0)
    ));
    selectable!(enter!(
        rows,
        repeated,
        "C03_select4_load_buf128",
        TWO,
        select4_load(128)
    ));
    selectable!(enter!(
        rows,
        repeated,
        "C04_select_cancel_stream_buf128",
        TWO,
        stop_stream(128)
    ));
    rows.repeated(
        "C04_select_cancel_stream_buf128",
        "tokio-mpsc-pinned",
        TWO,
        on::<Tokio, _, _>(|n| stop_stream_pinned(n, 128)),
    );
    selectable!(enter!(
        rows,
        repeated,
        "C04_select_cancel_ready_local",
        ONE,
        stop_local()
    ));
}

/// A send to one of two channels in turn, then a select over both, in one task: nothing waits.
async fn select2_local<E: Executor, C: Selectable>(n: u64) -> Spent {
    let (mut atx, mut arx) = C::open::<u64>(1);
    let (mut btx, mut brx) = C::open::<u64>(1);
    let mut sum = 0;
    let start = Instant::now();
    for i in 0..n {
        C::send(if i % 2 == 0 { &mut atx } else { &mut btx }, i).await;
        sum += C::recv_of_2(&mut arx, &mut brx).await.expect("open");
    }
    let spent = Spent::since(start, n);
    assert_eq!(sum, sum_below(n));
    spent
}

/// One task sends to two channels in turn, another selects over both.
async fn select2_stream<E: Executor, C: Selectable>(n: u64, capacity: usize) -> Spent {
    let (mut atx, mut arx) = C::open::<u64>(capacity);
    let (mut btx, mut brx) = C::open::<u64>(capacity);
    let start = Instant::now();
    let producer = E::spawn(async move {
        for i in 0..n {
            C::send(if i % 2 == 0 { &mut atx } else { &mut btx }, i).await;
        }
        // Given back so that neither closes while the other is still read.
        (atx, btx)
    });
    let mut sum = 0;
    for _ in 0..n {
        sum += C::recv_of_2(&mut arx, &mut brx).await.expect("open");
    }
    let spent = Spent::since(start, n);
    producer.await;
    assert_eq!(sum, sum_below(n));
    spent
}

/// A look at one empty channel.
async fn default_of_1<E: Executor, C: Channel>(n: u64) -> Spent {
    let (tx, mut rx) = C::open::<u64>(1);
    let mut misses = 0;
    let start = Instant::now();
    for _ in 0..n {
        misses += u64::from(black_box(C::try_recv(&mut rx)).is_none());
    }
    let spent = Spent::since(start, n);
    drop(tx);
    assert_eq!(misses, n);
    spent
}

/// A look at two empty channels.
async fn default_of_2<E: Executor, C: Channel>(n: u64) -> Spent {
    let (atx, mut arx) = C::open::<u64>(1);
    let (btx, mut brx) = C::open::<u64>(1);
    let mut misses = 0;
    let start = Instant::now();
    for _ in 0..n {
        misses += u64::from(black_box(C::try_recv_either(&mut arx, &mut brx).await).is_none());
    }
    let spent = Spent::since(start, n);
    drop((atx, btx));
    assert_eq!(misses, n);
    spent
}

/// Four tasks each keep a channel busy, a fifth selects over the four.
async fn select4_load<E: Executor, C: Selectable>(n: u64, capacity: usize) -> Spent {
    let each = share(n, 4);
    let mut txs = Vec::new();
    let mut rxs = std::array::from_fn(|_| {
        let (tx, rx) = C::open::<u64>(capacity);
        txs.push(tx);
        rx
    });
    let start = Instant::now();
    let mut producers = Vec::new();
    for mut tx in txs {
        producers.push(E::spawn(async move {
            for i in 0..each {
                C::send(&mut tx, i).await;
            }
            // Given back so that it does not close while the others are still read.
            tx
        }));
    }
    let mut sum = 0;
    for _ in 0..4 * each {
        sum += C::recv_of_4(&mut rxs).await.expect("open");
    }
    let spent = Spent::since(start, 4 * each);
    for producer in producers {
        producer.await;
    }
    assert_eq!(sum, 4 * sum_below(each));
    spent
}

/// One task sends, another receives unless told to stop.
async fn stop_stream<E: Executor, C: Selectable>(n: u64, capacity: usize) -> Spent {
    let (mut tx, mut rx) = C::open::<u64>(capacity);
    let mut stop = C::never_stop();
    let start = Instant::now();
    let producer = E::spawn(async move {
        for i in 0..n {
            C::send(&mut tx, i).await;
        }
    });
    let (mut count, mut sum) = (0, 0);
    while let Some(v) = C::recv_or_stop(&mut rx, &mut stop).await {
        count += 1;
        sum += v;
    }
    let spent = Spent::since(start, n);
    producer.await;
    assert_eq!((count, sum), (n, sum_below(n)));
    spent
}

/// The same with one future of the token, pinned outside the loop.
async fn stop_stream_pinned(n: u64, capacity: usize) -> Spent {
    let (mut tx, mut rx) = TokioMpsc::open::<u64>(capacity);
    let token = CancellationToken::new();
    let start = Instant::now();
    let producer = Tokio::spawn(async move {
        for i in 0..n {
            TokioMpsc::send(&mut tx, i).await;
        }
    });
    let (mut count, mut sum) = (0, 0);
    let mut stop = std::pin::pin!(token.cancelled());
    loop {
        tokio::select! {
            v = rx.recv() => match v {
                Some(v) => {
                    count += 1;
                    sum += v;
                }
                None => break,
            },
            () = &mut stop => panic!("nobody said stop"),
        }
    }
    let spent = Spent::since(start, n);
    producer.await;
    assert_eq!((count, sum), (n, sum_below(n)));
    spent
}

/// Send, then receive unless told to stop, in one task: nothing waits.
async fn stop_local<E: Executor, C: Selectable>(n: u64) -> Spent {
    let (mut tx, mut rx) = C::open::<u64>(1);
    let mut stop = C::never_stop();
    let mut sum = 0;
    let start = Instant::now();
    for i in 0..n {
        C::send(&mut tx, i).await;
        sum += C::recv_or_stop(&mut rx, &mut stop).await.expect("open");
    }
    let spent = Spent::since(start, n);
    assert_eq!(sum, sum_below(n));
    spent
}
