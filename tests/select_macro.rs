//! `select!` as a language: what it accepts, what it evaluates and when, what a body may do, and what the twins without a
//! macro give. Who is woken by what is `poll_by_poll.rs`; Go's own tests are `golang_select.rs`.

#![cfg(feature = "rt")]

mod common;

use common::value::Mint;
use common::waker::{blocks, now, poll_once};
use common::{Place, everywhere, watch};
use gochan::{
    Receiver, RecvError, SendError, Sender, TryRecvError, chan, fut, never, select, select_blocking,
};
use std::cell::RefCell;
use std::future::{pending, ready};
use std::time::Duration;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, assert_ready_ok, task};

/// A receiver with one value in it.
fn with<T>(value: T) -> Receiver<T> {
    let (tx, rx) = chan(1);
    assert!(tx.try_send(value).is_ok());
    rx
}

// What one would write otherwise is the point here.
#[allow(clippy::redundant_closure_call, clippy::match_single_binding)]
mod grammar {
    use super::*;

    struct Point {
        x: i32,
        y: i32,
    }
    struct Pair(i32, i32);

    #[test]
    fn patterns() {
        let rx = with(5);
        now(async {
            select! { v = rx.recv() => assert_eq!(v, Ok(5)) }
        });
        let rx = with(5);
        now(async {
            select! { _ = rx.recv() => {} }
        });
        let rx = with(5);
        now(async {
            select! { rx.recv() => {} }
        });
        let rx = with(5);
        now(async {
            select! {
                mut v = rx.recv() => {
                    v = v.map(|n| n + 1);
                    assert_eq!(v, Ok(6));
                }
            }
        });
        now(async {
            select! { (a, b) = fut(ready((1, 2))) => assert_eq!(a + b, 3) }
        });
        now(async {
            select! { Pair(a, b) = fut(ready(Pair(1, 2))) => assert_eq!(a + b, 3) }
        });
        now(async {
            select! { Point { x, y } = fut(ready(Point { x: 1, y: 2 })) => assert_eq!(x + y, 3) }
        });
        now(async {
            select! { Point { x, .. } = fut(ready(Point { x: 1, y: 2 })) => assert_eq!(x, 1) }
        });
        now(async {
            select! { () = fut(ready(())) => {} }
        });
        now(async {
            select! { (Pair(a, _), [b, ..]) = fut(ready((Pair(1, 2), [3, 4]))) => assert_eq!(a + b, 4) }
        });
    }

    struct Holder {
        rx: Receiver<i32>,
        list: Vec<Receiver<i32>>,
    }

    impl Holder {
        fn rx(&self) -> &Receiver<i32> {
            &self.rx
        }
        fn fresh(&self) -> Receiver<i32> {
            self.rx.clone()
        }
    }

    fn pick(holder: &Holder, i: usize) -> &Receiver<i32> {
        &holder.list[i]
    }

    /// An operand may be any expression, also one that makes a temporary: it lives as long as the wait.
    #[test]
    fn operands() {
        let holder = || Holder {
            rx: with(1),
            list: vec![with(2), with(3)],
        };
        let h = holder();
        now(async {
            select! { v = h.rx().recv() => assert_eq!(v, Ok(1)) }
        });
        let h = holder();
        now(async {
            select! { v = h.fresh().recv() => assert_eq!(v, Ok(1)) }
        });
        let h = holder();
        now(async {
            select! { v = (h.rx).recv() => assert_eq!(v, Ok(1)) }
        });
        now(async {
            select! { v = h.list[0].recv() => assert_eq!(v, Ok(2)) }
        });
        now(async {
            select! { v = pick(&h, 2 - 1).recv() => assert_eq!(v, Ok(3)) }
        });
        let h = holder();
        now(async {
            select! { v = { let rx = h.rx(); rx.recv() } => assert_eq!(v, Ok(1)) }
        });
        let (h, g) = (holder(), holder());
        now(async {
            select! { v = if h.list.is_empty() { h.rx.recv() } else { g.list[1].recv() } => assert_eq!(v, Ok(3)) }
        });
        now(async {
            select! { v = match h.list.len() { 2 => h.rx.recv(), _ => g.rx.recv() } => assert_eq!(v, Ok(1)) }
        });
        now(async {
            select! { v = (|| g.rx.recv())() => assert_eq!(v, Ok(1)) }
        });
        // A send of a computed value to a computed channel, without a pattern.
        let (tx, rx) = chan::<String>(1);
        let by = Some(tx);
        now(async {
            select! { by.as_ref().unwrap().send(format!("{}{}", 1, 2)) => {} }
        });
        assert_eq!(rx.try_recv().unwrap(), "12");
    }

    /// Bodies: a block with or without a comma, an expression with one, the last one without.
    #[test]
    fn bodies() {
        let quiet = never::<()>();
        let n = now(async {
            select! {
                _ = quiet.recv() => { 1 }
                _ = quiet.recv() => { 2 },
                _ = quiet.recv() => 3,
                _ = quiet.recv() => if true { 4 } else { 5 },
                _ = quiet.recv() => match 6 { n => n },
                v = fut(ready(7)) => v
            }
        });
        assert_eq!(n, 7);
        let rx = with("x");
        let text = now(async {
            select! {
                v = rx.recv() => match v {
                    Ok(s) => s.to_owned(),
                    Err(RecvError) => String::new(),
                },
                _ = quiet.recv() => unreachable!(),
            }
        });
        assert_eq!(text, "x");
    }

