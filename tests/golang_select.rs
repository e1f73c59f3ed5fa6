//! What Go's own tests of `select` check, checked of `select!`, its twin for threads and its dynamic twin: one module for
//! each file or function, named as in Go, its path in Go's tree above it. The behaviours are Go's, the code is not.
//!
//! "Blocks for ever" is shown by a poll that is pending with nothing left that could wake it, never by waiting a while.

#![cfg(feature = "rt")]

mod common;

use common::waker::{blocks, now};
use common::{Place, Tally, everywhere, watch};
use gochan::{Receiver, RecvError, SendError, Sender, chan, never, select, select_blocking};
use std::cell::Cell;

#[global_allocator]
static COUNTING: common::alloc::Counting = common::alloc::Counting;

// test/chan/doubleselect.go
mod doubleselect {
    use super::*;

    /// Sends each number by exactly one of four arms.
    async fn sender(n: usize, tx: [Sender<usize>; 4]) {
        for i in 0..n {
            select! {
                r = tx[0].send(i) => r.unwrap(),
                r = tx[1].send(i) => r.unwrap(),
                r = tx[2].send(i) => r.unwrap(),
                r = tx[3].send(i) => r.unwrap(),
            }
        }
    }

    async fn mux(out: Sender<usize>, from: Receiver<usize>) {
        while let Ok(v) = from.recv().await {
            out.send(v).await.unwrap();
        }
    }

    /// If one select ever committed two arms, a number would arrive twice.
    async fn body(place: Place) {
        let n = place.scale(30_000, 10_000);
        let [(a, w), (b, x), (c, y), (d, z)] = [(); 4].map(|()| chan(0));
        let (out, all) = chan(0);
        place.go(sender(n, [a, b, c, d]));
        for rx in [w, x, y, z] {
            place.go(mux(out.clone(), rx));
        }
        drop(out);
        let mut seen = vec![false; n];
        while let Ok(v) = all.recv().await {
            assert!(!std::mem::replace(&mut seen[v], true), "{v} came twice");
        }
        assert!(seen.iter().all(|s| *s), "a number is lost");
    }
    everywhere!(body);

    /// The same with the select that blocks a thread.
    #[test]
    fn blocking() {
        watch(|| {
            const N: usize = 10_000;
            let (a, w) = chan(0);
            let (b, x) = chan(0);
            let (out, all) = chan(0);
            std::thread::scope(|s| {
                s.spawn(move || {
                    for i in 0..N {
                        select_blocking! {
                            r = a.send(i) => r.unwrap(),
                            r = b.send(i) => r.unwrap(),
                        }
                    }
                });
                for rx in [w, x] {
                    let out = out.clone();
                    s.spawn(move || rx.into_iter().for_each(|v| out.send_blocking(v).unwrap()));
                }
                drop(out);
                let mut seen = vec![false; N];
                for v in all {
                    assert!(!std::mem::replace(&mut seen[v], true), "{v} came twice");
                }
                assert!(seen.iter().all(|s| *s), "a number is lost");
            });
        });
    }
}

// test/chan/select.go
mod select_go {
    use super::*;

    /// A counter that is asked for a value, or for how far to shift, each time a select is entered.
    #[derive(Default)]
    struct Asked {
        values: Cell<u32>,
        shifts: Cell<u32>,
    }

    impl Asked {
        fn value(&self) -> u32 {
            self.values.set(self.values.get() + 1);
            1 << (11 - self.values.get())
        }
    }

    /// The arm of a channel that may be nil; the value is an argument, so it is computed either way.
    fn arm(tx: Option<&Sender<u32>>, v: u32) -> Option<chan::SendFuture<'_, u32>> {
        tx.map(|tx| tx.send(v))
    }

    /// Values are computed once for each select, also for a channel that has become nil; a nil arm never runs.
    #[test]
    fn values_of_nil_arms() {
        let asked = Asked::default();
        let (tx, rx) = chan::<u32>(1024);
        let (mut a, mut b) = (Some(&tx), Some(&tx));
        let (mut sends, mut selects) = (0, 0);
        loop {
            let ran = now(async {
                select! {
                    r = arm(a, asked.value()) => { r.unwrap(); Some('a') }
                    r = arm(b, asked.value()) => { r.unwrap(); Some('b') }
                    default => None,
                }
            });
            selects += 1;
            match ran {
                Some('a') => a = None,
                Some(_) => b = None,
                None => break,
            }
            sends += 1;
            asked.shifts.set(asked.shifts.get() + 1);
        }
        assert_eq!((sends, selects), (2, 3), "each arm once, then none");
        assert_eq!(asked.values.get(), 2 * selects);
        assert_eq!(asked.shifts.get(), 2);
        assert_eq!(rx.len(), 2);
    }

    /// Every sent value is received, whichever arm carried it, and the sum tells.
    async fn shifted_sum(place: Place) {
        let (tx, rx) = chan::<u32>(0);
        let sum = place.go(async move {
            let mut sum = 0;
            while let Ok(v) = rx.recv().await {
                sum += v;
            }
            sum
        });
        let (mut a, mut b) = (Some(tx.clone()), Some(tx));
        let mut end = 0;
        for bit in 0..10 {
            end = bit + 1;
            select! {
                r = a.as_ref().map(|tx| tx.send(1 << bit)) => { r.unwrap(); if bit == 5 { a = None } }
                r = b.as_ref().map(|tx| tx.send(1 << bit)) => { r.unwrap(); if bit == 6 { b = None } }
            }
            if a.is_none() && b.is_none() {
                break;
            }
        }
        drop((a, b));
        assert_eq!(sum.join().await, (1 << end) - 1);
    }
    everywhere!(shifted_sum);
}

