//! What Go's own channel tests check, checked of this crate: one module for each file or function, named as in Go, its
//! path in Go's tree above it. The behaviours are Go's, the code is not.
//!
//! Every body runs on tasks of this runtime, on tasks of tokio and on plain threads. What is centred on `select` is in
//! `golang_select.rs`. `tests/README.md` has the table of both.

#![cfg(feature = "rt")]

mod common;

use common::waker::{blocks, now};
use common::{Place, Rng, Tally, everywhere};
use gochan::{Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError, chan};

// test/chan/fifo.go
mod fifo {
    use super::*;

    const N: usize = 10;

    /// Values leave a buffer in the order they entered it.
    async fn buffered(_: Place) {
        let (tx, rx) = chan(N);
        for i in 0..N {
            tx.send(i).await.unwrap();
        }
        for i in 0..N {
            assert_eq!(rx.recv().await, Ok(i));
        }
    }

    /// Each link waits for the link before it, then takes one value: rendezvous in the order of the chain.
    async fn chained(place: Place) {
        let (tx, rx) = chan(0);
        let (first, mut before) = chan::<()>(0);
        for i in 0..N {
            let (done, after) = chan(0);
            let rx = rx.clone();
            place.go(async move {
                before.recv().await.unwrap();
                assert_eq!(rx.recv().await, Ok(i));
                done.send(()).await.unwrap();
            });
            before = after;
        }
        let last = before;
        place.go(async move { first.send(()).await.unwrap() });
        for i in 0..N {
            tx.send(i).await.unwrap();
        }
        last.recv().await.unwrap();
    }

    mod asynch {
        use super::*;
        everywhere!(buffered);
    }

    mod synch {
        use super::*;
        everywhere!(chained);
    }

    /// The same order for the forms that block a thread.
    #[test]
    fn blocking() {
        common::watch(|| {
            let (tx, rx) = chan(N);
            for i in 0..N {
                tx.send_blocking(i).unwrap();
            }
            for i in 0..N {
                assert_eq!(rx.recv().wait(), Ok(i));
            }
            let (tx, rx) = chan(0);
            let sender = std::thread::spawn(move || {
                for i in 0..N {
                    tx.send(i).wait().unwrap();
                }
            });
            for i in 0..N {
                assert_eq!(rx.recv_blocking(), Ok(i));
            }
            sender.join().unwrap();
            assert_eq!(rx.recv_blocking(), Err(RecvError));
        });
    }
}

// test/chan/goroutines.go
mod goroutines {
    use super::*;

    async fn link(left: Sender<usize>, right: Receiver<usize>) {
        let n = right.recv().await.unwrap();
        left.send(n + 1).await.unwrap();
    }

    /// Ten thousand goroutines in a row hand one number through, each adding one, and all end.
    async fn body(place: Place) {
        let n = place.scale(10_000, 300);
        let (leftmost, end) = chan(0);
        let mut left = leftmost;
        for _ in 0..n {
            let (next, right) = chan(0);
            place.go(link(left, right));
            left = next;
        }
        let rightmost = left;
        place.go(async move { rightmost.send(0).await.unwrap() });
        assert_eq!(end.recv().await, Ok(n));
    }
    everywhere!(body);
}

// test/chan/nonblock.go
mod nonblock {
    use super::*;

    /// `try_send` and `try_recv` meet a waiting partner, and only then (capacity 0), or the buffer (capacity 1).
    async fn of<T: Clone + PartialEq + std::fmt::Debug + Send + 'static>(
        place: Place,
        one: T,
        two: T,
    ) {
        for cap in 0..2 {
            let (tx, rx) = chan::<T>(cap);
            let (strobe, struck) = chan::<()>(0);
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            if cap == 0 {
                assert_eq!(
                    tx.try_send(one.clone()),
                    Err(TrySendError::Full(one.clone()))
                );
            }

            let (theirs, done, expected) = (rx.clone(), strobe.clone(), one.clone());
            place.go(async move {
                assert_eq!(theirs.recv().await, Ok(expected));
                done.send(()).await.unwrap();
            });
            place.until(|| tx.try_send(one.clone()).is_ok()).await;
            struck.recv().await.unwrap();

            let (theirs, done, value) = (tx.clone(), strobe.clone(), two.clone());
            place.go(async move {
                theirs.send(value).await.unwrap();
                done.send(()).await.unwrap();
            });
            let mut got = None;
            place
                .until(|| {
                    got = rx.try_recv().ok();
                    got.is_some()
                })
                .await;
            assert_eq!(got, Some(two.clone()));
            struck.recv().await.unwrap();
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        }
    }

    async fn body(place: Place) {
        of::<i32>(place.clone(), 123, 234).await;
        of::<i64>(place.clone(), 123_456, 234_567).await;
        of::<bool>(place.clone(), true, true).await;
        of::<String>(place, "hello".into(), "hello again".into()).await;
    }
    everywhere!(body);
}

// test/chan/perm.go
mod perm {
    use super::*;
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    // Only the receiving side can be ranged over.
    assert_impl_all!(Receiver<i32>: IntoIterator<Item = i32>);
    assert_not_impl_any!(Sender<i32>: IntoIterator);
    assert_not_impl_any!(&'static Sender<i32>: IntoIterator);

    /// What a side without the operation answers: an inherent method would be preferred to these.
    #[derive(Debug, PartialEq)]
    struct Absent;

    trait NoReceive {
        fn recv(&self) -> Absent {
            Absent
        }
        fn try_recv(&self) -> Absent {
            Absent
        }
    }
    impl NoReceive for Sender<i32> {}

    trait NoSend {
        fn send(&self, _: i32) -> Absent {
            Absent
        }
        fn try_send(&self, _: i32) -> Absent {
            Absent
        }
    }
    impl NoSend for Receiver<i32> {}

    /// A sender cannot receive and a receiver cannot send: the compiler says so.
    #[test]
    fn directions() {
        let (tx, rx) = chan::<i32>(1);
        let absent: [Absent; 4] = [tx.recv(), tx.try_recv(), rx.send(1), rx.try_send(1)];
        assert!(absent.iter().all(|a| *a == Absent));
        assert!(rx.is_empty());
    }
}

// test/chan/powser1.go and test/chan/powser2.go: after Newsqueak's power series (M. D. McIlroy)
mod powser {
    use super::*;
    use gochan::select;
    use std::collections::VecDeque;

    /// The other side of a series is gone: the goroutine ends.
    struct Gone;