    /// A select is an expression; its bodies agree on a type, and those that do not return fit any.
    #[test]
    fn value() {
        fn value(rx: &Receiver<i32>) -> Result<i32, RecvError> {
            now(async {
                let n: i32 = select! {
                    v = rx.recv() => v?,
                    _ = fut(pending::<()>()) => return Ok(0),
                    default => panic!(),
                };
                Ok(n * 2)
            })
        }
        assert_eq!(value(&with(4)), Ok(8));
        assert_eq!(value(&with_closed()), Err(RecvError));
    }

    fn with_closed() -> Receiver<i32> {
        chan(0).1
    }

    #[test]
    fn default_alone_and_in_any_place() {
        assert_eq!(
            now(async {
                select! { default => 1 }
            }),
            1
        );
        assert_eq!(
            now(async {
                select! { default => { 2 } }
            }),
            2
        );
        let quiet = never::<()>();
        assert_eq!(
            now(async {
                select! { default => 1, _ = quiet.recv() => 2 }
            }),
            1
        );
        assert_eq!(
            now(async {
                select! { _ = quiet.recv() => 2, default => { 1 } _ = quiet.recv() => 3 }
            }),
            1
        );
    }

    /// A name of its own may be `default` or `biased` like.
    #[test]
    fn words_that_are_not_reserved() {
        let default = with(3);
        let biased = with(4);
        let v = now(async {
            select! { biased; v = default.recv() => v, v = biased.recv() => v }
        });
        assert_eq!(v, Ok(3));
        let v = now(async {
            select! { default = biased.recv() => default }
        });
        assert_eq!(v, Ok(4));
    }

    #[test]
    fn thirty_two_arms() {
        let quiet = never::<u32>();
        let rx = with(31);
        let v = now(async {
            select! {
                v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v,
                v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v,
                v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v,
                v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v,
                v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v,
                v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v,
                v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v,
                v = quiet.recv() => v, v = quiet.recv() => v, v = quiet.recv() => v, v = rx.recv() => v,
            }
        });
        assert_eq!(v, Ok(31));
    }

    /// A select in the operand of a select, and in its body.
    #[test]
    fn nested() {
        let (a, b, quiet) = (with(1), with(2), never::<i32>());
        let sum = now(async {
            select! {
                v = fut(async { select! { v = a.recv() => v.unwrap(), v = quiet.recv() => v.unwrap() } }) => {
                    let w = select! { w = b.recv() => w.unwrap(), _ = quiet.recv() => 0 };
                    v + w
                }
                _ = quiet.recv() => 0,
            }
        });
        assert_eq!(sum, 3);
    }

    /// The path of the macro may be written out; nothing has to be imported for it.
    #[test]
    fn by_path() {
        let rx = with(1);
        assert_eq!(
            now(async {
                ::gochan::select! { v = rx.recv() => v }
            }),
            Ok(1)
        );
        assert_eq!(::gochan::select_blocking! { default => 2 }, 2);
    }
}

#[allow(clippy::unit_arg)] // what an arm yields is passed on, whatever it is
mod evaluation {
    use super::*;

    /// A foreign future that makes a later arm ready while it is looked at, and waits on.
    macro_rules! fills {
        ($tx:expr) => {
            fut(std::future::poll_fn(|_| {
                let _ = $tx.try_send(1);
                std::task::Poll::<()>::Pending
            }))
        };
    }

    #[test]
    fn biased_looks_at_each_arm_in_its_turn() {
        let ((tx, filled), ready) = (chan(1), with(2));
        let won = now(async {
            select! {
                biased;
                () = fills!(tx) => 0,
                n = filled.recv() => n.unwrap(),
                n = ready.recv() => n.unwrap(),
            }
        });
        assert_eq!(won, 1);
    }

    #[test]
    fn a_limit_wins_only_if_nothing_else_does() {
        let (tx, filled) = chan(1);
        let won = now(async {
            select! {
                () = fills!(tx) => 0,
                n = filled.recv() => n.unwrap(),
                default(Duration::ZERO) => 2,
            }
        });
        assert_eq!(won, 1);
    }

    /// Notes the order of things.
    #[derive(Default)]
    struct Log(RefCell<Vec<&'static str>>);

    impl Log {
        fn note<T>(&self, what: &'static str, value: T) -> T {
            self.0.borrow_mut().push(what);
            value
        }

        fn take(&self) -> Vec<&'static str> {
            self.0.take()
        }
    }