// test/chan/select2.go
mod select2 {
    use super::*;
    use common::alloc;

    async fn sender(n: usize, tx: Sender<usize>) {
        for _ in 0..n {
            tx.send(1).await.unwrap();
        }
    }

    async fn receiver(n: usize, rx: &Receiver<usize>, dummy: &Receiver<usize>) {
        for _ in 0..n {
            select! {
                v = rx.recv() => _ = v.unwrap(),
                _ = dummy.recv() => panic!("dummy"),
            }
        }
    }

    /// A hundred thousand selects with an arm that is never ready leave nothing at its channel. Both sides run on one
    /// thread, so its allocator's count is the whole truth.
    #[test]
    fn no_leak() {
        watch(|| {
            let (tx, rx) = chan(0);
            let (silent, dummy) = chan(0);
            let turn = |n| {
                let tx = tx.clone();
                gochan::block_on(async {
                    futures::join!(sender(n, tx), receiver(n, &rx, &dummy));
                });
            };
            turn(1_000);
            let before = (alloc::bytes(), alloc::calls());
            turn(100_000);
            let (bytes, calls) = (alloc::bytes() - before.0, alloc::calls() - before.1);
            assert!(bytes <= 4096, "{bytes} bytes are left behind");
            assert!(calls < 1_000, "{calls} allocations in 100,000 selects");
            drop(silent);
        });
    }
}

// test/chan/select3.go
mod select3 {
    use super::*;

    fn closed() -> (Sender<i32>, Receiver<i32>) {
        let (tx, rx) = chan(0);
        tx.close();
        (tx, rx)
    }

    /// A nil channel to send on.
    fn nil(tx: &Sender<i32>) -> Option<chan::SendFuture<'_, i32>> {
        false.then(|| tx.send(7))
    }

    #[test]
    fn nil_channel() {
        let (tx, _rx) = chan::<i32>(1);
        let nilch = never::<i32>();
        blocks(nilch.recv());
        blocks(async {
            select! { r = nil(&tx) => _ = r }
        });
        blocks(async {
            select! { _ = nilch.recv() => unreachable!() }
        });
        blocks(async {
            select! { _ = nilch.recv() => unreachable!(), r = nil(&tx) => _ = r }
        });
        now(async {
            select! { _ = nil(&tx) => unreachable!(), default => {} }
        });
        now(async {
            select! { _ = nilch.recv() => unreachable!(), default => {} }
        });
    }

    #[test]
    fn buffered_send() {
        let (tx, _rx) = chan(1);
        now(tx.send(7)).unwrap();
        blocks(tx.send(8));
    }

    #[test]
    fn closed_channel() {
        let (tx, rx) = closed();
        for _ in 0..10 {
            assert_eq!(now(rx.recv()), Err(RecvError));
        }
        // Go panics; here the value comes back.
        assert_eq!(now(tx.send(7)), Err(SendError(7)));
        now(async {
            select! { _ = rx.recv() => {} }
        });
        now(async {
            select! { r = rx.recv() => assert_eq!(r, Err(RecvError)) }
        });
        now(async {
            select! { r = tx.send(7) => assert_eq!(r, Err(SendError(7))) }
        });
    }

    #[test]
    fn nothing_ready() {
        let (tx, rx) = chan::<i32>(0);
        blocks(rx.recv());
        blocks(tx.send(1));
        blocks(async {
            select! { _ = rx.recv() => unreachable!() }
        });
        blocks(async {
            select! { _ = tx.send(1) => unreachable!() }
        });
    }

    /// Go's `select {}`: with every arm guarded off or nil there is nothing that could end it.
    #[test]
    fn no_cases() {
        let rx = never::<i32>();
        let nothing = || None::<chan::RecvFuture<'_, i32>>;
        blocks(async {
            select! { _ = nothing() => unreachable!() }
        });
        blocks(async {
            select! { _ = rx.recv(), if false => unreachable!() }
        });
        blocks(std::future::pending::<()>());
    }

    #[test]
    fn default_never_blocks() {
        assert!(now(async {
            select! { default => true }
        }));
        let (tx, rx) = chan::<i32>(1);
        now(async {
            select! { r = tx.send(7) => r.unwrap(), default => unreachable!() }
        });
        now(async {
            select! { r = rx.recv() => assert_eq!(r, Ok(7)), default => unreachable!() }
        });
        now(async {
            select! { _ = rx.recv() => unreachable!(), default => {} }
        });
    }

    /// A select that sends and receives on one channel does not meet itself.
    #[test]
    fn sees_itself() {
        let (tx, rx) = chan::<i32>(0);
        blocks(async {
            select! { _ = tx.send(1) => unreachable!(), _ = rx.recv() => unreachable!() }
        });
        blocks(async {
            select! { _ = rx.recv() => unreachable!(), _ = tx.send(1) => unreachable!() }
        });
        assert!(rx.is_empty());
    }

    /// What the thread's form answers where Go's never blocks.
    #[test]
    fn blocking() {
        watch(|| {
            let (tx, rx) = closed();
            select_blocking! { r = rx.recv() => assert_eq!(r, Err(RecvError)) }
            select_blocking! { r = tx.send(7) => assert_eq!(r, Err(SendError(7))) }
            select_blocking! { default => {} }
            let (tx, rx) = chan(1);
            select_blocking! { r = tx.send(7) => r.unwrap(), default => unreachable!() }
            select_blocking! { _ = tx.send(8) => unreachable!(), default => {} }
            select_blocking! { r = rx.recv() => assert_eq!(r, Ok(7)), default => unreachable!() }
            select_blocking! { _ = rx.recv() => unreachable!(), default => {} }
        });
    }
}