    impl From<RecvError> for Gone {
        fn from(_: RecvError) -> Gone {
            Gone
        }
    }

    impl<T> From<SendError<T>> for Gone {
        fn from(_: SendError<T>) -> Gone {
            Gone
        }
    }

    #[derive(Clone, Copy, PartialEq, Debug)]
    pub(crate) struct Rat(i64, i64);

    fn gcd(a: i64, b: i64) -> i64 {
        if b == 0 { a.abs() } else { gcd(b, a % b) }
    }

    pub(crate) fn rat(num: i64, den: i64) -> Rat {
        let g = gcd(num, den) * den.signum();
        Rat(num / g, den / g)
    }

    impl Rat {
        fn plus(self, other: Rat) -> Rat {
            let g = gcd(self.1, other.1);
            rat(
                self.0 * (other.1 / g) + other.0 * (self.1 / g),
                self.1 * (other.1 / g),
            )
        }

        fn times(self, other: Rat) -> Rat {
            let (g, h) = (gcd(self.0, other.1).max(1), gcd(other.0, self.1).max(1));
            rat((self.0 / g) * (other.0 / h), (self.1 / h) * (other.1 / g))
        }

        fn inverse(self) -> Rat {
            rat(self.1, self.0)
        }
    }

    const ZERO: Rat = Rat(0, 1);
    const ONE: Rat = Rat(1, 1);

    /// How a coefficient travels: by pointer (powser1) or by value (powser2).
    pub(crate) trait Carry: Send + 'static {
        fn pack(r: Rat) -> Self;
        fn open(self) -> Rat;
    }

    impl Carry for Box<Rat> {
        fn pack(r: Rat) -> Box<Rat> {
            Box::new(r)
        }
        fn open(self) -> Rat {
            *self
        }
    }

    impl Carry for Rat {
        fn pack(r: Rat) -> Rat {
            r
        }
        fn open(self) -> Rat {
            self
        }
    }

    /// A coefficient; `None` after the last.
    type Term = Option<Rat>;

    /// A power series on demand: ask once, get one term.
    pub(crate) struct Series<C> {
        ask: Sender<()>,
        terms: Receiver<Option<C>>,
    }

    /// The producing side of a series.
    struct Feed<C> {
        asked: Receiver<()>,
        terms: Sender<Option<C>>,
    }

    fn series<C: Carry>() -> (Series<C>, Feed<C>) {
        let (ask, asked) = chan(0);
        let (tx, rx) = chan(0);
        (Series { ask, terms: rx }, Feed { asked, terms: tx })
    }

    impl<C: Carry> Series<C> {
        async fn get(&self) -> Result<Term, Gone> {
            self.ask.send(()).await?;
            Ok(self.terms.recv().await?.map(C::open))
        }
    }

    impl<C: Carry> Feed<C> {
        async fn give(&self, t: Term) -> Result<(), Gone> {
            Ok(self.terms.send(t.map(C::pack)).await?)
        }

        async fn put(&self, t: Term) -> Result<(), Gone> {
            self.asked.recv().await?;
            self.give(t).await
        }

        /// Passes on what `from` has, for ever.
        async fn copy(&self, from: &Series<C>) -> Result<(), Gone> {
            loop {
                self.asked.recv().await?;
                self.give(from.get().await?).await?;
            }
        }
    }

    /// Asks two series at once and takes what comes first: all four operations in one select.
    async fn get2<C: Carry>(a: &Series<C>, b: &Series<C>) -> Result<[Term; 2], Gone> {
        let (mut ask, mut due) = ([true; 2], [false; 2]);
        let mut got = [None; 2];
        for _ in 0..4 {
            select! {
                r = ask[0].then(|| a.ask.send(())) => { r?; ask[0] = false; due[0] = true; }
                r = ask[1].then(|| b.ask.send(())) => { r?; ask[1] = false; due[1] = true; }
                r = due[0].then(|| a.terms.recv()) => { got[0] = r?.map(C::open); due[0] = false; }
                r = due[1].then(|| b.terms.recv()) => { got[1] = r?.map(C::open); due[1] = false; }
            }
        }
        Ok(got)
    }

    /// Starts a producer.
    fn produce<C: Carry, F>(place: &Place, body: impl FnOnce(Feed<C>) -> F) -> Series<C>
    where
        F: Future<Output = Result<(), Gone>> + Send + 'static,
    {
        let (out, feed) = series();
        place.go(body(feed));
        out
    }

    /// The same coefficient for ever.
    pub(crate) fn rep<C: Carry>(place: &Place, c: Rat) -> Series<C> {
        produce(place, async move |feed: Feed<C>| {
            loop {
                feed.put(Some(c)).await?;
            }
        })
    }

    /// A finite series.
    pub(crate) fn poly<C: Carry>(place: &Place, terms: &[Rat]) -> Series<C> {
        let terms = terms.to_vec();
        produce(place, async move |feed: Feed<C>| {
            for c in terms {
                feed.put(Some(c)).await?;
            }
            loop {
                feed.put(None).await?;
            }
        })
    }

    pub(crate) fn add<C: Carry>(place: &Place, u: Series<C>, v: Series<C>) -> Series<C> {
        produce(place, async move |feed: Feed<C>| {
            loop {
                feed.asked.recv().await?;
                match get2(&u, &v).await? {
                    [Some(a), Some(b)] => feed.give(Some(a.plus(b))).await?,
                    [None, None] => feed.give(None).await?,
                    [a, None] => {
                        feed.give(a).await?;
                        feed.copy(&u).await?;
                    }
                    [None, b] => {
                        feed.give(b).await?;
                        feed.copy(&v).await?;
                    }
                }
            }
        })
    }

    pub(crate) fn cmul<C: Carry>(place: &Place, c: Rat, u: Series<C>) -> Series<C> {
        produce(place, async move |feed: Feed<C>| {
            loop {
                feed.asked.recv().await?;
                feed.give(u.get().await?.map(|t| t.times(c))).await?;
            }
        })
    }

    pub(crate) fn sub<C: Carry>(place: &Place, u: Series<C>, v: Series<C>) -> Series<C> {
        add(place, u, cmul(place, rat(-1, 1), v))
    }

    /// Two series with the terms of one, read at their own speeds.
    fn split<C: Carry>(place: &Place, from: Series<C>) -> [Series<C>; 2] {
        let ((a, left), (b, right)) = (series(), series());
        place.go(dosplit(from, [left, right], [false, false]));
        [a, b]
    }