    /// Each operand once, top to bottom, before anything happens; the bodies after.
    #[test]
    fn once_top_to_bottom() {
        let log = Log::default();
        let (tx, rx) = chan::<u8>(0);
        let quiet = never::<u8>();
        for _ in 0..50 {
            let mut s = task::spawn(async {
                select! {
                    _ = log.note("a", &quiet).recv() => unreachable!(),
                    r = log.note("b", &tx).send(log.note("c", 1)) => log.note("sent", r.unwrap()),
                    _ = log.note("d", &quiet).recv() => unreachable!(),
                }
            });
            assert_eq!(log.take(), [""; 0], "nothing before the first poll");
            assert_pending!(s.poll());
            assert_eq!(log.take(), ["a", "b", "c", "d"]);
            assert_pending!(s.poll());
            assert_eq!(rx.try_recv(), Ok(1));
            assert_ready!(s.poll());
            assert_eq!(log.take(), ["sent"]);
        }
    }

    /// Guards are evaluated once, in their place; a false one leaves its operand alone.
    #[test]
    fn guards() {
        let log = Log::default();
        let rx = with(1);
        let quiet = never::<i32>();
        let v = now(async {
            select! {
                v = log.note("no operand", &rx).recv(), if log.note("no", false) => v,
                v = log.note("operand", &rx).recv(), if log.note("yes", true) => v,
                v = log.note("other operand", &quiet).recv() => v,
            }
        });
        assert_eq!(v, Ok(1));
        assert_eq!(log.take(), ["no", "yes", "operand", "other operand"]);
        // A guard may be any condition, and protect its operand.
        let list: Vec<Receiver<i32>> = vec![];
        now(async {
            select! {
                _ = list[0].recv(), if !list.is_empty() && list.len() < 9 => unreachable!(),
                default => {}
            }
        });
    }

    #[test]
    fn optional_arms() {
        let rx = with(1);
        let (mut some, none) = (Some(&rx), None::<&Receiver<i32>>);
        let v = now(async {
            select! {
                v = none.map(|rx| rx.recv()) => v,
                v = some.map(|rx| rx.recv()) => v,
            }
        });
        assert_eq!(v, Ok(1));
        some = None;
        blocks(async {
            select! { _ = some.map(|rx| rx.recv()) => {}, _ = none.map(|rx| rx.recv()) => {} }
        });
        now(async {
            select! { _ = some.map(|rx| rx.recv()) => unreachable!(), default => {} }
        });
        // A guard over an optional arm.
        let v = now(async {
            select! {
                v = Some(rx.recv()), if false => v,
                default => Ok(9),
            }
        });
        assert_eq!(v, Ok(9));
    }

    /// With `biased` the first ready arm in the written order wins, always.
    #[test]
    fn biased() {
        let closed: Receiver<u8> = chan(0).1;
        let quiet = never::<u8>();
        for _ in 0..1_000 {
            let i = now(async {
                select! {
                    biased;
                    _ = quiet.recv() => 0,
                    _ = closed.recv() => 1,
                    _ = closed.recv() => 2,
                    default => 3,
                }
            });
            assert_eq!(i, 1);
        }
    }

    /// A losing inline send has dropped its value before the body runs, and no arm stands in any queue then.
    #[test]
    fn losers_are_gone_before_the_body() {
        let mint = Mint::new();
        let (tx, rx) = chan(0);
        let (other, quiet) = chan::<u8>(0);
        let (win, won) = chan::<u8>(0);
        let mut s = task::spawn(async {
            select! {
                _ = tx.send(mint.make()) => unreachable!(),
                _ = quiet.recv() => unreachable!(),
                v = won.recv() => {
                    assert_eq!(mint.drops_of(0), 1);
                    assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)));
                    assert!(other.try_send(1).is_err());
                    v
                }
            }
        });
        assert_pending!(s.poll());
        win.try_send(5).unwrap();
        assert_ready_eq!(s.poll(), Ok(5));
        drop(s);
        mint.assert_all_dropped_once();
    }

    /// What the operands borrow is free in the bodies.
    #[test]
    fn borrows_end_before_the_body() {
        let (tx, rx) = chan::<Vec<u8>>(1);
        let mut ends = Some((tx, rx));
        let mut list = vec![1];
        let left = now(async {
            select! {
                r = ends.as_ref().unwrap().0.send({ list.push(2); list.clone() }) => {
                    r.unwrap();
                    list.push(3);
                    let (tx, rx) = ends.take().unwrap();
                    drop(tx);
                    rx
                }
                _ = ends.as_ref().map(|e| e.1.recv()) => unreachable!("it was empty"),
            }
        });
        assert_eq!(
            (left.try_recv().unwrap(), list),
            (vec![1, 2], vec![1, 2, 3])
        );
        assert!(ends.is_none());
    }
}

#[allow(clippy::never_loop)] // the select's bodies decide
mod control_flow {
    use super::*;

    async fn sum_until_closed(rx: Receiver<u32>, skip: u32) -> u32 {
        let mut sum = 0;
        loop {
            select! {
                n = rx.recv() => {
                    let Ok(n) = n else { break };
                    if n == skip {
                        continue;
                    }
                    sum += n;
                }
            }
        }
        sum
    }

    async fn first_error(rx: Receiver<Result<u32, String>>) -> Result<u32, String> {
        let mut last = 0;
        for _ in 0..100 {
            select! {
                r = rx.recv() => match r {
                    Ok(r) => last = r?,
                    Err(RecvError) => return Ok(last),
                },
            }
        }
        unreachable!()
    }