// test/chan/select4.go
mod select4 {
    use super::*;

    /// What stands on the left of a case is evaluated only if that case was chosen.
    async fn body(_: Place) {
        let (tx, rx) = chan::<i32>(1);
        let (_dummy, dummy) = chan::<i32>(1);
        tx.send(42).await.unwrap();
        let mut place = [0];
        let mut chosen = 0;
        let mut left = |i: usize| {
            chosen += 1;
            i
        };
        select! {
            v = dummy.recv() => place[left(99)] = v.unwrap(),
            v = rx.recv() => place[left(0)] = v.unwrap(),
        }
        assert_eq!((place, chosen), ([42], 1));
    }
    everywhere!(body);
}

// test/chan/select5.go
mod select5 {
    use super::*;

    /// Fails unless the calls come with rising numbers.
    struct Order(Cell<u32>);

    impl Order {
        fn at<T>(&self, n: u32, value: T) -> T {
            assert!(n > self.0.get(), "{n} after {}", self.0.get());
            self.0.set(n);
            value
        }
    }

    /// `emit!(what { chosen arms } [optional arms] ...)`: the statement `what` once for every subset of the optional arms,
    /// as Go's generator writes them out.
    macro_rules! emit {
        ($what:ident { $($arms:tt)* }) => {
            $what! { $($arms)* }
        };
        ($what:ident { $($arms:tt)* } [ $($arm:tt)* ] $($rest:tt)*) => {
            emit!($what { $($arms)* } $($rest)*);
            emit!($what { $($arms)* $($arm)* } $($rest)*);
        };
    }

    /// One receive that is ready, with every mix of arms around it that are not.
    #[test]
    fn recv() {
        let (tx, rx) = chan::<u32>(1);
        let (dummy_tx, dummy_rx) = chan::<u32>(0);
        let nil = never::<u32>();
        let order = Order(Cell::new(0));
        let mut n = 0;
        let mut map = std::collections::HashMap::new();
        macro_rules! shape {
            ($($arms:tt)*) => {
                n += 1;
                order.0.set(0);
                now(tx.send(n)).unwrap();
                let x = now(async { select! { $($arms)* } });
                assert_eq!(x, n);
                assert!(rx.is_empty() && dummy_rx.is_empty());
            };
        }
        emit!(shape { y = order.at(1, &rx).recv() => y.unwrap(), }
            [default => panic!("nonblock"),]
            [_ = order.at(2, &dummy_tx).send(order.at(3, 1)) => panic!("dummy send"),]
            [_ = order.at(4, &dummy_rx).recv() => panic!("dummy receive"),]
            [_ = order.at(5, false).then(|| dummy_tx.send(1)) => panic!("nil send"),]
            [_ = order.at(6, &nil).recv() => panic!("nil receive"),]);
        // The chosen arm behind others, its value into a map: the left side's index is computed last.
        emit!(shape {
                _ = order.at(1, &dummy_tx).send(order.at(2, 1)) => panic!("dummy send"),
                _ = order.at(3, &dummy_rx).recv() => panic!("dummy receive"),
                y = order.at(4, &rx).recv() => { map.insert(order.at(9, 13), y.unwrap()); map[&13] }
            }
            [_ = order.at(5, false).then(|| dummy_tx.send(1)) => panic!("nil send"),]
            [_ = order.at(6, &nil).recv() => panic!("nil receive"),]
            [default => panic!("nonblock"),]);
    }

    /// One send that is ready, with every mix of arms around it that are not.
    #[test]
    fn send() {
        let (tx, rx) = chan::<u32>(1);
        let (dummy_tx, dummy_rx) = chan::<u32>(0);
        let nil = never::<u32>();
        let order = Order(Cell::new(0));
        let mut n = 0;
        macro_rules! shape {
            ($($arms:tt)*) => {
                n += 1;
                order.0.set(0);
                now(async { select! { $($arms)* } });
                assert_eq!(now(rx.recv()), Ok(n));
                assert!(rx.is_empty() && dummy_rx.is_empty());
            };
        }
        emit!(shape { r = order.at(1, &tx).send(order.at(2, n)) => r.unwrap(), }
            [_ = order.at(3, &dummy_tx).send(order.at(4, 1)) => panic!("dummy send"),]
            [_ = order.at(5, &dummy_rx).recv() => panic!("dummy receive"),]
            [_ = order.at(6, false).then(|| dummy_tx.send(1)) => panic!("nil send"),]
            [_ = order.at(7, &nil).recv() => panic!("nil receive"),]
            [default => panic!("nonblock"),]);
    }