    /// What a split waits for: a reader's wish, its source to be asked, its source's answer.
    enum Event<C> {
        Asked(usize, Result<(), RecvError>),
        Went(Result<(), SendError<()>>),
        Came(Result<Option<C>, RecvError>),
    }

    /// Serves two readers from one source, each from a queue of what the other had first. It ends when both readers are
    /// gone, or one that `leads` is.
    async fn dosplit<C: Carry>(
        from: Series<C>,
        out: [Feed<C>; 2],
        leads: [bool; 2],
    ) -> Result<(), Gone> {
        let mut ahead: [VecDeque<Term>; 2] = Default::default();
        let (mut open, mut want) = ([true; 2], [false; 2]);
        let (mut ask, mut due) = (false, false);
        loop {
            for side in [0, 1] {
                if want[side]
                    && let Some(term) = ahead[side].pop_front()
                {
                    open[side] &= out[side].give(term).await.is_ok();
                    want[side] = false;
                }
                if !open[side] && (leads[side] || !open[1 - side]) {
                    return Ok(());
                }
            }
            ask |= !due && (want[0] || want[1]);
            let event = select! {
                r = (open[0] && !want[0]).then(|| out[0].asked.recv()) => Event::Asked(0, r),
                r = (open[1] && !want[1]).then(|| out[1].asked.recv()) => Event::Asked(1, r),
                r = ask.then(|| from.ask.send(())) => Event::Went(r),
                r = due.then(|| from.terms.recv()) => Event::Came(r),
            };
            match event {
                Event::Asked(side, Ok(())) => want[side] = true,
                Event::Asked(side, Err(RecvError)) => open[side] = false,
                Event::Went(r) => {
                    r?;
                    (ask, due) = (false, true);
                }
                Event::Came(term) => {
                    let term = term?.map(C::open);
                    ahead.iter_mut().for_each(|queue| queue.push_back(term));
                    due = false;
                }
            }
        }
    }

    /// With U = u + x UU and V = v + x VV: UV = uv + x (u VV + v UU) + x x UU VV.
    pub(crate) fn mul<C: Carry>(place: &Place, u: Series<C>, v: Series<C>) -> Series<C> {
        let at = place.clone();
        produce(place, async move |feed: Feed<C>| {
            feed.asked.recv().await?;
            let [Some(a), Some(b)] = get2(&u, &v).await? else {
                feed.give(None).await?;
                loop {
                    feed.put(None).await?;
                }
            };
            feed.give(Some(a.times(b))).await?;
            let [u0, u1] = split(&at, u);
            let [v0, v1] = split(&at, v);
            let w = add(&at, cmul(&at, a, v0), cmul(&at, b, u0));
            feed.put(w.get().await?).await?;
            let rest = add(&at, w, mul(&at, u1, v1));
            feed.copy(&rest).await
        })
    }

    pub(crate) fn diff<C: Carry>(place: &Place, u: Series<C>) -> Series<C> {
        produce(place, async move |feed: Feed<C>| {
            feed.asked.recv().await?;
            u.get().await?;
            for i in 1.. {
                feed.give(u.get().await?.map(|t| t.times(rat(i, 1))))
                    .await?;
                feed.asked.recv().await?;
            }
            Ok(())
        })
    }

    pub(crate) fn integ<C: Carry>(place: &Place, c: Rat, u: Series<C>) -> Series<C> {
        produce(place, async move |feed: Feed<C>| {
            feed.put(Some(c)).await?;
            for i in 1.. {
                feed.asked.recv().await?;
                feed.give(u.get().await?.map(|t| t.times(rat(1, i))))
                    .await?;
            }
            Ok(())
        })
    }

    /// c + x U.
    fn shift<C: Carry>(place: &Place, c: Rat, u: Series<C>) -> Series<C> {
        produce(place, async move |feed: Feed<C>| {
            feed.put(Some(c)).await?;
            feed.copy(&u).await
        })
    }

    /// Z with a feedback loop: what `make` builds out of Z is Z. The tie is a split with one side fed
    /// back; when the reader of the other side goes, the loop is cut.
    fn fix<C: Carry>(place: &Place, make: impl FnOnce(Series<C>) -> Series<C>) -> Series<C> {
        let ((back, left), (out, right)) = (series(), series());
        let z = make(back);
        place.go(dosplit(z, [left, right], [false, true]));
        out
    }

    /// Z = exp U: the integral of Z U', with constant 1.
    pub(crate) fn exp<C: Carry>(place: &Place, u: Series<C>) -> Series<C> {
        fix(place, |z| integ(place, ONE, mul(place, z, diff(place, u))))
    }

    /// Z = 1 / U: z - (z UU) x Z where z = 1 / u, here for a U whose first term is `u`.
    pub(crate) fn recip<C: Carry>(place: &Place, u: Rat, rest: Series<C>) -> Series<C> {
        let z = u.inverse();
        fix(place, |back| {
            let minus = cmul(place, z.times(rat(-1, 1)), rest);
            shift(place, z, mul(place, minus, back))
        })
    }

    /// U(c x^n): term i times c^i, with n - 1 zeros after it.
    pub(crate) fn monsubst<C: Carry>(place: &Place, u: Series<C>, c: Rat, n: usize) -> Series<C> {
        produce(place, async move |feed: Feed<C>| {
            let mut power = ONE;
            loop {
                feed.asked.recv().await?;
                feed.give(u.get().await?.map(|t| t.times(power))).await?;
                power = power.times(c);
                for _ in 1..n {
                    feed.put(Some(ZERO)).await?;
                }
            }
        })
    }

    async fn check<C: Carry>(what: &str, u: Series<C>, expected: &[(i64, i64)]) {
        for (i, (num, den)) in expected.iter().enumerate() {
            let Ok(term) = u.get().await else {
                panic!("{what}: the network ended at term {i}");
            };
            assert_eq!(term, Some(rat(*num, *den)), "{what}, term {i}");
        }
    }

