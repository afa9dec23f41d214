//! Which bindings' events the application wants.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::app::{Application, Channel};

/// What the application wants, as long as it is not asked again.
pub(super) struct Wanted {
    application: Application,
    /// Over gRPC it is asked once.
    listed: OnceCell<Vec<String>>,
}

// === impl Wanted ===

impl Wanted {
    pub(super) fn new(application: Application) -> Self {
        Self { application, listed: OnceCell::new() }
    }

    /// Whether it wants the events of this binding, which would go to `path`. One that does not say
    /// so in time, or cannot be asked, does not.
    pub(super) async fn is(&self, binding: &str, path: &str) -> bool {
        match self.application.channel() {
            Channel::Grpc(callbacks) => {
                let listing = async {
                    let limit = self.application.settings().binding_options_timeout;
                    match callbacks.list_input_bindings(limit).await {
                        Ok(listed) => listed.bindings,
                        Err(status) => {
                            tracing::debug!("the application lists no input bindings: {status}");
                            Vec::new()
                        }
                    }
                };
                let listed = self.listed.get_or_init(|| listing).await;
                listed.iter().any(|listed| listed == binding)
            }
            Channel::Http(channel) => {
                let request = Request::builder()
                    .method(Method::OPTIONS)
                    .uri(path)
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Bytes::new());
                let Ok(request) = request else { return false };
                let limit = self.application.settings().binding_options_timeout;
                match timeout(limit, channel.send(request)).await {
                    Ok(Ok(answer)) => {
                        let status = answer.status();
                        status.is_success() || status == StatusCode::METHOD_NOT_ALLOWED
                    }
                    Ok(Err(error)) => {
                        tracing::warn!("could not ask the app for binding {binding}: {error}");
                        false
                    }
                    Err(_) => {
                        tracing::warn!(
                            "could not ask the app for binding {binding}: no answer within \
                             {limit:?}, its app-binding-options-timeout"
                        );
                        false
                    }
                }
            }
        }
    }
}