    async fn relay(rx: Receiver<u32>, tx: Sender<u32>) -> Result<usize, SendError<u32>> {
        let mut n = 0;
        loop {
            select! {
                v = rx.recv() => match v {
                    Ok(v) => { tx.send(v).await?; gochan::yield_now().await; n += 1 }
                    Err(RecvError) => return Ok(n),
                }
            }
        }
    }

    /// `break`, `continue`, `return`, `?` and `.await` in bodies belong to what is around the select.
    async fn body(place: Place) {
        let (tx, rx) = chan(0);
        let sum = place.go(sum_until_closed(rx, 3));
        for n in 0..6 {
            tx.send(n).await.unwrap();
        }
        drop(tx);
        assert_eq!(sum.join().await, 15 - 3);

        let (tx, rx) = chan(0);
        let error = place.go(first_error(rx));
        tx.send(Ok(1)).await.unwrap();
        tx.send(Err("no".into())).await.unwrap();
        assert_eq!(error.join().await, Err("no".into()));
        assert!(tx.is_closed());

        let ((tx, rx), (tx2, rx2)) = (chan(0), chan(0));
        let n = place.go(relay(rx, tx2));
        for v in 0..5 {
            tx.send(v).await.unwrap();
            assert_eq!(rx2.recv().await, Ok(v));
        }
        drop(rx2);
        tx.send(9).await.unwrap();
        assert_eq!(n.join().await, Err(SendError(9)));
    }
    everywhere!(body);

    #[test]
    fn labels() {
        let closed: Receiver<u8> = chan(0).1;
        let mut rounds = 0;
        let n = now(async {
            'outer: loop {
                loop {
                    rounds += 1;
                    select! {
                        _ = closed.recv(), if rounds < 3 => continue 'outer,
                        _ = closed.recv(), if rounds >= 3 => break 'outer rounds,
                    }
                }
            }
        });
        assert_eq!(n, 3);
    }

    /// The same on a plain thread.
    #[test]
    fn blocking() {
        fn run(rx: &Receiver<Result<u8, String>>) -> Result<u8, String> {
            let mut sum = 0;
            loop {
                select_blocking! {
                    v = rx.recv() => match v {
                        Ok(v) => sum += v?,
                        Err(RecvError) => break,
                    }
                }
            }
            Ok(sum)
        }
        watch(|| {
            let (tx, rx) = chan(3);
            for v in [Ok(1), Err("bad".to_owned()), Ok(2)] {
                tx.try_send(v).unwrap();
            }
            drop(tx);
            assert_eq!(run(&rx), Err("bad".into()));
            assert_eq!(run(&rx), Ok(2));
        });
    }
}

mod by_reference {
    use super::*;

    /// An operation made outside keeps its value when it loses, and may try again.
    #[test]
    fn send_keeps_its_value() {
        let mint = Mint::new();
        let (tx, rx) = chan(0);
        let mut op = tx.send(mint.make());
        for _ in 0..3 {
            now(async {
                select! { _ = &mut op => unreachable!(), default => {} }
            });
        }
        let (win, won) = chan::<u8>(0);
        {
            let mut s = task::spawn(async {
                select! { _ = &mut op => unreachable!(), v = won.recv() => v }
            });
            assert_pending!(s.poll());
            win.try_send(1).unwrap();
            assert_ready_eq!(s.poll(), Ok(1));
        }
        assert!(rx.try_recv().is_err(), "it stands in no queue");
        assert_eq!(mint.live(), 1);
        assert_eq!(op.into_inner().map(|c| c.n()), Some(0));

        let mut op = tx.send(mint.make());
        {
            let mut s = task::spawn(async {
                select! { r = &mut op => r.unwrap(), _ = won.recv() => unreachable!() }
            });
            assert_pending!(s.poll());
            assert_eq!(rx.try_recv().unwrap(), 1);
            assert_ready!(s.poll());
        }
        assert!(op.into_inner().is_none());
        mint.assert_all_dropped_once();
    }

    /// After a loss it can be awaited by itself.
    #[test]
    fn awaited_after_a_loss() {
        let (tx, rx) = chan(0);
        let mut op = tx.send(5);
        now(async {
            select! { _ = &mut op => unreachable!(), default => {} }
        });
        let mut op = task::spawn(op);
        assert_pending!(op.poll());
        assert_eq!(rx.try_recv(), Ok(5));
        assert_ready_ok!(op.poll());

        let mut op = rx.recv();
        now(async {
            select! { _ = &mut op => unreachable!(), default => {} }
        });
        let mut op = task::spawn(op);
        assert_pending!(op.poll());
        tx.try_send(6).unwrap();
        assert_ready_eq!(op.poll(), Ok(6));
    }