    /// The algebra of Go's test, and every goroutine of every network ends when its reader goes.
    async fn network<C: Carry>(place: Place) {
        let p = &place;
        let ones = || rep::<C>(p, ONE);
        let twos = || rep::<C>(p, rat(2, 1));
        let up: Vec<(i64, i64)> = (1..=10).map(|n| (n, 1)).collect();
        let harmonic: Vec<(i64, i64)> = std::iter::once((0, 1))
            .chain((1..10).map(|n| (1, n)))
            .collect();
        check("Ones", ones(), &[(1, 1); 5]).await;
        check("Add", add(p, ones(), twos()), &[(3, 1); 10]).await;
        check("Diff", diff(p, ones()), &up).await;
        check("Integ", integ(p, ZERO, ones()), &harmonic).await;
        check("CMul", cmul(p, rat(-1, 1), twos()), &[(-2, 1); 10]).await;
        check("Sub", sub(p, ones(), twos()), &[(-1, 1); 10]).await;
        check("Mul", mul(p, ones(), ones()), &up).await;
        let bell = [
            (1, 1),
            (1, 1),
            (3, 2),
            (13, 6),
            (73, 24),
            (167, 40),
            (4051, 720),
            (37633, 5040),
            (43817, 4480),
            (4596553, 362880),
        ];
        check("Exp", exp(p, ones()), &bell).await;
        let alternating = monsubst(p, ones(), rat(-1, 1), 2);
        let atan = [0, 1, 0, -3, 0, 5, 0, -7, 0, 9].map(|d| if d == 0 { (0, 1) } else { (1, d) });
        check("ATan", integ(p, ZERO, alternating), &atan).await;
        let mut inverse = [(0, 1); 10];
        (inverse[0], inverse[1]) = ((1, 1), (-1, 1));
        check("Recip", recip(p, ONE, ones()), &inverse).await;
        let short = add::<C>(p, poly(p, &[ONE, ONE]), poly(p, &[ONE]));
        check(
            "finite",
            short_then_ones(p, short),
            &[(2, 1), (1, 1), (1, 1)],
        )
        .await;
    }

    /// Terms of a finite series, then ones: sees the end mark of the first.
    fn short_then_ones<C: Carry>(place: &Place, u: Series<C>) -> Series<C> {
        produce(place, async move |feed: Feed<C>| {
            while let Some(t) = u.get().await? {
                feed.put(Some(t)).await?;
            }
            loop {
                feed.put(Some(ONE)).await?;
            }
        })
    }

    mod powser1 {
        use super::*;
        async fn body(place: Place) {
            network::<Box<Rat>>(place).await;
        }
        everywhere!(body);
    }

    mod powser2 {
        use super::*;
        async fn body(place: Place) {
            network::<Rat>(place).await;
        }
        everywhere!(body);
    }
}

// test/chan/sendstmt.go
mod sendstmt {
    use super::*;
    use gochan::select;

    /// A channel of channels: the operand of an arm may itself receive the channel it sends on.
    async fn chanchan(_: Place) {
        let (ctx, crx) = chan(1);
        let (tx, rx) = chan(1);
        ctx.send(tx).await.unwrap();
        select! {
            r = crx.try_recv().unwrap().send(2) => r.unwrap(),
            default => panic!("there was room"),
        }
        assert_eq!(rx.recv().await, Ok(2));
        assert_eq!(rx.recv().await, Err(RecvError));
    }
    everywhere!(chanchan);

    /// The value of a send may be any expression.
    #[test]
    fn sendprec() {
        let (tx, rx) = chan(1);
        let (no, yes) = (false, true);
        now(tx.send(no || yes)).unwrap();
        assert_eq!(now(rx.recv()), Ok(true));
    }
}

const PRIMES: [usize; 25] = [
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
];

// test/chan/sieve1.go
mod sieve1 {
    use super::*;

    async fn generate(tx: Sender<usize>) {
        let mut n = 2;
        while tx.send(n).await.is_ok() {
            n += 1;
        }
    }

    async fn filter(prime: usize, rx: Receiver<usize>, tx: Sender<usize>) {
        while let Ok(n) = rx.recv().await {
            if n % prime != 0 && tx.send(n).await.is_err() {
                return;
            }
        }
    }

    /// A filter for each prime found, in a row; dropping the end of the row ends all of it.
    async fn body(place: Place) {
        let (tx, mut numbers) = chan(0);
        place.go(generate(tx));
        for prime in PRIMES {
            assert_eq!(numbers.recv().await, Ok(prime));
            let (tx, rx) = chan(0);
            place.go(filter(prime, numbers, tx));
            numbers = rx;
        }
    }
    everywhere!(body);

    /// The same row of plain threads, with the operations that block them.
    #[test]
    fn blocking() {
        common::watch(|| {
            std::thread::scope(|s| {
                let (tx, mut numbers) = chan(0);
                s.spawn(move || (2..).all(|n: usize| tx.send_blocking(n).is_ok()));
                for prime in PRIMES {
                    assert_eq!(numbers.recv_blocking(), Ok(prime));
                    let (tx, rx) = chan(0);
                    let from = std::mem::replace(&mut numbers, rx);
                    s.spawn(move || {
                        from.iter()
                            .filter(|n| n % prime != 0)
                            .all(|n| tx.send(n).wait().is_ok())
                    });
                }
                drop(numbers);
            });
        });
    }
}

// test/chan/sieve2.go
mod sieve2 {
    use super::*;
    use gochan::select;
    use std::cmp::Reverse;
    use std::collections::{BinaryHeap, VecDeque};

    fn counting(place: &Place, cap: usize, from: usize, step: usize) -> Receiver<usize> {
        let (tx, rx) = chan(cap);
        place.go(async move {
            let mut n = from;
            while tx.send(n).await.is_ok() {
                n += step;
            }
        });
        rx
    }

    /// A sender that never waits: what it is given waits in a queue of its own until `out` takes it.
    fn sendproxy(place: &Place, out: Sender<usize>) -> Sender<usize> {
        let (proxy, from) = chan::<usize>(10);
        place.go(async move {
            let mut held = VecDeque::new();
            loop {
                select! {
                    n = from.recv() => match n {
                        Ok(n) => held.push_back(n),
                        Err(RecvError) => return,
                    },
                    r = held.front().map(|n| out.send(*n)) => match r {
                        Ok(()) => drop(held.pop_front()),
                        Err(_) => return,
                    },
                }
            }
        });
        proxy
    }

    /// Merges the multiples of each prime into one rising stream.
    async fn merge(place: Place, primes: Receiver<usize>, composites: Sender<usize>) {
        let mut streams: Vec<Receiver<usize>> = Vec::new();
        let mut heads = BinaryHeap::new();
        let mut last = 0;
        while let Ok(p) = primes.recv().await {
            let multiples = counting(&place, 10, p * p, 2 * p);
            heads.push(Reverse((multiples.recv().await.unwrap(), streams.len())));
            streams.push(multiples);
            // Everything below the square of the newest prime is settled.
            while let Some(&Reverse((head, stream))) = heads.peek() {
                if head > p * p {
                    break;
                }
                heads.pop();
                heads.push(Reverse((streams[stream].recv().await.unwrap(), stream)));
                if head != last && composites.send(head).await.is_err() {
                    return;
                }
                last = head;
            }
        }
    }