    /// Nothing ready: the default runs, and nothing outside is touched.
    #[test]
    fn nonblock() {
        let (dummy_tx, dummy_rx) = chan::<u32>(0);
        let nil = never::<u32>();
        let mut x = 7;
        macro_rules! shape {
            ($($arms:tt)*) => {
                assert!(now(async { select! { $($arms)* default => true, } }));
                assert_eq!(x, 7);
            };
        }
        emit!(shape {}
            [_ = dummy_tx.send(1) => panic!("dummy send"),]
            [_ = false.then(|| dummy_tx.send(1)) => panic!("nil send"),]
            [_ = dummy_rx.recv() => panic!("dummy receive"),]
            [y = dummy_rx.recv() => { x = y.unwrap(); false }]
            [y = nil.recv() => { x = y.unwrap(); false }]);
        x += 1;
        assert_eq!(x, 8);
    }
}

// test/chan/select6.go
mod select6 {
    use super::*;
    use tokio_test::{assert_pending, assert_ready_eq, task};

    /// Go's issue 2075: a select that loses while it is the last in a queue must leave that queue whole, so that those
    /// who queue up after it are woken.
    async fn body(place: Place) {
        let (c1, r1) = chan::<bool>(0);
        let (c2, r2) = chan::<bool>(0);
        let (c3, r3) = chan::<bool>(0);
        let first = r1.clone();
        place.go(async move { first.recv().await.unwrap() });
        place.go(async move {
            // Go's version queues on c1 here too, but may lose to the first receiver only by luck.
            select! {
                _ = async_never(&r1) => panic!("dummy"),
                v = r2.recv() => c3.send(v.unwrap()).await.unwrap(),
            }
            r1.recv().await.unwrap();
        });
        place.go(async move { c2.send(true).await.unwrap() });
        r3.recv().await.unwrap();
        c1.send(true).await.unwrap();
        c1.send(true).await.unwrap();
    }

    /// An arm that queues on `rx`'s channel; nobody sends there before the select is over.
    fn async_never(rx: &Receiver<bool>) -> chan::RecvFuture<'_, bool> {
        rx.recv()
    }
    everywhere!(body);

    /// The same by polls, so that the loser surely is last in the queue.
    #[test]
    fn by_polls() {
        let (c1, r1) = chan::<u8>(0);
        let (c2, r2) = chan::<u8>(0);
        let mut first = task::spawn(r1.recv());
        assert_pending!(first.poll());
        let mut select = task::spawn(async {
            select! { _ = r1.recv() => panic!("dummy"), v = r2.recv() => v.unwrap() }
        });
        assert_pending!(select.poll());
        c2.try_send(9).unwrap();
        assert!(select.is_woken());
        assert_ready_eq!(select.poll(), 9);
        let mut last = task::spawn(r1.recv());
        assert_pending!(last.poll());
        c1.try_send(1).unwrap();
        c1.try_send(2).unwrap();
        assert!(c1.try_send(3).is_err());
        assert_ready_eq!(first.poll(), Ok(1));
        assert_ready_eq!(last.poll(), Ok(2));
    }
}

// test/chan/select7.go
mod select7 {
    use super::*;

    async fn recv(form: usize, rx: Receiver<i32>) {
        let other = never::<i32>();
        match form {
            0 => drop(rx.recv().await.unwrap()),
            1 => select! { _ = rx.recv() => {} },
            _ => select! { _ = rx.recv() => {}, _ = other.recv() => unreachable!() },
        }
    }

    async fn send(form: usize, tx: Sender<i32>) {
        let (other, _keep) = chan(0);
        match form {
            0 => tx.send(1).await.unwrap(),
            1 => select! { r = tx.send(1) => r.unwrap() },
            _ => select! { r = tx.send(1) => r.unwrap(), _ = other.send(1) => unreachable!() },
        }
    }

    /// Every form of send meets every form of receive that throws the value away.
    async fn body(place: Place) {
        for receiving in 0..3 {
            for sending in 0..3 {
                let (tx, rx) = chan(0);
                let receiver = place.go(recv(receiving, rx));
                place.pause().await;
                send(sending, tx).await;
                receiver.join().await;
            }
        }
    }
    everywhere!(body);
}

// test/chan/select8.go
mod select8 {
    use super::*;

    /// `break` leaves what surrounds the select, from any of its bodies, for one, two and three arms.
    async fn body(place: Place) {
        let (tx, rx) = chan(0);
        let (own, theirs) = (tx.clone(), rx.clone());
        let feeder = place.go(async move { while tx.send(5).await.is_ok() {} });
        #[allow(unreachable_code, clippy::never_loop)]
        {
            'one: {
                select! {
                    _ = rx.recv() => {
                        break 'one;
                        panic!("after break");
                    }
                }
                panic!("after break");
            }
            'none: {
                select! {
                    default => {
                        break 'none;
                        panic!("after break");
                    }
                }
                panic!("after break");
            }
            loop {
                select! {
                    _ = rx.recv() => {
                        break;
                        panic!("after break");
                    }
                    default => {
                        break;
                        panic!("after break");
                    }
                }
                panic!("after break");
            }
            'two: loop {
                select! {
                    _ = rx.recv() => {
                        break 'two;
                        panic!("after break");
                    }
                    _ = own.send(10), if false => panic!("guarded off"),
                    default => {
                        break 'two;
                        panic!("after break");
                    }
                }
                panic!("after break");
            }
        }
        theirs.close();
        feeder.join().await;
    }
    everywhere!(body);
}