    /// A select that is dropped in mid-wait hands the value back to the operation, too.
    #[test]
    fn dropped_in_mid_wait() {
        let mint = Mint::new();
        let (tx, rx) = chan(0);
        let quiet = never::<u8>();
        let mut op = tx.send(mint.make());
        {
            let mut s = task::spawn(async {
                select! { _ = &mut op => {}, _ = quiet.recv() => {} }
            });
            assert_pending!(s.poll());
        }
        assert!(rx.try_recv().is_err());
        let coin = op.into_inner().unwrap();
        // Taken by a receiver and the select dropped before it could see that: it was sent.
        let mut op = tx.send(coin);
        let got = {
            let mut s = task::spawn(async {
                select! { _ = &mut op => {}, _ = quiet.recv() => {} }
            });
            assert_pending!(s.poll());
            rx.try_recv().unwrap()
        };
        assert!(op.into_inner().is_none());
        drop(got);
        // Given to a receive whose select is dropped: to the front.
        let mut op = rx.recv();
        {
            let mut s = task::spawn(async {
                select! { _ = &mut op => {}, _ = quiet.recv() => {} }
            });
            assert_pending!(s.poll());
            tx.try_send(mint.make()).unwrap();
        }
        drop(op);
        assert_eq!(rx.try_recv().unwrap(), 1);
        mint.assert_all_dropped_once();
    }

    /// In a loop: the send is made once and wins at last, with everything received meanwhile.
    async fn in_a_loop(place: Place) {
        let (tx, rx) = chan::<u32>(0);
        let (news, heard) = chan::<u32>(0);
        let talker = place.go(async move {
            for n in 0..20 {
                news.send(n).await.unwrap();
            }
            rx.recv().await
        });
        let mut op = tx.send(99);
        let mut count = 0;
        loop {
            select! {
                r = &mut op => { r.unwrap(); break }
                _ = heard.recv(), if count < 20 => count += 1,
            }
        }
        assert_eq!((count, talker.join().await), (20, Ok(99)));
    }
    everywhere!(in_a_loop);
}

mod defaults {
    use super::*;

    #[test]
    fn runs_only_if_nothing_is_ready() {
        let (tx, rx) = chan(1);
        assert_eq!(
            now(async {
                select! { v = rx.recv() => v.ok(), default => None }
            }),
            None
        );
        tx.try_send(1).unwrap();
        assert_eq!(
            now(async {
                select! { v = rx.recv() => v.ok(), default => None }
            }),
            Some(1)
        );
        drop(tx);
        assert!(now(async {
            select! { v = rx.recv() => v.is_err(), default => false }
        }));
    }

    /// A wait with an end: the value if it comes before, else the default; what is ready now wins over a time of zero.
    async fn after_a_time(_: Place) {
        let short = Duration::from_millis(2);
        let (tx, rx) = chan(1);
        let timed_out = select! { _ = rx.recv() => false, default(short) => true };
        assert!(timed_out);
        let timed_out = select! { _ = rx.recv() => false, default(Duration::ZERO) => true };
        assert!(timed_out);
        tx.send(1).await.unwrap();
        let got = select! { v = rx.recv() => v.ok(), default(Duration::ZERO) => None };
        assert_eq!(got, Some(1));
        tx.send(2).await.unwrap();
        let got = select! { v = rx.recv() => v.ok(), default(Duration::from_secs(3600)) => None };
        assert_eq!(got, Some(2));
        // The end of the wait may be any expression, evaluated once, and its body may leave what is around.
        let mut rounds = 0;
        loop {
            select! {
                _ = rx.recv() => unreachable!(),
                default({ rounds += 1; short }) => { if rounds == 3 { break } }
            }
        }
        assert_eq!(rounds, 3);
    }
    everywhere!(after_a_time);

    #[test]
    fn after_a_time_on_a_thread() {
        watch(|| {
            let (tx, rx) = chan::<u8>(1);
            let short = Duration::from_millis(2);
            assert!(select_blocking! { _ = rx.recv() => false, default(short) => true });
            tx.try_send(1).unwrap();
            assert!(select_blocking! { v = rx.recv() => v.is_ok(), default(short) => false });
        });
    }

    /// Given up in mid-wait it leaves nothing behind.
    #[test]
    fn dropped() {
        let (tx, rx) = chan::<u8>(0);
        let mut s = Box::pin(async {
            select! { _ = rx.recv() => {}, default(Duration::from_secs(3600)) => {} }
        });
        assert!(poll_once(s.as_mut()).is_pending());
        drop(s);
        assert!(tx.try_send(1).is_err());
    }
}

mod arms_of_every_kind {
    use super::*;
    use gochan::time::{Ticker, Timer};

