//! Who takes part where. A new peer is one line in each group it can play in; a case names its group once.
//!
//! `spsc!(enter!(rows, repeated, "A01_pingpong_buf1", BOTH, pingpong(1)))` enters, for every peer of the group, the
//! async function `pingpong::<Executor, Channel>(n, 1)`.
//!
//! gochan runs on its own runtime, unlabelled peers on tokio, `@smol` on async-executor; `tokio-ct` is tokio's
//! current-thread runtime.

/// One entry: a case for one executor and one channel.
macro_rules! enter {
    (($rows:expr, $kind:ident, $case:literal, $workers:expr, $f:ident($($arg:expr),*)), $peer:literal $e:ident $c:ident) => {
        $rows.$kind($case, $peer, $workers, crate::executor::on::<crate::executor::$e, _, _>(|n| {
            $f::<crate::executor::$e, crate::channel::$c>(n $(, $arg)*)
        }));
    };
}

/// Likewise for a case that gives figures.
macro_rules! enter_figures {
    (($rows:expr, $rounds:literal, $case:literal, $workers:expr, $f:ident()), $peer:literal $e:ident $c:ident) => {
        $rows.figures(
            $case,
            $peer,
            $workers,
            $rounds,
            crate::executor::figures_on::<crate::executor::$e, _, _>(|| {
                $f::<crate::executor::$e, crate::channel::$c>()
            }),
        );
    };
}

/// Likewise for an executor without a channel.
macro_rules! enter_executor {
    (($rows:expr, $kind:ident, $case:literal, $workers:expr, $f:ident($($arg:expr),*)), $peer:literal $e:ident) => {
        $rows.$kind($case, $peer, $workers, crate::executor::on::<crate::executor::$e, _, _>(|n| {
            $f::<crate::executor::$e>(n $(, $arg)*)
        }));
    };
}

macro_rules! enter_executor_figures {
    (($rows:expr, $rounds:literal, $case:literal, $workers:expr, $f:ident()), $peer:literal $e:ident) => {
        $rows.figures(
            $case,
            $peer,
            $workers,
            $rounds,
            crate::executor::figures_on::<crate::executor::$e, _, _>(|| {
                $f::<crate::executor::$e>()
            }),
        );
    };
}

/// Defines a group: a macro that hands each of its peers to the entering macro given.
macro_rules! group {
    ($(#[$doc:meta])* $name:ident: $($peer:literal $($type:ident)+),+ $(,)?) => {
        group!(@define ($) $(#[$doc])* $name: $($peer $($type)+),+);
    };
    (@define ($d:tt) $(#[$doc:meta])* $name:ident: $($peer:literal $($type:ident)+),+) => {
        $(#[$doc])*
        macro_rules! $name {
            ($d enter:ident!$d row:tt) => { $($d enter!($d row, $peer $($type)+);)+ };
        }
    };
}

group! {
    /// Rendezvous, many to many.
    rendezvous: "gochan" Gochan Gochan, "kanal" Tokio Kanal, "flume" Tokio Flume, "flume@smol" Smol Flume
}
group! {
    /// Rendezvous that a select may take part in.
    rendezvous_select: "gochan" Gochan Gochan, "flume" Tokio Flume, "flume@smol" Smol Flume
}
group! {
    /// One sender, one receiver, a buffer.
    spsc: "gochan" Gochan Gochan, "kanal" Tokio Kanal, "tokio-mpsc" Tokio TokioMpsc, "flume" Tokio Flume,
        "async-channel" Tokio AsyncChannel, "crossfire-spsc" Tokio CrossfireSpsc,
        "crossfire-mpmc" Tokio CrossfireMpmc, "async-channel@smol" Smol AsyncChannel
}
group! {
    /// Many senders.
    mpsc: "gochan" Gochan Gochan, "kanal" Tokio Kanal, "tokio-mpsc" Tokio TokioMpsc, "flume" Tokio Flume,
        "async-channel" Tokio AsyncChannel, "crossfire-mpsc" Tokio CrossfireMpsc,
        "async-channel@smol" Smol AsyncChannel
}
group! {
    /// Many senders and many receivers.
    mpmc: "gochan" Gochan Gochan, "kanal" Tokio Kanal, "flume" Tokio Flume, "async-channel" Tokio AsyncChannel,
        "crossfire-mpmc" Tokio CrossfireMpmc, "async-channel@smol" Smol AsyncChannel
}
group! {
    /// A buffer, and a select may take part.
    selectable: "gochan" Gochan Gochan, "tokio-mpsc" Tokio TokioMpsc, "flume" Tokio Flume, "async-channel" Tokio AsyncChannel,
        "crossfire-mpsc" Tokio CrossfireMpsc, "async-channel@smol" Smol AsyncChannel
}
group! {
    /// Many senders, of which 200,000 may park.
    sending_peers: "gochan" Gochan Gochan, "kanal" Tokio Kanal, "tokio-mpsc" Tokio TokioMpsc, "flume" Tokio Flume,
        "async-channel" Tokio AsyncChannel, "crossfire-mpmc" Tokio CrossfireMpmc,
        "async-channel@smol" Smol AsyncChannel
}
group! {
    /// Waking an idle worker: one channel an executor, and flume.
    wake: "gochan" Gochan Gochan, "tokio-mpsc" Tokio TokioMpsc, "flume" Tokio Flume, "async-channel@smol" Smol AsyncChannel
}
group! {
    /// Executors alone.
    executors: "gochan" Gochan, "tokio" Tokio, "smol" Smol
}
group! {
    /// Executors with sockets.
    with_sockets: "gochan" Gochan, "tokio" Tokio, "smol" Smol
}
group! {
    /// Executors with sockets that hyper takes.
    with_http: "gochan" Gochan, "tokio" Tokio
}
group! {
    /// Executors where one worker is all there is.
    executors_of_one: "tokio-ct" TokioCurrent
}