// test/chanlinear.go
mod chanlinear {
    use super::*;
    use std::pin::Pin;

    const WAITERS: usize = 30_000;

    type Waiting<'a> = Pin<Box<dyn Future<Output = bool> + 'a>>;

    fn waiting<'a>(shared: &'a Receiver<bool>, own: &'a Receiver<bool>) -> Waiting<'a> {
        Box::pin(async move {
            select! { _ = shared.recv() => false, r = own.recv() => r.is_ok() }
        })
    }

    /// Very many selects queue on one channel; each is then taken out of the middle of that queue, as loser or because it
    /// is dropped. With a search for its place this takes minutes instead of a moment.
    #[test]
    fn dequeue_from_the_middle() {
        let (tx, shared) = chan::<bool>(0);
        let own: Vec<_> = (0..WAITERS).map(|_| chan::<bool>(0)).collect();
        let mut selects: Vec<_> = own.iter().map(|(_, rx)| waiting(&shared, rx)).collect();
        for s in &mut selects {
            assert!(common::waker::poll_once(s.as_mut()).is_pending());
        }
        // A stride that is prime to the count reaches each of them, never in the order of the queue.
        let scattered = (0..WAITERS).map(|i| i * 7919 % WAITERS);
        for i in scattered {
            if i % 2 == 0 {
                own[i].0.try_send(true).unwrap();
                assert!(now(selects[i].as_mut()));
            } else {
                selects[i] = Box::pin(std::future::ready(true));
            }
        }
        assert!(tx.try_send(true).is_err(), "someone is still queued");
    }

    /// Go's own form: every goroutine queues again and again on the shared channel and is woken by its own.
    async fn body(place: Place) {
        let n = place.scale(1_000, 100);
        let (keep, shared) = chan::<bool>(0);
        let own: Vec<Sender<bool>> = (0..n)
            .map(|_| {
                let (tx, rx) = chan(0);
                let shared = shared.clone();
                place.go(async move {
                    for _ in 0..10 {
                        select! { _ = shared.recv() => unreachable!(), r = rx.recv() => { r.unwrap(); } }
                    }
                });
                tx
            })
            .collect();
        for _ in 0..10 {
            for tx in &own {
                tx.send(true).await.unwrap();
            }
        }
        drop(keep);
    }
    everywhere!(body);
}

// src/runtime/chan_test.go: TestNonblockSelectRace, TestNonblockSelectRace2
mod nonblock_select_race {
    use super::*;

    /// From the other's start on, at least one of two channels is ready: a select that never shows its default has looked
    /// at both at one instant.
    async fn race(place: Place, by_close: bool) {
        for _ in 0..place.scale(10_000, 500) {
            let (c1, r1) = chan(1);
            let (c2, r2) = chan(1);
            c1.try_send(1).unwrap();
            let (theirs1, theirs2) = (r1.clone(), r2.clone());
            let other = place.go(async move {
                select! {
                    _ = theirs1.recv() => true,
                    _ = theirs2.recv() => true,
                    default => false,
                }
            });
            if by_close {
                c2.close();
            } else {
                c2.try_send(1).unwrap();
            }
            select! { _ = r1.recv() => {}, default => {} }
            assert!(other.join().await, "no channel was ready");
            drop(r2);
        }
    }

    mod send {
        use super::*;
        async fn body(place: Place) {
            race(place, false).await;
        }
        everywhere!(body);
    }

    mod close {
        use super::*;
        async fn body(place: Place) {
            race(place, true).await;
        }
        everywhere!(body);
    }

    /// The same for the form of plain threads: two threads in lockstep over channels.
    #[test]
    fn blocking() {
        watch(|| {
            type Pair = (Receiver<u8>, Receiver<u8>);
            let (give, given) = chan::<Pair>(0);
            let (answer, answers) = chan::<bool>(0);
            let other = std::thread::spawn(move || {
                for (r1, r2) in given {
                    let ready = select_blocking! {
                        _ = r1.recv() => true,
                        _ = r2.recv() => true,
                        default => false,
                    };
                    answer.send_blocking(ready).unwrap();
                }
            });
            for _ in 0..10_000 {
                let (c1, r1) = chan(1);
                let (c2, r2) = chan(1);
                c1.try_send(1).unwrap();
                give.send_blocking((r1.clone(), r2)).unwrap();
                c2.try_send(1).ok();
                r1.try_recv().ok();
                assert!(answers.recv_blocking().unwrap());
            }
            drop(give);
            other.join().unwrap();
        });
    }
}

// src/runtime/chan_test.go: TestSelfSelect
mod self_select {
    use super::*;

    /// Two goroutines that each select to send and to receive on one channel: neither meets itself, none deadlocks.
    async fn body(place: Place) {
        for cap in [0, 10] {
            let (tx, rx) = chan::<usize>(cap);
            let two: Vec<_> = (0..2)
                .map(|p| {
                    let (tx, rx) = (tx.clone(), rx.clone());
                    let n = place.scale(2_000, 1_000);
                    place.go(async move {
                        for i in 0..n {
                            let got = if p == 0 || i % 2 == 0 {
                                select! { r = tx.send(p) => { r.unwrap(); None } v = rx.recv() => v.ok() }
                            } else {
                                select! { v = rx.recv() => v.ok(), r = tx.send(p) => { r.unwrap(); None } }
                            };
                            assert!(cap > 0 || got != Some(p), "met itself");
                        }
                    })
                })
                .collect();
            for one in two {
                one.join().await;
            }
        }
    }
    everywhere!(body);
}

