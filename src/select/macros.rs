//! The syntax: `select!` and `select_blocking!`.
//!
//! What it is not: a decision. The macros put the operands into a list of cases, wait for one, and match on which it was.
//!
//! Two steps per arm. `@arms` looks at how the arm begins: `default`, a pattern, or an operand at once. It tells patterns
//! by the shape of their tokens, because a fragment that does not parse is an error and no other rule is tried. `@arm`
//! reads operand, guard and body, and adds them to the state:
//!
//! ```text
//! { head default operands patterns bodies }
//!   head      [order how]            `biased` or not; `.await` or `.wait()`
//!   default   [] | [now body] | [after (duration) body]
//!   operands  [ (operand [, guard]) ... ]
//!   patterns  [ (Left(.. Right(out) ..)) ... ]   of what `Nil.arm(operand).arm(operand)...` yields: one more arm puts
//!                                                a `Left` around all that came before it
//!   bodies    [ { let pattern = out; body } ... ]
//! ```
//!
//! `@done` writes it all down:
//!
//! ```text
//! {
//!     let out = Select::new(false, Nil.arm(operand).arm(operand)).await;   // temporaries of operands end here
//!     match out {
//!         Left(Right(out)) => { let pattern = out; body }
//!         Right(out) => { let pattern = out; body }
//!     }
//! }
//! ```
//!
//! Bodies are taken as `{ $($body:tt)* }` where they are blocks, so that an editor can complete in one that does not
//! parse yet.

/// The twin of [`select!`](crate::select!) for plain threads: blocks this thread until an arm wins.
///
/// The grammar and the laws are those of [`select!`](crate::select!). Not for tasks: it would block their worker.
///
/// ```
/// use gochan::{chan, select_blocking};
///
/// let (tx, rx) = chan(0);
/// let (done, quit) = chan::<()>(0);
/// let producer = std::thread::spawn(move || {
///     for n in 0..10 {
///         tx.send_blocking(n).unwrap();
///     }
///     drop(done);
/// });
/// let mut sum = 0;
/// loop {
///     select_blocking! {
///         n = rx.recv() => sum += n.unwrap_or(0),
///         _ = quit.recv() => break,
///     }
/// }
/// assert_eq!(sum, 45);
/// producer.join().unwrap();
/// ```
#[macro_export]
macro_rules! select_blocking {
    ($($arms:tt)*) => {
        $crate::__select!(@start [.wait()] $($arms)*)
    };
}

