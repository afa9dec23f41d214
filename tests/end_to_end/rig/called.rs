//! An application that replug calls, in the test's own process.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::PATIENCE;

/// What an application was sent.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// An application over HTTP: POSTs are handed to the test, everything else is answered by 404 but
/// OPTIONS and GET of some paths. Ended when dropped.
pub(crate) struct Called {
    pub(crate) port: u16,
    posts: mpsc::UnboundedReceiver<Received>,
    _serving: JoinSet<()>,
}

impl Called {
    /// Answers OPTIONS and GET with 200 on these paths, and the n-th POST as `answer` says.
    pub(crate) async fn start<A>(wanted: &'static [&'static str], answer: A) -> Self
    where
        A: Fn(&Received) -> (u16, String) + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, posts) = mpsc::unbounded_channel();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (sender, answer) = (sender.clone(), answer.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let (sender, answer) = (sender.clone(), answer.clone());
                        async move {
                            let (head, body) = request.into_parts();
                            let body = body.collect().await.unwrap().to_bytes();
                            let path = head.uri.path().to_owned();
                            let (status, body) = match head.method.as_str() {
                                "POST" => {
                                    let body = String::from_utf8_lossy(&body).into_owned();
                                    let received = Received { path, headers: head.headers, body };
                                    let answer = answer(&received);
                                    sender.send(received).ok();
                                    answer
                                }
                                "OPTIONS" | "GET" if wanted.contains(&path.as_str()) => {
                                    (200, String::new())
                                }
                                _ => (404, String::new()),
                            };
                            let mut response = Response::new(Full::new(Bytes::from(body)));
                            *response.status_mut() = StatusCode::from_u16(status).unwrap();
                            Ok::<_, Infallible>(response)
                        }
                    });
                    let server = Builder::new(TokioExecutor::new());
                    // Whoever calls may hang up.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, posts, _serving: serving }
    }

    /// Whether there is no POST that the test has not taken.
    pub(crate) fn has_nothing(&self) -> bool {
        self.posts.is_empty()
    }

    /// The next POST.
    pub(crate) async fn post(&mut self) -> Received {
        let next = tokio::time::timeout(PATIENCE, self.posts.recv());
        next.await.expect("something is sent").expect("it serves")
    }
}