    async fn body(place: Place) {
        let quiet = never::<u8>();
        let short = Duration::from_millis(1);
        let (tx, rx) = chan::<u8>(0);

        select! { () = gochan::sleep(short) => {}, _ = quiet.recv() => unreachable!() }
        let timer = Timer::new(short);
        select! { _ = timer.recv() => {}, _ = quiet.recv() => unreachable!() }
        let ticker = Ticker::new(short);
        for _ in 0..3 {
            select! { _ = ticker.tick() => {}, _ = quiet.recv() => unreachable!() }
        }
        select! { r = fut(rx.recv_timeout(short)) => assert!(r.unwrap_err().is_timeout()), _ = quiet.recv() => unreachable!() }
        // The close of the channel beside a send that nobody takes.
        let closer = rx.clone();
        place.go(async move { closer.close() });
        loop {
            select! {
                () = tx.closed() => break,
                r = tx.send(1) => assert_eq!(r, Err(SendError(1))),
            }
        }
        assert_eq!(rx.recv().await, Err(RecvError));

        // A foreign future is dropped when it loses, and not before.
        let (held, watched) = chan::<u8>(0);
        let foreign = async move {
            pending::<()>().await;
            drop(held);
        };
        select! {
            _ = fut(foreign) => unreachable!(),
            _ = gochan::sleep(short) => assert!(watched.is_closed()),
        }
        assert!(watched.is_closed());
    }
    everywhere!(body);

    /// The end of a task; a handle that loses by reference can be waited for again.
    async fn join(_: Place) {
        let quiet = never::<u8>();
        let task = gochan::go(async { 5 });
        select! { r = task => assert_eq!(r.unwrap(), 5), _ = quiet.recv() => unreachable!() }
        let mut joined = gochan::go(async { 6 });
        let n = loop {
            select! {
                r = &mut joined => break r.unwrap(),
                _ = gochan::sleep(Duration::from_millis(1)) => {}
            }
        };
        assert_eq!(n, 6);
    }

    mod joined {
        use super::*;
        everywhere!(join);
    }

    /// A foreign future that is kept outside goes on from where it was.
    #[test]
    fn a_foreign_future_is_polled_once_a_poll() {
        let (_tx, rx) = chan::<u8>(1);
        // Each arm may be the first that is drawn.
        for _ in 0..100 {
            let mut polls = 0;
            let counted = std::future::poll_fn(|_| {
                polls += 1;
                std::task::Poll::<()>::Pending
            });
            let mut select = task::spawn(async {
                select! {
                    _ = rx.recv() => {},
                    _ = fut(counted) => {},
                    _ = rx.recv() => {},
                }
            });
            assert_pending!(select.poll());
            drop(select);
            assert_eq!(polls, 1);
        }
    }

    #[test]
    fn foreign_by_reference() {
        let mut steps = 0;
        let mut slow = Box::pin(std::future::poll_fn(move |_| {
            steps += 1;
            if steps < 4 {
                std::task::Poll::Pending
            } else {
                std::task::Poll::Ready(steps)
            }
        }));
        let mut rounds = 0;
        let n = now(async {
            loop {
                rounds += 1;
                select! {
                    biased;
                    n = fut(slow.as_mut()) => break n,
                    default => {}
                }
            }
        });
        assert_eq!((n, rounds), (4, 4));
    }
}

mod uniform {
    use super::*;

    /// Fails if a share of `n` choices between `of` is further than `sigmas` from even. Seven sigma: once in 4e11.
    #[track_caller]
    fn assert_even(counts: &[usize], sigmas: f64) {
        let n: usize = counts.iter().sum();
        let p = 1.0 / counts.len() as f64;
        let sigma = (n as f64 * p * (1.0 - p)).sqrt();
        for count in counts {
            let off = (*count as f64 - n as f64 * p).abs();
            assert!(off < sigmas * sigma, "{counts:?}: {:.1} sigma", off / sigma);
        }
    }

    const SIGMAS: f64 = 7.0;

    /// Three arms that are always ready and one that never is, in each of its four places. With 1,000,000 selects one per
    /// cent of a third is 7.07 sigma of a share, so a fair select fails once in 2e11 runs.
    #[test]
    fn three_ready_arms_and_one_that_never_is() {
        watch(|| {
            const N: usize = 250_000;
            let ready: Receiver<u8> = chan(0).1; // closed
            let quiet = never::<u8>();
            let mut total = [0; 3];
            for place in 0..4 {
                let mut counts = [0; 3];
                for _ in 0..N {
                    let i = now(async {
                        match place {
                            0 => {
                                select! { _ = quiet.recv() => 9, _ = ready.recv() => 0, _ = ready.recv() => 1, _ = ready.recv() => 2 }
                            }
                            1 => {
                                select! { _ = ready.recv() => 0, _ = quiet.recv() => 9, _ = ready.recv() => 1, _ = ready.recv() => 2 }
                            }
                            2 => {
                                select! { _ = ready.recv() => 0, _ = ready.recv() => 1, _ = quiet.recv() => 9, _ = ready.recv() => 2 }
                            }
                            _ => {
                                select! { _ = ready.recv() => 0, _ = ready.recv() => 1, _ = ready.recv() => 2, _ = quiet.recv() => 9 }
                            }
                        }
                    });
                    counts[i] += 1;
                }
                assert_even(&counts, SIGMAS);
                total.iter_mut().zip(counts).for_each(|(t, n)| *t += n);
            }
            for count in total {
                let share = count as f64 / (4 * N) as f64;
                assert!((share * 3.0 - 1.0).abs() < 0.01, "{total:?}");
            }
        });
    }

