//! H03: HTTP. hyper's server on an executor's tasks and sockets, under `wrk` with 64 connections that stay: the time for one
//! request, `wrk` on the same processors included.
//!
//! No `wrk`, no row: the report says so.

use crate::executor::{Http, Net};
use crate::measure::Figure;
use crate::registry::{Registry, TWO};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

pub fn register(rows: &mut Registry) {
    if has_wrk() {
        with_http!(enter_executor_figures!(
            rows,
            3,
            "H03_http_64conn",
            TWO,
            http()
        ));
    }
}

pub fn has_wrk() -> bool {
    let started = Command::new("wrk")
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    started.is_ok()
}

pub async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(
        b"hello, world\n",
    ))))
}

async fn http<E: Http>() -> Vec<Figure> {
    let (listener, addr) = <E as Net>::bind().await;
    E::detach(E::spawn(async move {
        loop {
            let stream = E::accept(&listener).await;
            E::detach(E::spawn(E::serve(stream)));
        }
    }));
    let measuring = thread::spawn(move || wrk(addr));
    while !measuring.is_finished() {
        E::sleep(Duration::from_millis(10)).await;
    }
    let per_second = measuring.join().expect("wrk runs");
    vec![Figure::new("per_request", "ns", 1e9 / per_second)]
}

/// Requests per second.
fn wrk(addr: SocketAddr) -> f64 {
    let out = Command::new("wrk")
        .args(["-t1", "-c64", "-d2s"])
        .arg(format!("http://{addr}/"))
        .output()
        .expect("wrk was there");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(
        !said.contains("Socket errors") && !said.contains("Non-2xx"),
        "{said}"
    );
    let line = said.lines().find_map(|l| l.strip_prefix("Requests/sec:"));
    line.and_then(|l| l.trim().parse().ok())
        .unwrap_or_else(|| panic!("no result: {said}"))
}
