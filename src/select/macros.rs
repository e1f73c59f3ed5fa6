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

/// Waits for the first of several operations and runs the body that belongs to it.
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