/// Waits for the first of several operations, takes it back from all the others, and runs the body that belongs to it.
///
/// ```
/// use gochan::{chan, go, select};
///
/// # gochan::block_on(async {
/// let (jobs, queue) = chan(2);
/// let (stop, stopped) = chan::<()>(0);
/// let worker = go(async move {
///     let mut done = 0;
///     loop {
///         select! {
///             job = queue.recv() => match job {
///                 Ok(n) => done += n,
///                 Err(_) => break done,
///             },
///             _ = stopped.recv() => break done,
///         }
///     }
/// });
/// for n in [1, 2, 3] {
///     jobs.send(n).await.unwrap();
/// }
/// drop(jobs);
/// assert_eq!(worker.await.unwrap(), 6);
/// # drop(stop);
/// # });
/// ```
///
/// It is an expression that awaits in place: the value is that of the body that ran. Plain threads use
/// [`select_blocking!`](crate::select_blocking!). Twins without a macro, which an editor can format: the function
/// [`select`](crate::select()) takes a tuple of operations, [`SelectList`](crate::SelectList) any number of them.
///
/// # Grammar
/// ```text
/// select! {
///     biased;                                     // optional
///     pattern = operation            => body,
///     operation                      => body,     // the output is dropped
///     pattern = operation, if guard  => body,
///     default                        => body,     // at most one, anywhere; or
///     default(duration)              => body,
/// }
/// ```
/// A body is a block, with or without a comma, or an expression with one; after the last arm the comma is optional. There
/// are up to 32 arms.
///
/// **Operations** are the futures that this crate's methods return: `rx.recv()`, `tx.send(v)`, `tx.reserve()`,
/// `tx.closed()`, [`sleep`](crate::sleep), ticks, ... Any type that is an [`Arm`](crate::Arm) will do:
///
/// * `&mut operation`: one that was made outside. If it loses it is as it was; a send still has its value.
/// * `Option<operation>`: `None` is never ready, as Go's nil channel.
/// * [`fut(future)`](crate::fut): any other future. It is dropped when it loses. What its poll does cannot be taken back, so
///   no other arm may win during it: each time the task is woken, the select leaves the queues it stands in, looks at
///   all arms again, and queues anew at the end.
///
/// ```
/// use gochan::{chan, fut, select};
///
/// # gochan::block_on(async {
/// let (tx, rx) = chan::<String>(0);
/// let mut send = tx.send("kept".to_string());
/// select! {
///     &mut send => unreachable!("nobody receives"),
///     n = fut(async { 7 }) => assert_eq!(n, 7),
/// }
/// assert_eq!(send.into_inner().unwrap(), "kept");
///
/// // The ends that are still open: a source that has ended is not asked again.
/// let (mut a, mut b) = (Some(rx), Some(gochan::never::<String>()));
/// drop(tx);
/// select! {
///     v = a.as_ref().map(|rx| rx.recv()) => if v.is_err() { a = None },
///     v = b.as_ref().map(|rx| rx.recv()) => if v.is_err() { b = None },
/// }
/// assert!(a.is_none() && b.is_some());
/// # });
/// ```
///
/// They are evaluated once, from top to bottom, before any of them is looked at. Temporaries in them, such as the channel
/// handle in `self.rx().recv()`, live until the wait is over and die before the body.
///
/// **Patterns** are those that cannot fail, as after `let`: `name`, `mut name`, `_`, `(a, b)`, `[a, b]`, `Path(a)`,
/// `Path { a, .. }`. To take a `Result` apart, match in the body. With `_`, or without a pattern, the output is dropped
/// before the body runs.
///
/// ```
/// # gochan::block_on(async {
/// # use gochan::{chan, select};
/// struct Point { x: i32, y: i32 }
/// let (tx, rx) = chan(1);
/// tx.send(Point { x: 1, y: 2 }).await.unwrap();
/// let (_keep, never) = chan::<()>(0);
/// select! {
///     mut p = rx.recv() => {
///         if let Ok(p) = &mut p {
///             p.x += p.y;
///         }
///         assert_eq!(p.unwrap().x, 3);
///     }
///     _ = never.recv() => unreachable!(),
/// }
/// # });
/// ```
///
/// **Guards** switch an arm off: if it is false, the operation is not even evaluated, and the arm is never ready. Guards
/// are evaluated with the operands, each before its own. The temporaries of a guarded operand end with the operand: bind
/// to a variable what it borrows from.
///
/// ```
/// # gochan::block_on(async {
/// # use gochan::{chan, select};
/// let (tx, rx) = chan(1);
/// let (mut pending, mut got) = (vec![3, 2, 1], vec![]);
/// while got.len() < 3 {
///     select! {
///         // Not empty, or `last` would panic.
///         r = tx.send(*pending.last().unwrap()), if !pending.is_empty() => {
///             r.unwrap();
///             pending.pop();
///         }
///         v = rx.recv() => got.push(v.unwrap()),
///     }
/// }
/// assert_eq!(got, [1, 2, 3]);
/// # });
/// ```
///
/// **Bodies** are ordinary code in the place where the select stands, no closures: `?`, `return`, `break`, `continue` and
/// `.await` work in them. All operations are dropped before, so a body can use what they borrowed.
///
/// ```
/// # use gochan::{chan, select, Receiver, RecvError};
/// async fn sum(rx: Receiver<u32>, log: Receiver<u32>) -> Result<u32, RecvError> {
///     let mut sum = 0;
///     'all: loop {
///         select! {
///             n = rx.recv() => {
///                 let n = n?;
///                 if n == 0 {
///                     break 'all;
///                 }
///                 sum += n;
///                 log.recv().await?;
///             }
///             r = log.recv() => {
///                 r?;
///                 continue;
///             }
///         }
///     }
///     Ok(sum)
/// }
/// # let (tx, rx) = chan(4);
/// # let (l, log) = gochan::unbounded();
/// # (0..1000).for_each(|n| l.try_send(n).unwrap());
/// # [1, 2, 0].map(|n| tx.try_send(n).unwrap());
/// # assert_eq!(gochan::block_on(sum(rx, log)), Ok(3));
/// ```
///
/// **`default`** runs when no arm can go on now: the select does not wait. There was one moment at which none was ready;
/// they were not looked at one after the other while values went past. (In a task it may still give way once, as every
/// operation does, when the task has used up its slice.)
///
/// **`default(duration)`** runs when the wait has taken that long: a last arm [`sleep(duration)`](crate::sleep), which
/// wins only if no other does, however short it is. The duration is evaluated after all operands. It needs the feature
/// `rt`.
///
/// ```
/// use gochan::{chan, select};
/// use std::time::Duration;
///
/// # gochan::block_on(async {
/// let (tx, rx) = chan::<u8>(1);
/// let v = select! {
///     v = rx.recv() => v.ok(),
///     default => None,
/// };
/// assert_eq!(v, None);
/// tx.send(1).await.unwrap();
/// let v = select! {
///     v = rx.recv() => v.ok(),
///     default(Duration::ZERO) => None,
/// };
/// assert_eq!(v, Some(1));
/// # });
/// ```
///
/// **`biased;`** looks at the arms in the written order. Without it the order is drawn anew each time, all orders equally
/// likely, so that no arm that is ready again and again keeps the others out.
///
/// ```
/// # gochan::block_on(async {
/// # use gochan::{chan, select};
/// # let (cancel, cancelled) = chan::<()>(1);
/// # let (tx, rx) = chan(1);
/// # tx.send(1).await.unwrap();
/// cancel.send(()).await.unwrap();
/// select! {
///     biased;
///     _ = cancelled.recv() => {}
///     _ = rx.recv() => unreachable!("also ready, but below"),
/// }
/// # });
/// ```
///
/// # Laws
/// * An arm's effect happens if and only if its body runs: no value is taken by, or sent from, an arm that loses. Losers
///   leave nothing in any queue. [`fut`](crate::fut) keeps that law only as far as its future does.
/// * A send arm that loses drops its value. To keep it, use `&mut send`, or [`reserve`](crate::Sender::reserve) and build
///   the value in the body.
/// * A closed channel makes its arms ready, with an error; there is no panic. Where a channel has ended, leave the loop,
///   or make its arm `None`: else it is ready each time.
/// * A select never meets itself: one that sends and receives on the same channel waits for somebody else. Two selects
///   that face each other never deadlock.
/// * All arms switched off, by guards or `None`: it waits for ever, as Go's `select {}`.
/// * It costs one operation of the task's slice, and while it waits its record shows every arm.
///
/// ```
/// # gochan::block_on(async {
/// # use gochan::{chan, select};
/// let (tx, rx) = chan(1);
/// let never = gochan::never::<()>();
/// select! {
///     permit = tx.reserve() => permit.unwrap().send("built only if there is room").unwrap(),
///     _ = never.recv() => unreachable!(),
/// }
/// assert_eq!(rx.len(), 1);
/// # });
/// ```
///
/// # Cancellation
/// Safe at any time: a select that is dropped in mid-wait has done nothing. What a peer had already given to one of its
/// arms goes to the next who waits, else back to the front of the channel; only a send that a receiver has already taken
/// stays sent.
///
/// # Panics
/// If an operation passed as `&mut` has already completed.
///
/// # Compile errors
/// No arms:
/// ```compile_fail
/// # async fn f() {
/// gochan::select! {}
/// # }
/// ```
/// A second `default`:
/// ```compile_fail
/// # async fn f(rx: gochan::Receiver<u8>) {
/// gochan::select! { default => (), _ = rx.recv() => (), default => () }
/// # }
/// ```
/// `;` after an arm:
/// ```compile_fail
/// # async fn f(rx: gochan::Receiver<u8>) {
/// gochan::select! { _ = rx.recv() => {}; default => {} }
/// # }
/// ```
/// An arm without `=>`:
/// ```compile_fail
/// # async fn f(rx: gochan::Receiver<u8>) {
/// gochan::select! { v = rx.recv(), default => {} }
/// # }
/// ```
/// A pattern that can fail:
/// ```compile_fail,E0005
/// # async fn f(rx: gochan::Receiver<u8>) {
/// gochan::select! { Ok(v) = rx.recv() => drop(v) }
/// # }
/// ```
/// A future that is not one of this crate's operations, and not in `fut(...)`:
/// ```compile_fail,E0277
/// # async fn f() {
/// gochan::select! { n = async { 7 } => drop(n) }
/// # }
/// ```
///
/// # Go
/// The select statement of the language specification; the passes are those of `selectgo` in runtime/select.go.
/// Different: operations are values, so a losing send's value is dropped; a closed channel does not panic; `biased`,
/// guards and `default(duration)` are additions.
#[macro_export]
macro_rules! select {
    ($($arms:tt)*) => {
        $crate::__select!(@start [.await] $($arms)*)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // ---- the order

    (@start $how:tt biased; $($arms:tt)*) => {
        $crate::__select!(@arms {[true $how] [] [] [] []} $($arms)*)
    };
    (@start $how:tt $($arms:tt)*) => {
        $crate::__select!(@arms {[false $how] [] [] [] []} $($arms)*)
    };

    // ---- how an arm begins

    (@arms {$head:tt [] [] [] []}) => {
        ::core::compile_error!("select: no arms; to wait for ever, await `std::future::pending()`")
    };
    (@arms {$($state:tt)*}) => {
        $crate::__select!(@done $($state)*)
    };
    (@arms $state:tt default => $($rest:tt)*) => {
        $crate::__select!(@default $state [now] $($rest)*)
    };
    (@arms $state:tt default ($($duration:tt)*) => $($rest:tt)*) => {
        $crate::__select!(@default $state [after ($($duration)*)] $($rest)*)
    };
    (@arms $state:tt ; $($rest:tt)*) => {
        ::core::compile_error!("select: a `,` ends an arm, not a `;`")
    };
    (@arms $state:tt biased; $($rest:tt)*) => {
        ::core::compile_error!("select: `biased;` stands once, before the first arm")
    };
    (@arms $state:tt else => $($rest:tt)*) => {
        ::core::compile_error!("select: there is no `else`; `default =>` runs when no arm is ready")
    };
    (@arms $state:tt _ = $($rest:tt)*) => {
        $crate::__select!(@arm $state out [$crate::__private::ignore(out)] $($rest)*)
    };
    // `name`, `mut name`, `Path(..)`, `Path { .. }`, `(..)`, `[..]`
    (@arms $state:tt $($name:ident)* $(:: $path:ident)* $(($($tuple:tt)*))? $([$($slice:tt)*])? $({$($fields:tt)*})? = $($rest:tt)*) => {
        $crate::__select!(@arm $state out
            [let $($name)* $(:: $path)* $(($($tuple)*))? $([$($slice)*])? $({$($fields)*})? = out]
            $($rest)*)
    };
    (@arms $state:tt $($rest:tt)*) => {
        $crate::__select!(@arm $state out [$crate::__private::ignore(out)] $($rest)*)
    };

    // ---- operand, guard and body: a block with or without a comma, an expression with one or as the last

    (@arm {$head:tt $default:tt [$($operands:tt)*] [$($patterns:tt)*] [$($bodies:tt)*]} $out:ident [$($bind:tt)*]
        $operand:expr $(, if $guard:expr)? => {$($body:tt)*}, $($rest:tt)*) => {
        $crate::__select!(@arms {
            $head
            $default
            [$($operands)* ($operand $(, $guard)?)]
            [$(($crate::__private::Either::Left $patterns))* ($crate::__private::Either::Right($out))]
            [$($bodies)* { $($bind)*; { $($body)* } }]
        } $($rest)*)
    };
    (@arm {$head:tt $default:tt [$($operands:tt)*] [$($patterns:tt)*] [$($bodies:tt)*]} $out:ident [$($bind:tt)*]
        $operand:expr $(, if $guard:expr)? => {$($body:tt)*} $($rest:tt)*) => {
        $crate::__select!(@arms {
            $head
            $default
            [$($operands)* ($operand $(, $guard)?)]
            [$(($crate::__private::Either::Left $patterns))* ($crate::__private::Either::Right($out))]
            [$($bodies)* { $($bind)*; { $($body)* } }]
        } $($rest)*)
    };
    (@arm {$head:tt $default:tt [$($operands:tt)*] [$($patterns:tt)*] [$($bodies:tt)*]} $out:ident [$($bind:tt)*]
        $operand:expr $(, if $guard:expr)? => $body:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@arms {
            $head
            $default
            [$($operands)* ($operand $(, $guard)?)]
            [$(($crate::__private::Either::Left $patterns))* ($crate::__private::Either::Right($out))]
            [$($bodies)* { $($bind)*; $body }]
        } $($($rest)*)?)
    };
    (@arm $state:tt $out:ident $bind:tt $operand:expr $(, if $guard:expr)? => $body:expr; $($rest:tt)*) => {
        ::core::compile_error!("select: a `,` ends an arm, not a `;`")
    };
    (@arm $state:tt $out:ident $bind:tt $operand:expr $(, if $guard:expr)? =>) => {
        ::core::compile_error!("select: an arm without a body; write `=> {}` to do nothing")
    };
    (@arm $state:tt $out:ident $bind:tt $operand:expr $(, $($rest:tt)*)?) => {
        ::core::compile_error!(::core::concat!("select: no `=>` after `", ::core::stringify!($operand), "`"))
    };
    (@arm $state:tt $out:ident $bind:tt $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "select: an arm is `pattern = operation, if guard => body`, with pattern and guard as one likes, or \
             `default => body`; this is none: `",
            ::core::stringify!($($rest)*),
            "`"
        ))
    };

    // ---- the body of `default`

    (@default {$head:tt [$($other:tt)+] $($lists:tt)*} $($rest:tt)*) => {
        ::core::compile_error!("select: a second `default`")
    };
    (@default {$head:tt [] $($lists:tt)*} [$($kind:tt)*] {$($body:tt)*}, $($rest:tt)*) => {
        $crate::__select!(@arms {$head [$($kind)* { $($body)* }] $($lists)*} $($rest)*)
    };
    (@default {$head:tt [] $($lists:tt)*} [$($kind:tt)*] {$($body:tt)*} $($rest:tt)*) => {
        $crate::__select!(@arms {$head [$($kind)* { $($body)* }] $($lists)*} $($rest)*)
    };
    (@default {$head:tt [] $($lists:tt)*} [$($kind:tt)*] $body:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@arms {$head [$($kind)* { $body }] $($lists)*} $($($rest)*)?)
    };
    (@default $state:tt $kind:tt $($rest:tt)*) => {
        ::core::compile_error!("select: `default` has no body, or a `;` after it")
    };

    // ---- the whole

    (@done [$biased:tt [$($how:tt)*]] [] [$($operand:tt)*] [$(($($pattern:tt)*))*] [$($body:tt)*]) => {{
        $crate::__select!(@count $($operand)*);
        let out = $crate::__private::Select::new(
            $biased,
            $crate::__private::Nil $(.arm($crate::__select!(@operand $operand)))*
        )$($how)*;
        match out {
            $($($pattern)* => $body)*
        }
    }};
    (@done [$biased:tt [$($how:tt)*]] [now $default:tt] [$($operand:tt)*] [$($pattern:tt)*] [$($body:tt)*]) => {{
        $crate::__select!(@count $($operand)*);
        let out = $crate::__private::SelectOr::new(
            $biased,
            $crate::__private::Nil $(.arm($crate::__select!(@operand $operand)))*
        )$($how)*;
        match out {
            $(::core::option::Option::Some $pattern => $body)*
            ::core::option::Option::None => $default
        }
    }};
    (@done [$biased:tt [$($how:tt)*]] [after $after:tt $default:tt] [$($operand:tt)*] [$($pattern:tt)*] [$($body:tt)*]) => {{
        $crate::__select!(@count $($operand)*);
        let out = $crate::__private::Select::timed(
            $biased,
            $crate::__private::Nil $(.arm($crate::__select!(@operand $operand)))* .arm($crate::__private::sleep $after)
        )$($how)*;
        match out {
            $($crate::__private::Either::Left $pattern => $body)*
            $crate::__private::Either::Right(_) => $default
        }
    }};

    (@operand ($operand:expr)) => {
        $operand
    };
    (@operand ($operand:expr, $guard:expr)) => {
        if $guard { ::core::option::Option::Some($operand) } else { ::core::option::Option::None }
    };

    (@count $($operand:tt)*) => {
        const _: () = $crate::__private::at_most_32(&[$($crate::__select!(@one $operand)),*]);
    };
    (@one $operand:tt) => {
        ()
    };
}