    async fn candidates(
        odds: Receiver<usize>,
        composites: Receiver<usize>,
        primes: Sender<usize>,
        out: Sender<usize>,
    ) {
        let mut p = odds.recv().await.unwrap();
        while let Ok(c) = composites.recv().await {
            while p < c {
                if primes.send(p).await.is_err() || out.send(p).await.is_err() {
                    return;
                }
                p = odds.recv().await.unwrap();
            }
            if p == c {
                p = odds.recv().await.unwrap();
            }
        }
    }

    /// A sieve with a feedback loop, which would deadlock but for the proxy.
    async fn body(place: Place) {
        let (out, found) = chan(10);
        let (composites, known) = chan(50);
        let (primes, feedback) = chan(10);
        out.send(2).await.unwrap();
        out.send(3).await.unwrap();
        primes.send(3).await.unwrap();
        place.go(merge(place.clone(), feedback, composites));
        let odds = counting(&place, 50, 5, 2);
        let proxy = sendproxy(&place, primes);
        place.go(candidates(odds, known, proxy, out));
        for prime in PRIMES {
            assert_eq!(found.recv().await, Ok(prime));
        }
    }
    everywhere!(body);
}

// test/chan/zerosize.go
mod zerosize {
    use super::*;

    async fn of<T: Default + PartialEq + std::fmt::Debug + Send + 'static>(place: Place) {
        for cap in [0, 1] {
            let (tx, rx) = chan::<T>(cap);
            place.go(async move { tx.send(T::default()).await.unwrap() });
            assert_eq!(rx.recv().await, Ok(T::default()));
            assert_eq!(rx.recv().await, Err(RecvError));
        }
    }

    async fn body(place: Place) {
        of::<()>(place.clone()).await;
        of::<[u64; 0]>(place.clone()).await;
        of::<((), [(); 1])>(place).await;
    }
    everywhere!(body);
}

// test/closedchan.go
mod closedchan {
    use super::*;
    use gochan::{never, select};

    /// The ways to write one operation.
    #[derive(Clone, Copy)]
    enum Form {
        Direct,
        Select1,
        Select2,
    }
    use Form::*;

    impl Form {
        async fn send(self, tx: &Sender<u32>, v: u32) -> Result<(), SendError<u32>> {
            let dummy = never::<()>();
            match self {
                Direct => tx.send(v).await,
                Select1 => select! { r = tx.send(v) => r },
                Select2 => select! { r = tx.send(v) => r, _ = dummy.recv() => unreachable!() },
            }
        }

        /// `None` if it would have to wait.
        async fn try_send(self, tx: &Sender<u32>, v: u32) -> Option<Result<(), SendError<u32>>> {
            let dummy = never::<()>();
            match self {
                Direct => match tx.try_send(v) {
                    Ok(()) => Some(Ok(())),
                    Err(TrySendError::Closed(v)) => Some(Err(SendError(v))),
                    Err(TrySendError::Full(_)) => None,
                },
                Select1 => select! { r = tx.send(v) => Some(r), default => None },
                Select2 => select! {
                    _ = dummy.recv() => unreachable!(),
                    r = tx.send(v) => Some(r),
                    default => None,
                },
            }
        }

        async fn recv(self, rx: &Receiver<u32>) -> Result<u32, RecvError> {
            let dummy = never::<()>();
            match self {
                Direct => rx.recv().await,
                Select1 => select! { r = rx.recv() => r },
                Select2 => select! { _ = dummy.recv() => unreachable!(), r = rx.recv() => r },
            }
        }

        /// `None` if it would have to wait.
        async fn try_recv(self, rx: &Receiver<u32>) -> Option<Result<u32, RecvError>> {
            let dummy = never::<()>();
            match self {
                Direct => match rx.try_recv() {
                    Ok(v) => Some(Ok(v)),
                    Err(TryRecvError::Closed) => Some(Err(RecvError)),
                    Err(TryRecvError::Empty) => None,
                },
                Select1 => select! { r = rx.recv() => Some(r), default => None },
                Select2 => select! {
                    r = rx.recv() => Some(r),
                    _ = dummy.recv() => unreachable!(),
                    default => None,
                },
            }
        }
    }

    /// A closed and empty channel: every receive says so at once, every send gives its value back and leaves nothing.
    async fn closed_and_empty(form: Form, tx: &Sender<u32>, rx: &Receiver<u32>) {
        for _ in 0..3 {
            assert_eq!(form.recv(rx).await, Err(RecvError));
            assert_eq!(form.try_recv(rx).await, Some(Err(RecvError)));
        }
        assert_eq!(form.try_send(tx, 1).await, Some(Err(SendError(1))));
        assert_eq!(form.recv(rx).await, Err(RecvError));
        assert_eq!(form.send(tx, 2).await, Err(SendError(2)));
        assert_eq!(form.recv(rx).await, Err(RecvError));
    }

    async fn closed_sync(form: Form) {
        let (tx, rx) = chan(0);
        assert!(tx.close());
        closed_and_empty(form, &tx, &rx).await;
    }

    /// The last value is still there after close, for each way to receive it.
    async fn closed_async(form: Form) {
        for non_blocking in [false, true] {
            let (tx, rx) = chan(2);
            tx.send(1).await.unwrap();
            assert!(rx.close());
            let got = if non_blocking {
                form.try_recv(&rx).await
            } else {
                Some(form.recv(&rx).await)
            };
            assert_eq!(got, Some(Ok(1)));
            closed_and_empty(form, &tx, &rx).await;
        }
    }

    async fn body(_: Place) {
        for form in [Direct, Select1, Select2] {
            closed_sync(form).await;
            closed_async(form).await;
        }
    }
    everywhere!(body);

    /// Go panics at the second close; here it says that it was not the first.
    #[test]
    fn close_twice() {
        let (tx, rx) = chan::<u32>(0);
        assert!(!tx.is_closed() && !rx.is_closed());
        assert!(tx.close());
        assert!(!tx.close() && !rx.close());
        assert!(tx.is_closed() && rx.is_closed());
    }