    /// Different channels, in any order of their addresses, with values in their buffers.
    #[test]
    fn different_channels() {
        watch(|| {
            const N: usize = 60_000;
            let channels: Vec<_> = (0..3).map(|_| chan::<u8>(1)).collect();
            let [a, b, c] = [0, 1, 2].map(|i| &channels[i].1);
            let mut counts = [0; 3];
            for _ in 0..N {
                for (tx, _) in &channels {
                    tx.try_send(1).ok();
                }
                let i = now(async {
                    select! { _ = a.recv() => 0, _ = b.recv() => 1, _ = c.recv() => 2 }
                });
                counts[i] += 1;
            }
            assert_even(&counts, SIGMAS);
        });
    }

    /// Sends and receives are chosen alike, and so on a plain thread.
    #[test]
    fn sends_and_receives_on_a_thread() {
        watch(|| {
            const N: usize = 30_000;
            let (tx, rx) = chan::<u8>(2);
            let mut counts = [0; 2];
            for _ in 0..N {
                rx.drain().for_each(drop);
                tx.try_send(1).unwrap();
                counts[select_blocking! { _ = tx.send(2) => 0, _ = rx.recv() => 1 }] += 1;
            }
            assert_even(&counts, SIGMAS);
        });
    }

    /// Two arms on one channel that both had to wait: whoever comes meets either of them, as Go shuffles them in the queue.
    #[test]
    fn two_waiting_arms_of_one_channel() {
        watch(|| {
            const N: usize = 5_000;
            let (tx, rx) = chan::<usize>(0);
            let (mut sends, mut receives) = ([0; 2], [0; 2]);
            for _ in 0..N {
                let mut s = task::spawn(async {
                    select! { r = tx.send(0) => r, r = tx.send(1) => r }
                });
                assert_pending!(s.poll());
                sends[rx.try_recv().unwrap()] += 1;
                assert_ready_ok!(s.poll());
                let mut s = task::spawn(async {
                    select! { _ = rx.recv() => 0, _ = rx.recv() => 1 }
                });
                assert_pending!(s.poll());
                tx.try_send(0).unwrap();
                receives[assert_ready!(s.poll())] += 1;
            }
            assert_even(&sends, SIGMAS);
            assert_even(&receives, SIGMAS);
        });
    }

    /// The order of all arms is a uniform permutation, not a random start: after the first choice the others are even, too.
    #[test]
    fn every_order() {
        watch(|| {
            const N: usize = 60_000;
            let rx: [Receiver<u8>; 3] = [(); 3].map(|()| chan(0).1);
            let mut orders = [0; 6];
            for _ in 0..N {
                let seen = RefCell::new(Vec::new());
                // Foreign futures that are never ready show the order in which they are looked at.
                let look = |i| {
                    let seen = &seen;
                    fut(std::future::poll_fn(move |_| {
                        seen.borrow_mut().push(i);
                        std::task::Poll::<()>::Pending
                    }))
                };
                now(async {
                    select! { _ = look(0) => {}, _ = look(1) => {}, _ = look(2) => {}, default => {} }
                });
                let order = seen.take();
                let rank = order[0] * 2 + usize::from(order[1] > order[2]);
                orders[rank] += 1;
            }
            assert_even(&orders, SIGMAS);
            drop(rx);
        });
    }
}

mod twins {
    use super::*;
    use gochan::{Sel2, Sel3, SelectList};

    /// The function over a tuple: an enum for an ordinary `match`.
    async fn tuple(_: Place) {
        let (tx, rx) = chan::<u8>(1);
        let quiet = never::<u8>();
        match gochan::select((rx.recv(), tx.send(7))).await {
            Sel2::A(_) => panic!("nothing was there"),
            Sel2::B(sent) => sent.unwrap(),
        }
        match gochan::select((quiet.recv(), rx.recv(), tx.send(8))).await {
            Sel3::A(_) | Sel3::C(_) => panic!("not ready"),
            Sel3::B(v) => assert_eq!(v, Ok(7)),
        }
        let mut op = tx.send(9);
        match gochan::select((&mut op, quiet.recv())).await {
            Sel2::A(sent) => sent.unwrap(),
            Sel2::B(_) => panic!("never"),
        }
        match gochan::select((None::<gochan::chan::RecvFuture<'_, u8>>, Some(rx.recv()))).await {
            Sel2::A(_) => panic!("nil"),
            Sel2::B(v) => assert_eq!(v, Ok(9)),
        }
    }
    everywhere!(tuple);

    #[test]
    fn tuple_is_fair_and_leaves_no_trace() {
        let closed: Receiver<u8> = chan(0).1;
        let mut counts = [0; 2];
        for _ in 0..2_000 {
            match now(gochan::select((closed.recv(), closed.recv()))) {
                Sel2::A(_) => counts[0] += 1,
                Sel2::B(_) => counts[1] += 1,
            }
        }
        // 1000 +- 22; 200 is nine sigma.
        assert!(counts.iter().all(|n| (800..1200).contains(n)), "{counts:?}");
        let (tx, rx) = chan::<u8>(0);
        let mut s = task::spawn(gochan::select((rx.recv(), closed_never().recv())));
        assert_pending!(s.poll());
        drop(s);
        assert!(tx.try_send(1).is_err());
    }

    fn closed_never() -> &'static Receiver<u8> {
        static NEVER: std::sync::OnceLock<Receiver<u8>> = std::sync::OnceLock::new();
        NEVER.get_or_init(never)
    }

