//! hyper, unmodified, as client and server over our sockets: keep-alive, large bodies, time limits.

use crate::common::watch;
use bytes::Bytes;
use gochan::net::hyper::{Executor, Timer};
use gochan::net::{TcpListener, TcpStream};
use gochan::{Runtime, go};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

/// Sends the body back.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::new(Full::new(body)))
}

fn serve(limit: Option<Duration>) -> (SocketAddr, gochan::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr();
    let server = go(async move {
        while let Ok((stream, _)) = listener.accept().await {
            go(async move {
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(Timer::new())
                    .header_read_timeout(limit)
                    .serve_connection(stream, service_fn(echo))
                    .await;
            });
        }
    });
    (addr, server)
}

#[test]
fn an_unmodified_client_with_keep_alive_and_large_bodies() {
    watch(|| {
        let rt = Runtime::builder().workers(2).build().unwrap();
        rt.block_on(async {
            let (addr, server) = serve(None);
            let stream = TcpStream::connect(addr).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(stream).await.unwrap();
            let connection = go(connection);
            for size in [0, 1, 1000, 5 << 20, 3] {
                let body: Vec<u8> = (0..size).map(|n| (n % 253) as u8).collect();
                let request = Request::post("/").header("host", "test");
                let request = request.body(Full::new(Bytes::from(body.clone()))).unwrap();
                sender.ready().await.unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.status(), 200);
                let back = response.into_body().collect().await.unwrap().to_bytes();
                assert!(back == body, "{size} bytes");
            }
            drop(sender);
            connection.await.unwrap().unwrap();
            server.abort();
        });
    });
}

#[test]
fn a_client_that_says_nothing_is_given_up() {
    watch(|| {
        gochan::run(async {
            let (addr, server) = serve(Some(Duration::from_millis(50)));
            let stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
            // Without the timer it would wait for ever.
            while stream.read(&mut [0; 256]).await.unwrap() > 0 {}
            server.abort();
        });
    });
}

#[test]
fn many_requests_leave_no_task_behind() {
    watch(|| {
        let rt = Runtime::builder().workers(2).build().unwrap();
        rt.block_on(async {
            let (addr, server) = serve(None);
            let clients: Vec<_> = (0..16)
                .map(|_| {
                    go(async move {
                        for _ in 0..5 {
                            let stream = TcpStream::connect(addr).await.unwrap();
                            let (mut sender, connection) =
                                hyper::client::conn::http1::handshake(stream).await.unwrap();
                            hyper::rt::Executor::execute(&Executor::new(), async move {
                                connection.await.unwrap();
                            });
                            for _ in 0..20 {
                                let request = Request::get("/").header("host", "test");
                                let request = request.body(Full::<Bytes>::default()).unwrap();
                                sender.ready().await.unwrap();
                                let response = sender.send_request(request).await.unwrap();
                                response.into_body().collect().await.unwrap();
                            }
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            server.abort();
            assert!(server.await.is_err());
            // Connections end when the peer's close has arrived.
            while rt.num_tasks() > 0 {
                gochan::yield_now().await;
            }
        });
    });
}