// src/runtime/chan_test.go: TestSelectStress
mod select_stress {
    use super::*;

    const CAPS: [usize; 4] = [0, 0, 2, 3];

    async fn select_send(n: usize, tx: [Sender<usize>; 4]) {
        let mut left = [n; 4];
        while left != [0; 4] {
            let i = select! {
                r = (left[3] > 0).then(|| tx[3].send(0)) => { r.unwrap(); 3 }
                r = (left[2] > 0).then(|| tx[2].send(0)) => { r.unwrap(); 2 }
                r = (left[0] > 0).then(|| tx[0].send(0)) => { r.unwrap(); 0 }
                r = (left[1] > 0).then(|| tx[1].send(0)) => { r.unwrap(); 1 }
            };
            left[i] -= 1;
        }
    }

    async fn select_recv(n: usize, rx: [Receiver<usize>; 4]) {
        let mut left = [n; 4];
        while left != [0; 4] {
            let i = select! {
                v = rx[0].recv(), if left[0] > 0 => { v.unwrap(); 0 }
                v = rx[1].recv(), if left[1] > 0 => { v.unwrap(); 1 }
                v = rx[2].recv(), if left[2] > 0 => { v.unwrap(); 2 }
                v = rx[3].recv(), if left[3] > 0 => { v.unwrap(); 3 }
            };
            left[i] -= 1;
        }
    }

    /// Four senders and four receivers, one sender and one receiver that select over all four channels: the numbers add
    /// up, so all of it ends.
    async fn body(place: Place) {
        let n = place.scale(5_000, 2_000);
        let [(a, w), (b, x), (c, y), (d, z)] = CAPS.map(chan);
        let (tx, rx) = ([a, b, c, d], [w, x, y, z]);
        for tx in tx.clone() {
            place.go(async move {
                for _ in 0..n {
                    tx.send(0).await.unwrap();
                }
            });
        }
        let direct: Vec<_> = rx
            .clone()
            .into_iter()
            .map(|rx| {
                place.go(async move {
                    for _ in 0..n {
                        rx.recv().await.unwrap();
                    }
                })
            })
            .collect();
        place.go(select_send(n, tx.clone()));
        let selecting = place.go(select_recv(n, rx.clone()));
        for one in direct {
            one.join().await;
        }
        selecting.join().await;
        assert!(rx.iter().all(Receiver::is_empty));
        drop(tx);
    }
    everywhere!(body);
}

// src/runtime/chan_test.go: TestSelectFairness
mod select_fairness {
    use super::*;

    const TRIALS: usize = 10_000;

    /// Of two channels that are always ready each is chosen about half the time, with two that never are beside them: a
    /// deviation of ten sigma fails.
    async fn body(place: Place) {
        let (c1, r1) = chan::<u8>(TRIALS + 1);
        let (c2, r2) = chan::<u8>(TRIALS + 1);
        for _ in 0..=TRIALS {
            c1.try_send(1).unwrap();
            c2.try_send(2).unwrap();
        }
        let (r3, r4) = (never::<u8>(), never::<u8>());
        let (out, chosen) = chan::<u8>(0);
        let (done, quit) = chan::<()>(0);
        let chooser = place.go(async move {
            loop {
                let b = select! {
                    b = r3.recv() => b,
                    b = r4.recv() => b,
                    b = r1.recv() => b,
                    b = r2.recv() => b,
                };
                select! {
                    r = out.send(b.unwrap()) => r.unwrap(),
                    _ = quit.recv() => return,
                }
            }
        });
        let mut count = [0_usize; 3];
        for _ in 0..TRIALS {
            count[chosen.recv().await.unwrap() as usize] += 1;
        }
        drop(done);
        chooser.join().await;
        let sigma = (TRIALS as f64 * 0.25).sqrt();
        let off = (count[1] as f64 - TRIALS as f64 / 2.0).abs();
        assert!(off <= 10.0 * sigma, "unfair: {count:?}");
    }
    everywhere!(body);
}

// src/runtime/chan_test.go: TestPseudoRandomSend
mod pseudo_random_send {
    use super::*;

    /// Which of two sends on one channel a select takes is random: both values appear.
    async fn body(place: Place) {
        const N: usize = 100;
        for cap in [0, N] {
            let (tx, rx) = chan::<usize>(cap);
            let at = place.clone();
            let ones = place.go(async move {
                let mut ones = 0;
                for _ in 0..N {
                    at.pause().await;
                    ones += rx.recv().await.unwrap();
                }
                ones
            });
            for _ in 0..N {
                select! { r = tx.send(1) => r.unwrap(), r = tx.send(0) => r.unwrap() }
            }
            // Below a tenth has a chance of less than 2e-17 with a fair coin.
            let ones = ones.join().await;
            assert!((N / 10..=N - N / 10).contains(&ones), "{ones} ones of {N}");
        }
    }
    everywhere!(body);
}

