//! The example `errgroup`: digests in order, any limit; the first file that cannot be read ends it.

#![cfg(feature = "rt")]

#[allow(dead_code)] // the program around it
#[path = "../examples/errgroup.rs"]
mod errgroup;

use errgroup::digests;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

#[test]
fn digests_in_order() {
    let files = sources();
    for limit in [1, 3, 100] {
        let lines = gochan::run(digests(files.clone(), limit)).unwrap();
        assert_eq!(lines.len(), files.len());
        for (line, file) in lines.iter().zip(&files) {
            let digest = Sha256::digest(std::fs::read(file).unwrap());
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(*line, format!("{hex}  {}", file.display()));
        }
    }
}

#[test]
fn the_first_error_wins() {
    for limit in [1, 4] {
        let mut files = sources();
        files.insert(1, PathBuf::from("/no/such/file"));
        let error = gochan::run(digests(files, limit)).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/file: "), "{error}");
    }
}
