//! A program that stands still, and what the dump says of it.
//!
//! ```console
//! cargo run --example dump
//! ```
//!
//! Two tasks each wait for a word from the other before they would send their own: neither ever runs again. A third
//! waits in a select for either of two things that never come. The dump names for each: what it waits for, on which
//! channel, at which line, for how long, and where it was spawned. No task is stopped or polled for that.

use gochan::task::Builder;
use gochan::{chan, select, sleep};
use std::time::Duration;

fn main() {
    gochan::run(async {
        let (to_right, from_left) = chan::<&str>(0);
        let (to_left, from_right) = chan::<&str>(0);
        let (from_left, from_right) = (
            from_left.named("left to right"),
            from_right.named("right to left"),
        );
        let (never_sent, quit) = chan::<()>(1);
        let (full, nobody_reads) = chan::<u32>(1);
        full.try_send(1).expect("there is room for one");

        let left = Builder::new().name("left").go(async move {
            let word = from_right.recv().await?; // waits for right ...
            to_right.send(word).await.ok();
            Ok::<_, gochan::RecvError>(())
        });
        let right = Builder::new().name("right").go(async move {
            let word = from_left.recv().await?; // ... which waits for left
            to_left.send(word).await.ok();
            Ok::<_, gochan::RecvError>(())
        });
        let picky = Builder::new().name("picky").go(async move {
            select! {
                _ = quit.recv() => "told to quit",
                _ = full.send(2) => "found room",
            }
        });

        // Long enough for all three to reach their waits; the dump is true at any time.
        sleep(Duration::from_millis(50)).await;
        println!("{}", gochan::diag::dump());

        left.abort();
        right.abort();
        picky.abort();
        for ended in [
            left.await.is_err(),
            right.await.is_err(),
            picky.await.is_err(),
        ] {
            assert!(ended, "an aborted task says so");
        }
        drop((never_sent, nobody_reads));
        println!("aborted all three; {} task left", gochan::num_tasks());
    });
}