// src/runtime/chan_test.go: TestSelectDuplicateChannel
mod select_duplicate_channel {
    use super::*;
    use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task};

    /// A select that stands in one queue twice leaves both places when a third channel wakes it, and the receiver behind
    /// it is reached.
    #[test]
    fn both_places_are_left() {
        let (c, rc) = chan::<u8>(0);
        let (d, rd) = chan::<u8>(0);
        let mut a = task::spawn(async {
            select! {
                _ = rc.recv() => 'c',
                _ = rc.recv() => 'c',
                _ = rd.recv() => 'd',
            }
        });
        assert_pending!(a.poll());
        let mut b = task::spawn(rc.recv());
        assert_pending!(b.poll());
        d.try_send(7).unwrap();
        assert!(a.is_woken() && !b.is_woken());
        assert_ready_eq!(a.poll(), 'd');
        c.try_send(8).unwrap();
        assert!(b.is_woken());
        assert_ready_eq!(b.poll(), Ok(8));
    }

    /// Two sends to it: the first wakes the select, the second goes to the receiver behind, not to its other place.
    #[test]
    fn second_place_is_passed_over() {
        let (c, rc) = chan::<u8>(0);
        let mut a = task::spawn(async {
            select! { v = rc.recv() => v, v = rc.recv() => v }
        });
        assert_pending!(a.poll());
        let mut b = task::spawn(rc.recv());
        assert_pending!(b.poll());
        c.try_send(1).unwrap();
        c.try_send(2).unwrap();
        assert_ready_eq!(a.poll(), Ok(1));
        assert_ready_eq!(b.poll(), Ok(2));
    }

    /// The same for sends: the value of one of its two places arrives, once.
    #[test]
    fn two_sends() {
        let (c, rc) = chan::<u8>(0);
        let mut a = task::spawn(async {
            select! { r = c.send(1) => (1, r), r = c.send(2) => (2, r) }
        });
        assert_pending!(a.poll());
        let got = rc.try_recv().unwrap();
        let (sent, result) = assert_ready!(a.poll());
        assert_eq!((sent, result), (got, Ok(())));
        assert!(rc.try_recv().is_err());
    }

    /// Go's own form.
    async fn body(place: Place) {
        let (c, rc) = chan::<u8>(0);
        let (d, rd) = chan::<u8>(0);
        let (e, re) = chan::<u8>(0);
        let rc2 = rc.clone();
        place.go(async move {
            select! {
                _ = rc.recv() => panic!("nobody sends on c yet"),
                _ = rc.recv() => panic!("nobody sends on c yet"),
                v = rd.recv() => e.send(v.unwrap()).await.unwrap(),
            }
        });
        place.pause().await;
        let b = place.go(async move { rc2.recv().await });
        place.pause().await;
        d.send(7).await.unwrap();
        assert_eq!(re.recv().await, Ok(7));
        c.send(8).await.unwrap();
        assert_eq!(b.join().await, Ok(8));
    }
    everywhere!(body);
}

// src/runtime/proc_test.go: TestTimerFairness, TestTimerFairness2
mod timer_fairness {
    use super::*;
    use gochan::after;
    use std::time::Duration;

    /// Two goroutines that never let a select starve for values do not keep its timer from firing.
    async fn against_senders(place: Place) {
        let (tx, rx) = chan::<bool>(0);
        let (done, quit) = chan::<()>(0);
        for _ in 0..2 {
            let (tx, quit) = (tx.clone(), quit.clone());
            place.go(async move {
                loop {
                    select! { r = tx.send(true) => _ = r, _ = quit.recv() => return }
                }
            });
        }
        let timer = after(Duration::from_millis(20));
        loop {
            select! {
                v = rx.recv() => _ = v.unwrap(),
                at = timer.recv() => { at.unwrap(); break }
            }
        }
        drop(done);
    }

    /// Each of two that keep each other busy sees its own timer.
    async fn against_each_other(place: Place) {
        let (tx, rx) = chan::<bool>(0);
        let two: Vec<_> = (0..2)
            .map(|_| {
                let (tx, rx) = (tx.clone(), rx.clone());
                place.go(async move {
                    let timer = after(Duration::from_millis(20));
                    loop {
                        select! {
                            r = tx.send(true) => r.unwrap(),
                            v = rx.recv() => _ = v.unwrap(),
                            at = timer.recv() => { at.unwrap(); return }
                        }
                    }
                })
            })
            .collect();
        for one in two {
            one.join().await;
        }
    }

    mod senders {
        use super::*;
        everywhere!(against_senders);
    }

    mod each_other {
        use super::*;
        everywhere!(against_each_other);
    }
}

// src/reflect/all_test.go: TestSelect, TestSelectMaxCases, TestSelectNop
mod reflect_select {
    use super::*;
    use common::Rng;
    use common::waker::poll_once;
    use gochan::SelectList;

    /// How an arm stands before the select.
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Arm {
        Recv,
        RecvReady,
        RecvClosed,
        Send,
        SendReady,
        SendClosed,
    }
    use Arm::*;

    const ALL: [Arm; 6] = [Recv, RecvReady, RecvClosed, Send, SendReady, SendClosed];

    /// A channel in the state that the arm needs.
    fn channel(arm: Arm, i: usize) -> (Sender<usize>, Receiver<usize>) {
        let (tx, rx) = chan(usize::from(matches!(arm, RecvReady | SendReady)));
        match arm {
            RecvReady => tx.try_send(i).unwrap(),
            RecvClosed | SendClosed => drop(tx.close()),
            _ => {}
        }
        (tx, rx)
    }

    /// What came of an arm.
    #[derive(PartialEq, Debug)]
    enum Outcome {
        Received(Result<usize, RecvError>),
        Sent(Result<(), SendError<usize>>),
    }
    use Outcome::*;