    /// A list of arms whose number is known only when it runs; the winner leaves it, the others stay.
    async fn list(place: Place) {
        const N: usize = 20;
        let channels: Vec<_> = (0..N).map(|_| chan::<usize>(0)).collect();
        for (i, (tx, _)) in channels.iter().enumerate() {
            let tx = tx.clone();
            place.go(async move { tx.send(i * 10).await.unwrap() });
        }
        let mut list: SelectList<'_, _> = channels.iter().map(|(_, rx)| rx.recv()).collect();
        let mut seen = [false; N];
        while !list.is_empty() {
            let (i, v) = list.next().await;
            assert_eq!(v, Ok(i * 10));
            assert!(!std::mem::replace(&mut seen[i], true));
        }
        assert_eq!(seen, [true; N]);
    }

    /// The same arms wait again and again, in a loop that puts a new one in the place of the winner.
    async fn list_again(place: Place) {
        let n = place.scale(2_000, 500);
        let (txs, rxs): (Vec<_>, Vec<_>) = (0..5).map(|_| chan::<usize>(0)).unzip();
        for (i, tx) in txs.into_iter().enumerate() {
            place.go(async move {
                for k in 0..n {
                    tx.send(k * 5 + i).await.unwrap();
                }
            });
        }
        let mut list = SelectList::new();
        for rx in &rxs {
            list.push(rx.recv());
        }
        let mut next = [0; 5];
        while !list.is_empty() {
            let (i, v) = list.next().await;
            if let Ok(v) = v {
                assert_eq!(v, next[i] * 5 + i, "in order");
                next[i] += 1;
                assert_eq!(list.push(rxs[i].recv()), i);
            }
        }
        assert_eq!(next, [n; 5]);
    }

    mod lists {
        use super::*;
        everywhere!(list);
    }

    mod lists_again {
        use super::*;
        everywhere!(list_again);
    }

    /// A wait that is given up leaves the arms in the list and out of every queue; what was given to one goes on.
    #[test]
    fn list_given_up() {
        for cap in [0, 2] {
            let mint = Mint::new();
            let (tx, rx) = chan(cap);
            let quiet = never();
            let mut list = SelectList::new();
            list.push(rx.recv());
            list.push(quiet.recv());
            {
                let mut next = task::spawn(list.next());
                assert_pending!(next.poll());
            }
            if cap == 0 {
                assert!(tx.try_send(mint.make()).is_err(), "it stands in no queue");
            }
            {
                let mut next = task::spawn(list.next());
                assert_pending!(next.poll());
                tx.try_send(mint.make()).unwrap();
                assert!(next.is_woken());
            }
            assert_eq!((rx.len(), list.len()), (1, 2));
            assert_eq!(now(list.next()).0, 0);
            drop(list);
            mint.assert_all_dropped_once();
        }
    }

    /// A send that was taken while nobody looked is what the next look finds; the value is not sent twice.
    #[test]
    fn list_given_up_after_a_send() {
        let mint = Mint::new();
        let (tx, rx) = chan(0);
        let mut list = SelectList::new();
        list.push(tx.send(mint.make()));
        {
            let mut next = task::spawn(list.next());
            assert_pending!(next.poll());
            assert_eq!(rx.try_recv().unwrap(), 0);
        }
        assert!(matches!(list.try_next(), Some((0, Ok(())))));
        assert!(list.is_empty() && rx.try_recv().is_err());
        drop(list);
        mint.assert_all_dropped_once();
    }

    /// A leaked wait does no harm: the list takes its arms out of the queues itself, at its next use or its end.
    #[test]
    fn list_leaked() {
        for used in [false, true] {
            let mint = Mint::new();
            let (tx, rx) = chan(0);
            let quiet = never();
            let mut list = SelectList::new();
            list.push(rx.recv());
            let mut next = Box::pin(list.next());
            assert!(poll_once(next.as_mut()).is_pending());
            std::mem::forget(next);
            if used {
                list.push(quiet.recv());
                assert!(tx.try_send(mint.make()).is_err());
                assert!(list.remove(0) && !list.remove(0));
                assert_eq!(list.len(), 1);
            }
            drop(list);
            assert!(tx.try_send(mint.make()).is_err());
            mint.assert_all_dropped_once();
        }
    }
}

/// The future of a select may travel between threads if its values may.
#[test]
fn is_send() {
    fn assert_send<T: Send>(_: T) {}
    let (tx, rx) = chan::<std::cell::Cell<u8>>(0);
    assert_send(async move {
        select! {
            _ = rx.recv() => {}
            _ = tx.send(std::cell::Cell::new(1)) => {}
            _ = gochan::sleep(Duration::from_secs(1)) => {}
            default(Duration::from_secs(1)) => {}
        }
        select! {
            biased;
            p = tx.reserve() => drop(p),
            () = tx.closed() => {}
        }
    });
}