    /// What Go's file leaves open: close ends every receiver that waits.
    async fn close_v_waiting_receivers(place: Place) {
        let (tx, rx) = chan::<u32>(0);
        let waiting: Vec<_> = (0..10)
            .map(|i| {
                let rx = rx.clone();
                place.go(async move {
                    match i % 3 {
                        0 => Direct.recv(&rx).await,
                        1 => Select1.recv(&rx).await,
                        _ => Select2.recv(&rx).await,
                    }
                })
            })
            .collect();
        place.pause().await;
        tx.close();
        for w in waiting {
            assert_eq!(w.join().await, Err(RecvError));
        }
    }

    /// Close ends every sender that waits, and each has its value back.
    async fn close_v_waiting_senders(place: Place) {
        let (tx, rx) = chan::<u32>(0);
        let waiting: Vec<_> = (0..10)
            .map(|i| {
                let tx = tx.clone();
                place.go(async move {
                    match i % 3 {
                        0 => Direct.send(&tx, i).await,
                        1 => Select1.send(&tx, i).await,
                        _ => Select2.send(&tx, i).await,
                    }
                })
            })
            .collect();
        place.pause().await;
        rx.close();
        for (w, i) in waiting.into_iter().zip(0..) {
            assert_eq!(w.join().await, Err(SendError(i)));
        }
        assert_eq!(rx.recv().await, Err(RecvError));
    }

    mod waiting_receivers {
        use super::*;
        everywhere!(close_v_waiting_receivers);
    }

    mod waiting_senders {
        use super::*;
        everywhere!(close_v_waiting_senders);
    }
}

// test/chancap.go
mod chancap {
    use super::*;

    #[test]
    fn len_and_capacity() {
        let (tx, rx) = chan(10);
        assert_eq!((tx.len(), tx.capacity()), (0, Some(10)));
        for i in 0..3 {
            now(tx.send(i)).unwrap();
        }
        assert_eq!((tx.len(), tx.capacity()), (3, Some(10)));
        assert_eq!((rx.len(), rx.capacity()), (3, Some(10)));
        assert!(!rx.is_empty() && !rx.is_full());

        let (tx, rx) = chan::<i32>(0);
        assert_eq!((tx.len(), tx.capacity()), (0, Some(0)));
        assert_eq!((rx.len(), rx.capacity()), (0, Some(0)));
    }

    /// Not in Go: a channel without a bound has no capacity to name.
    #[test]
    fn unbounded() {
        let (tx, rx) = gochan::unbounded();
        for i in 0..1000 {
            tx.try_send(i).unwrap();
        }
        assert_eq!((tx.len(), tx.capacity()), (1000, None));
        assert_eq!((rx.len(), rx.capacity()), (1000, None));
        assert!(!tx.is_full());
    }
}

// test/ken/chan.go
mod ken_chan {
    use super::*;
    use gochan::select;

    /// Each of four sequences runs from a hundred to its 75, then ends.
    const LAST: u32 = 75;

    /// The number after `v`, none after the last.
    fn after(v: u32) -> Option<u32> {
        (v % 100 != LAST).then_some(v + 1)
    }

    async fn dither(place: &Place, rng: &mut Rng, most: usize) {
        for _ in 0..=rng.below(most) {
            place.pause().await;
        }
    }

    async fn send(place: Place, tx: Sender<u32>, first: u32, sent: Tally) {
        let mut rng = Rng::new(first.into());
        let mut next = Some(first);
        while let Some(v) = next {
            dither(&place, &mut rng, 4).await;
            tx.send(v).await.unwrap();
            sent.add(1);
            next = after(v);
        }
    }

    async fn recv(place: Place, rx: Receiver<u32>, first: u32, got: Tally) {
        let mut rng = Rng::new((first + 1).into());
        let mut next = Some(first);
        while let Some(v) = next {
            dither(&place, &mut rng, 4).await;
            assert_eq!(rx.recv().await, Ok(v));
            got.add(1);
            next = after(v);
        }
    }

    async fn select_send(place: Place, tx: [Sender<u32>; 4], sent: Tally) {
        let mut rng = Rng::new(7);
        let mut next = [100, 200, 300, 400].map(Some);
        while next.iter().any(Option::is_some) {
            dither(&place, &mut rng, 3).await;
            let i = select! {
                r = next[0].map(|v| tx[0].send(v)) => { r.unwrap(); 0 }
                r = next[1].map(|v| tx[1].send(v)) => { r.unwrap(); 1 }
                r = next[2].map(|v| tx[2].send(v)) => { r.unwrap(); 2 }
                r = next[3].map(|v| tx[3].send(v)) => { r.unwrap(); 3 }
            };
            sent.add(1);
            next[i] = next[i].and_then(after);
        }
    }

    async fn select_recv(place: Place, rx: [Receiver<u32>; 4], got: Tally) {
        let mut rng = Rng::new(8);
        let mut next = [100, 200, 300, 400].map(Some);
        while next.iter().any(Option::is_some) {
            dither(&place, &mut rng, 3).await;
            // A sequence that has ended has no sender any more: its arm is nil.
            let (i, v) = select! {
                v = next[0].map(|_| rx[0].recv()) => (0, v),
                v = next[1].map(|_| rx[1].recv()) => (1, v),
                v = next[2].map(|_| rx[2].recv()) => (2, v),
                v = next[3].map(|_| rx[3].recv()) => (3, v),
            };
            assert_eq!(v.ok(), next[i], "on channel {i}");
            got.add(1);
            next[i] = next[i].and_then(after);
        }
    }

    type Four = ([Sender<u32>; 4], [Receiver<u32>; 4]);

    fn four(cap: usize) -> Four {
        let [(a, w), (b, x), (c, y), (d, z)] = [(); 4].map(|()| chan(cap));
        ([a, b, c, d], [w, x, y, z])
    }

    async fn body(place: Place) {
        let (sent, got) = (Tally::default(), Tally::default());
        let firsts = [100, 200, 300, 400];
        for cap in [0, 1, 10, 100] {
            let mut all = Vec::new();
            let direct_send = |tx: [Sender<u32>; 4]| {
                let pairs: Vec<_> = tx.into_iter().zip(firsts).collect();
                pairs
                    .into_iter()
                    .map(|(tx, v)| place.go(send(place.clone(), tx, v, sent.clone())))
            };
            let direct_recv = |rx: [Receiver<u32>; 4]| {
                let pairs: Vec<_> = rx.into_iter().zip(firsts).collect();
                pairs
                    .into_iter()
                    .map(|(rx, v)| place.go(recv(place.clone(), rx, v, got.clone())))
            };

            let (tx, rx) = four(cap);
            all.extend(direct_send(tx));
            all.extend(direct_recv(rx));

            let (tx, rx) = four(cap);
            all.extend(direct_send(tx));
            all.push(place.go(select_recv(place.clone(), rx, got.clone())));

            let (tx, rx) = four(cap);
            all.extend(direct_recv(rx));
            all.push(place.go(select_send(place.clone(), tx, sent.clone())));

            for goroutine in all {
                goroutine.join().await;
            }
        }
        assert_eq!((sent.get(), got.get()), (3648, 3648));
    }
    everywhere!(body);
}

