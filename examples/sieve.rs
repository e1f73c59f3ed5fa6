//! The prime sieve of Newsqueak, Alef, Limbo and Go: a chain of tasks, one for each prime found.
//!
//! ```console
//! cargo run --example sieve -- 10
//! ```
//!
//! A generator sends 2, 3, 4, ... into the first channel. Whatever comes out of the last one first is prime; it is printed, and a
//! filter that lets its multiples out is put at the end of the chain. All channels are rendezvous: each number passes
//! hand to hand. At the end the last receiver is dropped; each send that then fails ends one task, up to the generator.

use gochan::{Receiver, Sender, chan, go};

async fn generate(numbers: Sender<u64>) {
    for n in 2.. {
        if numbers.send(n).await.is_err() {
            return;
        }
    }
}

async fn filter(prime: u64, numbers: Receiver<u64>, kept: Sender<u64>) {
    while let Ok(n) = numbers.recv().await {
        if n % prime != 0 && kept.send(n).await.is_err() {
            return;
        }
    }
}

fn main() {
    let count = std::env::args()
        .nth(1)
        .map_or(10, |n| n.parse().expect("a number of primes"));
    gochan::run(async move {
        let (first, mut numbers) = chan(0);
        go(generate(first));
        let mut primes = Vec::new();
        while primes.len() < count {
            let prime = numbers.recv().await.expect("the generator has no end");
            primes.push(prime.to_string());
            let (kept, next) = chan(0);
            go(filter(prime, std::mem::replace(&mut numbers, next), kept));
        }
        println!("{}", primes.join(" "));
    });
}
