//! A pool of tasks that share one channel of jobs: the usual way to do a bounded number of things at once.
//!
//! ```console
//! cargo run --example worker_pool
//! ```
//!
//! Every worker has a clone of the receiver and takes the next job when it is free. The jobs channel closes when its only
//! sender is done, the results channel when the last worker is: nobody counts anything. A job that panics takes its worker
//! down and nothing else; the pool's owner finds out from the handle.

use gochan::{chan, go};

const WORKERS: usize = 4;
const JOBS: u64 = 100;

fn main() {
    gochan::run(async {
        let (jobs_in, jobs) = chan::<u64>(WORKERS);
        let (results_in, results) = chan::<(usize, u64)>(WORKERS);

        let mut workers = Vec::new();
        for worker in 0..WORKERS {
            let (jobs, results) = (jobs.clone(), results_in.clone());
            workers.push(go(async move {
                while let Ok(n) = jobs.recv().await {
                    results
                        .send((worker, n * n))
                        .await
                        .expect("main listens to the end");
                    gochan::yield_now().await;
                }
            }));
        }
        drop((jobs, results_in));

        go(async move {
            for n in 1..=JOBS {
                jobs_in.send(n).await.expect("there are workers");
            }
        });

        let (mut sum, mut done) = (0, [0; WORKERS]);
        while let Ok((worker, square)) = results.recv().await {
            sum += square;
            done[worker] += 1;
        }
        for worker in workers {
            worker.await.expect("no job panics");
        }
        assert_eq!(done.iter().sum::<u64>(), JOBS);
        println!("jobs by worker: {done:?}");
        println!("sum of squares: {sum}");
    });
}
