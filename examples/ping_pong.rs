//! Two tasks pass one number to and fro over two rendezvous channels: nothing but hand-offs.
//!
//! ```console
//! cargo run --release --example ping_pong -- 1000000
//! ```
//!
//! Each side adds one, so the number at the end counts the hand-offs. What is measured is two parks and two wake-ups a round
//! trip; on one core no other thread takes part.

use gochan::{chan, go};
use std::time::Instant;

fn main() {
    let rounds: u64 = std::env::args()
        .nth(1)
        .map_or(100_000, |n| n.parse().expect("a number of round trips"));
    gochan::run(async move {
        let (ping, pinged) = chan::<u64>(0);
        let (pong, ponged) = chan::<u64>(0);
        let other = go(async move {
            while let Ok(n) = pinged.recv().await {
                pong.send(n + 1)
                    .await
                    .expect("the first player plays to the end");
            }
        });
        let start = Instant::now();
        let mut n = 0;
        for _ in 0..rounds {
            ping.send(n + 1).await.expect("the other player is there");
            n = ponged.recv().await.expect("the other player answers");
        }
        let each = start.elapsed().as_nanos() / u128::from(rounds.max(1));
        drop(ping);
        other
            .await
            .expect("the other player ends when the channel closes");
        assert_eq!(n, 2 * rounds);
        println!("{rounds} round trips, {n} hand-offs, {each} ns a round trip");
    });
}