// test/ken/chan1.go
mod ken_chan1 {
    use super::*;
    use gochan::select;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};

    const N: usize = 1000;

    /// A thousand messages, ten receivers: each received once, and only after it was sent.
    async fn body(place: Place) {
        let marks: Arc<[AtomicU8]> = (0..N).map(|_| AtomicU8::new(0)).collect();
        let (tx, rx) = chan::<usize>(2);
        let receivers: Vec<_> = (0..10)
            .map(|_| {
                let (rx, marks) = (rx.clone(), marks.clone());
                place.go(async move {
                    loop {
                        select! {
                            n = rx.recv() => {
                                let Ok(n) = n else { return };
                                assert_eq!(marks[n].swap(2, Ordering::Relaxed), 1, "message {n}");
                            }
                        }
                    }
                })
            })
            .collect();
        for n in 0..N {
            assert_eq!(marks[n].swap(1, Ordering::Relaxed), 0);
            tx.send(n).await.unwrap();
        }
        drop(tx);
        for r in receivers {
            r.join().await;
        }
        assert!(marks.iter().all(|m| m.load(Ordering::Relaxed) == 2));
    }
    everywhere!(body);
}

// src/runtime/chan_test.go: TestChan
mod test_chan {
    use super::*;

    /// Receives from an empty channel wait, and a later send reaches each of them.
    async fn receive_waits(place: &Place, cap: usize) {
        let (tx, rx) = chan::<usize>(cap);
        blocks(rx.recv());
        let two: Vec<_> = (0..2)
            .map(|_| {
                let rx = rx.clone();
                place.go(async move { rx.recv().await })
            })
            .collect();
        place.pause().await;
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        tx.send(0).await.unwrap();
        tx.send(0).await.unwrap();
        for r in two {
            assert_eq!(r.join().await, Ok(0));
        }
    }

    /// Sends to a full channel wait, and a receive lets them go on.
    async fn send_waits(place: &Place, cap: usize) {
        let (tx, rx) = chan::<usize>(cap);
        for i in 0..cap {
            tx.send(i).await.unwrap();
        }
        blocks(tx.send(0));
        assert_eq!(tx.try_send(0), Err(TrySendError::Full(0)));
        let late = tx.clone();
        let late = place.go(async move { late.send(cap).await });
        for i in 0..=cap {
            assert_eq!(rx.recv().await, Ok(i));
        }
        late.join().await.unwrap();
    }

    async fn closed(place: &Place, cap: usize) {
        let (tx, rx) = chan::<usize>(cap);
        for i in 0..cap {
            tx.send(i).await.unwrap();
        }
        tx.close();
        for i in 0..cap {
            assert_eq!(rx.recv().await, Ok(i));
        }
        assert_eq!(rx.recv().await, Err(RecvError));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));

        let (tx, rx) = chan::<usize>(cap);
        let blocked = place.go(async move { rx.recv().await });
        place.pause().await;
        tx.close();
        assert_eq!(blocked.join().await, Err(RecvError));
    }

    async fn fifo(place: &Place, cap: usize) {
        let (tx, rx) = chan::<usize>(cap);
        place.go(async move {
            for i in 0..200 {
                tx.send(i).await.unwrap();
            }
        });
        for i in 0..200 {
            assert_eq!(rx.recv().await, Ok(i));
        }
    }

    /// What four senders send, four receivers receive.
    async fn conserved(place: &Place, cap: usize) {
        const P: usize = 4;
        let each = place.scale(1000, 250);
        let (tx, rx) = chan::<usize>(cap);
        for _ in 0..P {
            let tx = tx.clone();
            place.go(async move {
                for i in 0..each {
                    tx.send(i).await.unwrap();
                }
            });
        }
        let (done, results) = chan(0);
        for _ in 0..P {
            let (rx, done) = (rx.clone(), done.clone());
            place.go(async move {
                let mut got = vec![0; each];
                for _ in 0..each {
                    got[rx.recv().await.unwrap()] += 1;
                }
                done.send(got).await.unwrap();
            });
        }
        let mut got = vec![0; each];
        for _ in 0..P {
            let part = results.recv().await.unwrap();
            got.iter_mut().zip(part).for_each(|(n, m)| *n += m);
        }
        assert_eq!(got, vec![P; each]);
    }

    async fn len_cap(cap: usize) {
        let (tx, rx) = chan::<usize>(cap);
        assert_eq!((tx.len(), tx.capacity()), (0, Some(cap)));
        for i in 0..cap {
            tx.send(i).await.unwrap();
        }
        assert_eq!((rx.len(), rx.capacity()), (cap, Some(cap)));
        assert!(rx.is_full());
    }

    async fn body(place: Place) {
        // All the small ones, then sizes around the powers of two.
        let caps = (0..12).chain([15, 16, 17, 31, 33, 64, 127, 199]);
        for cap in caps {
            receive_waits(&place, cap).await;
            send_waits(&place, cap).await;
            closed(&place, cap).await;
            fifo(&place, cap).await;
            conserved(&place, cap).await;
            len_cap(cap).await;
        }
    }
    everywhere!(body);
}

// src/runtime/chan_test.go: TestNonblockRecvRace
mod nonblock_recv_race {
    use super::*;

    /// Between a value in the buffer and the close behind it there is no moment at which a receive finds nothing.
    async fn body(place: Place) {
        for _ in 0..place.scale(5_000, 500) {
            let (tx, rx) = chan(1);
            tx.send(1).await.unwrap();
            let theirs = rx.clone();
            let other = place.go(async move { theirs.try_recv() });
            tx.close();
            let mine = rx.recv().await;
            match (mine, other.join().await) {
                (Ok(1), Err(TryRecvError::Closed)) | (Err(RecvError), Ok(1)) => {}
                seen => panic!("{seen:?}"),
            }
        }
    }
    everywhere!(body);
}

