//! Stage 3: the SHA-256 of each file.

use crate::collect::Sum;
use crate::read::Contents;
use gochan::{Receiver, Sender, blocking};
use sha2::{Digest, Sha256};
use std::thread;
use std::time::Duration;

/// Digests what comes from `files` for `sums`. `slow` is added to each file.
pub(crate) async fn digest(files: Receiver<Contents>, sums: Sender<Sum>, slow: Duration) {
    while let Ok(file) = files.recv().await {
        let sum = one(file).await;
        if !slow.is_zero() {
            // sleep: plays a slow digest, without taking the processor from the other stages.
            blocking(|| thread::sleep(slow));
        }
        if sums.send(sum).await.is_err() {
            return;
        }
    }
}

async fn one(file: Contents) -> Sum {
    let mut hasher = Sha256::new();
    let mut len = file.first.len() as u64;
    hasher.update(&file.first);
    if let Some(rest) = file.rest {
        while let Ok(chunk) = rest.recv().await {
            match chunk {
                Ok(chunk) => {
                    len += chunk.len() as u64;
                    hasher.update(&chunk);
                }
                Err(error) => return Sum::failed(file.index, file.path, error),
            }
        }
    }
    Sum {
        index: file.index,
        path: file.path,
        outcome: Ok((hasher.finalize().into(), len)),
    }
}