    /// Random lists: one that is ready is chosen, and does what it says; with none ready the first that becomes so.
    #[test]
    fn random() {
        let mut rng = Rng::new(4);
        for round in 0..3_000 {
            let arms: Vec<Arm> = (0..=rng.below(8)).map(|_| ALL[rng.below(6)]).collect();
            let blocked = |arm: Arm| matches!(arm, Recv | Send);
            let channels: Vec<_> = arms
                .iter()
                .enumerate()
                .map(|(i, a)| channel(*a, i))
                .collect();
            let mut list = SelectList::new();
            for (i, (arm, (tx, rx))) in arms.iter().zip(&channels).enumerate() {
                match arm {
                    Recv | RecvReady | RecvClosed => list.push_map(rx.recv(), Received),
                    Send | SendReady | SendClosed => list.push_map(tx.send(i + 100), Sent),
                };
            }
            let (i, outcome) = if arms.iter().all(|a| blocked(*a)) {
                assert!(list.try_next().is_none());
                let mut next = Box::pin(list.next());
                assert!(poll_once(next.as_mut()).is_pending());
                let chosen = rng.below(arms.len());
                let (tx, rx) = &channels[chosen];
                match arms[chosen] {
                    Recv => tx.try_send(chosen).unwrap(),
                    _ => assert_eq!(rx.try_recv(), Ok(chosen + 100)),
                }
                let (i, outcome) = now(next);
                assert_eq!(i, chosen);
                (i, outcome)
            } else if round % 2 == 0 {
                now(list.next())
            } else {
                list.try_next().unwrap()
            };
            let expected = match arms[i] {
                Recv | RecvReady => Received(Ok(i)),
                RecvClosed => Received(Err(RecvError)),
                Send | SendReady => Sent(Ok(())),
                SendClosed => Sent(Err(SendError(i + 100))),
            };
            assert_eq!(outcome, expected, "{arms:?}");
            // The effect is there, and only that of the chosen arm.
            for (k, (arm, (_, rx))) in arms.iter().zip(&channels).enumerate() {
                let len = match (arm, k == i) {
                    (RecvReady, chosen) => usize::from(!chosen),
                    (SendReady, chosen) => usize::from(chosen),
                    _ => 0,
                };
                assert_eq!(rx.len(), len, "arm {k} of {arms:?}, chosen {i}");
            }
        }
    }

    /// As many arms as there can be; one more is refused.
    #[test]
    fn max_cases() {
        let (tx, rx) = chan(1);
        let mut list = SelectList::new();
        for _ in 0..SelectList::<()>::MAX_ARMS {
            list.push(rx.recv());
        }
        let more = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| list.push(rx.recv())));
        assert!(more.is_err());
        let mut next = Box::pin(list.next());
        assert!(poll_once(next.as_mut()).is_pending());
        tx.try_send(5).unwrap();
        assert_eq!(now(next).1, Ok(5));
        assert_eq!(list.len(), SelectList::<()>::MAX_ARMS - 1);
    }

    /// Without arms there is nothing to do, and a wait never ends.
    #[test]
    fn nop() {
        let mut list = SelectList::<()>::new();
        assert_eq!(list.try_next(), None);
        blocks(list.next());
    }
}

// src/runtime/race/testdata/select_test.go: the NoRace half
mod race_select {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    /// NoRaceSelect1 to 5: what was written before a send is seen after the select that receives it, whichever arm it was.
    async fn ordered(place: Place) {
        for _ in 0..place.scale(1_000, 100) {
            let x = Arc::new(AtomicUsize::new(0));
            let (c1, r1) = chan::<()>(0);
            let (c2, r2) = chan::<()>(0);
            let theirs = x.clone();
            place.go(async move {
                theirs.store(1, Relaxed);
                select! { r = c1.send(()) => r.unwrap(), r = c2.send(()) => r.unwrap() }
            });
            select! { r = r1.recv() => r.unwrap(), r = r2.recv() => r.unwrap() }
            assert_eq!(x.load(Relaxed), 1);
        }
    }
    everywhere!(ordered);

    /// Two selects that mirror each other's arms, over and over: opposing orders of two channels never lock each other
    /// out, and everything that is sent is received.
    async fn opposing(place: Place) {
        let n = place.scale(20_000, 5_000);
        let (a, ra) = chan::<usize>(0);
        let (b, rb) = chan::<usize>(0);
        let (ra2, b2) = (ra.clone(), b.clone());
        let (sent, got) = (Tally::default(), Tally::default());
        let (sent2, got2) = (sent.clone(), got.clone());
        let one = place.go(async move {
            for i in 0..n {
                select! {
                    r = a.send(i) => { r.unwrap(); sent.add(1); }
                    v = rb.recv() => { v.unwrap(); got.add(1); }
                }
            }
        });
        let two = place.go(async move {
            for i in 0..n {
                select! {
                    r = b2.send(i) => { r.unwrap(); sent2.add(1); }
                    v = ra2.recv() => { v.unwrap(); got2.add(1); }
                }
            }
            (sent2, got2)
        });
        one.join().await;
        let (sent, got) = two.join().await;
        assert_eq!((sent.get(), got.get()), (n, n));
        drop((b, ra));
    }

    mod mirrored {
        use super::*;
        everywhere!(opposing);
    }
}