// src/runtime/chan_test.go: TestMultiConsumer
mod multi_consumer {
    use super::*;

    const WORKERS: usize = 23;
    const SMALL_PRIMES: [usize; 10] = [2, 3, 7, 11, 13, 17, 19, 23, 27, 31];

    /// One feeder, many workers that get out of step, one consumer: count and sum agree.
    async fn body(place: Place) {
        let n = place.scale(54_321, 10_000);
        let (feed, work) = chan::<usize>(WORKERS * 3);
        let (result, results) = chan::<usize>(WORKERS * 3);
        for w in 0..WORKERS {
            let (work, result, place2) = (work.clone(), result.clone(), place.clone());
            place.go(async move {
                while let Ok(v) = work.recv().await {
                    if SMALL_PRIMES[w % SMALL_PRIMES.len()] == v {
                        place2.pause().await;
                    }
                    result.send(v).await.unwrap();
                }
            });
        }
        drop((work, result));
        let expected = place.go(async move {
            let mut sum = 0;
            for i in 0..n {
                let v = SMALL_PRIMES[i % SMALL_PRIMES.len()];
                sum += v;
                feed.send(v).await.unwrap();
            }
            sum
        });
        let (mut count, mut sum) = (0, 0);
        while let Ok(v) = results.recv().await {
            count += 1;
            sum += v;
        }
        assert_eq!((count, sum), (n, expected.join().await));
    }
    everywhere!(body);
}

// src/runtime/chan_test.go: TestChanSendInterface
mod chan_send_interface {
    use super::*;
    use gochan::select;
    use std::any::Any;
    use std::sync::Arc;

    type Value = Arc<dyn Any + Send + Sync>;

    /// Values without a size of their own travel behind a pointer, in plain sends and in selects.
    async fn body(_: Place) {
        let m: Value = Arc::new(());
        let (tx, rx) = chan::<Value>(1);
        tx.send(m.clone()).await.unwrap();
        select! {
            _ = tx.send(m.clone()) => panic!("the buffer was full"),
            default => {}
        }
        select! {
            _ = tx.send(m.clone()) => panic!("the buffer was full"),
            _ = tx.send(Arc::new(1_u8)) => panic!("the buffer was full"),
            default => {}
        }
        assert!(Arc::ptr_eq(&rx.recv().await.unwrap(), &m));
        assert!(rx.is_empty());
        drop((tx, rx));
        assert_eq!(Arc::strong_count(&m), 1, "losing sends dropped theirs");
    }
    everywhere!(body);
}

// src/runtime/chanbarrier_test.go: TestChanSendBarrier, TestChanSendSelectBarrier
mod chanbarrier {
    use super::*;
    use gochan::select;

    /// What a request brings back: memory of its own, seen whole by another goroutine.
    struct Response {
        body: Vec<u8>,
        error: Option<&'static str>,
    }

    fn response() -> Box<Response> {
        Box::new(Response {
            body: vec![7; 256],
            error: Some("refused"),
        })
    }

    async fn request(place: &Place, by_select: bool) -> Box<Response> {
        let (tx, rx) = chan(0);
        let (done, quit) = chan::<()>(0);
        place.go(async move {
            if by_select {
                select! {
                    r = tx.send(response()) => assert!(r.is_ok()),
                    _ = quit.recv() => {}
                }
            } else {
                tx.send(response()).await.ok().unwrap();
            }
        });
        let answer = rx.recv().await.unwrap();
        place.pause().await;
        drop(done);
        answer
    }

    async fn requests(place: Place, by_select: bool) {
        let (outer, inner) = (10, place.scale(500, 50));
        let all: Vec<_> = (0..outer)
            .map(|_| {
                let at = place.clone();
                place.go(async move {
                    for _ in 0..inner {
                        let answer = request(&at, by_select).await;
                        assert_eq!(answer.error, Some("refused"));
                        assert!(answer.body.iter().all(|b| *b == 7));
                    }
                })
            })
            .collect();
        for one in all {
            one.join().await;
        }
    }

    mod plain {
        use super::*;
        async fn body(place: Place) {
            requests(place, false).await;
        }
        everywhere!(body);
    }

    mod by_select {
        use super::*;
        async fn body(place: Place) {
            requests(place, true).await;
        }
        everywhere!(body);
    }
}

// src/runtime/race/testdata/chan_test.go: the NoRace half, which says what a channel orders
mod happens_before {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    /// NoRaceChanSync, ChanAsync, CloseHappensBeforeRead: what was written before a send or a close is seen after the
    /// receive that it completes.
    async fn send_before_receive(place: Place) {
        for cap in [0, 1, 4] {
            for _ in 0..place.scale(1_000, 100) {
                let x = Arc::new(AtomicUsize::new(0));
                let (tx, rx) = chan::<()>(cap);
                let theirs = x.clone();
                place.go(async move {
                    theirs.store(1, Relaxed);
                    tx.send(()).await.unwrap();
                    theirs.store(2, Relaxed);
                    tx.close();
                });
                rx.recv().await.unwrap();
                assert_ne!(x.load(Relaxed), 0);
                assert_eq!(rx.recv().await, Err(RecvError));
                assert_eq!(x.load(Relaxed), 2);
            }
        }
    }

    /// NoRaceChanMutex, ChanSem: a channel of capacity n is n permits; the k-th receive is before the end of send k + n.
    async fn receive_before_send_ends(place: Place) {
        const PERMITS: usize = 3;
        let (take, give) = chan::<()>(PERMITS);
        let (inside, most) = (Tally::default(), Arc::new(AtomicUsize::new(0)));
        let all: Vec<_> = (0..8)
            .map(|_| {
                let (take, give) = (take.clone(), give.clone());
                let (at, inside, most) = (place.clone(), inside.clone(), most.clone());
                place.go(async move {
                    for _ in 0..at.scale(500, 100) {
                        take.send(()).await.unwrap();
                        most.fetch_max(inside.add(1), Relaxed);
                        at.pause().await;
                        inside.add(usize::MAX); // wraps: one less
                        give.recv().await.unwrap();
                    }
                })
            })
            .collect();
        for one in all {
            one.join().await;
        }
        assert!(most.load(Relaxed) <= PERMITS);
        assert_eq!(inside.get(), 0);
    }

    mod forward {
        use super::*;
        everywhere!(send_before_receive);
    }

    mod backward {
        use super::*;
        everywhere!(receive_before_send_ends);
    }
}
