//! Questions and their answers: redirects followed, a bound on time and on size.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::PROXY_AUTHORIZATION;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use replug_component::Error;

use super::connector::Connector;
use super::proxies::Proxies;
use super::question::Question;
use super::settings::Settings;
use crate::builtin::tls::Trust;

/// How many redirects are followed.
const REDIRECTS: usize = 10;

/// How long a connection is kept that nothing uses.
const IDLE: Duration = Duration::from_secs(90);

/// Sends questions, over connections that are used again.
pub(super) struct Exchanger {
    client: Client<Connector, Full<Bytes>>,
    proxies: Arc<Proxies>,
    timeout: Option<Duration>,
    body_limit: Option<usize>,
}

impl Exchanger {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let proxies = Arc::new(Proxies::from_environment()?);
        let client = settings.client.as_ref().map(|(cert, key)| (cert.as_str(), key.reveal()));
        let trust = Trust { root: settings.root.as_deref(), client, anybody: false };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Connector::new(trust.config()?, proxies.clone()));
        Ok(Self { client, proxies, timeout: settings.timeout, body_limit: settings.body_limit })
    }

    /// The answer, of which no more than the bound is taken. Dropping the future ends the request.
    pub(super) async fn exchange(&self, question: Question) -> Result<Response<Bytes>, Error> {
        let Some(timeout) = self.timeout else { return self.answered(question).await };
        let late = question.failed(&"context deadline exceeded");
        tokio::time::timeout(timeout, self.answered(question)).await.unwrap_or(Err(late))
    }

    async fn answered(&self, mut question: Question) -> Result<Response<Bytes>, Error> {
        for _ in 0..=REDIRECTS {
            let mut request = question.request()?;
            if let Some(login) = self.proxies.login_for(request.uri()) {
                request.headers_mut().insert(PROXY_AUTHORIZATION, login.clone());
            }
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| question.failed(&causes(&error)))?;
            match question.redirected(answer.status(), answer.headers())? {
                Some(next) => question = next,
                None => return self.read(&question, answer).await,
            }
        }
        Err(question.failed(&format_args!("stopped after {REDIRECTS} redirects")))
    }

    async fn read(
        &self,
        question: &Question,
        answer: Response<Incoming>,
    ) -> Result<Response<Bytes>, Error> {
        let (head, mut body) = answer.into_parts();
        let limit = self.body_limit.unwrap_or(usize::MAX);
        let mut data = BytesMut::new();
        while data.len() < limit
            && let Some(frame) = body.frame().await
        {
            let frame = frame.map_err(|error| question.failed(&causes(&error)))?;
            if let Ok(piece) = frame.into_data() {
                data.extend_from_slice(&piece[..piece.len().min(limit - data.len())]);
            }
        }
        Ok(Response::from_parts(head, data.freeze()))
    }
}

/// What has happened, which is what the last of the causes tells.
pub(super) fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
