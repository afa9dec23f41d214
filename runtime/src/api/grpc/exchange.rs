//! A call's messages over its HTTP/2 stream: what is read of a request, and how an answer is sent.

use std::convert::Infallible;
use std::error::Error as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{self, HeaderValue};
use http::{HeaderMap, HeaderName, Response};
use http_body::{Body as _, Frame};
use tonic::body::Body;
use tonic::{Code, Status};

use super::head::{TRACE_NAME, told};
use super::statuses;
use super::unread::Unread;
use crate::api::dapr::error::Told;
use crate::api::dapr::grpc::{Refusal, Reply};
use crate::api::dapr::trace;
use crate::http2::message::{Malformed, Only};

/// The head of an answer.
static HEAD: LazyLock<HeaderMap> = LazyLock::new(|| {
    let grpc = HeaderValue::from_static("application/grpc");
    HeaderMap::from_iter([(header::CONTENT_TYPE, grpc)])
});

/// The same where answers have traces, and the caller stands in none.
static TRACED: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut head = HEAD.clone();
    head.extend([NO_TRACE.clone()]);
    head
});

/// What Dapr tells of a trace where there is none.
static NO_TRACE: LazyLock<(HeaderName, HeaderValue)> = LazyLock::new(|| {
    // The text has the form of a trace.
    let none = told(trace::NO_TRACE).unwrap_or(HeaderValue::from_static(""));
    (TRACE_NAME.clone(), none)
});

/// What follows the message.
static OK: LazyLock<HeaderMap> =
    LazyLock::new(|| HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]));

/// What stands before a message.
const PREFIX: usize = 5;

/// An answer, before anything of it is sent.
pub(super) enum Answer {
    /// One message.
    Message(Reply),
    /// No message, and yet an answer's head, with these fields besides.
    Refused(Box<(HeaderMap, Status)>),
    /// Whatever else there is: a status alone, or what a generated service says.
    Other(Response<Body>),
}

// === impl Answer ===

impl Answer {
    /// With these fields in its head besides.
    pub(super) fn telling(self, own: Option<Box<HeaderMap>>) -> Self {
        let Some(own) = own else { return self };
        match self {
            Self::Message(Reply { message, headers }) => {
                let mut headers = headers.unwrap_or_default();
                headers.extend(*own);
                Self::Message(Reply { message, headers: Some(headers) })
            }
            Self::Refused(mut refused) => {
                refused.0.extend(*own);
                Self::Refused(refused)
            }
            Self::Other(mut answer) => {
                answer.headers_mut().extend(*own);
                Self::Other(answer)
            }
        }
    }

    /// The status that is known of it; one in the head is that of a call without an answer, all
    /// others are well.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Message(_) => Code::Ok,
            Self::Refused(refused) => refused.1.code(),
            Self::Other(answer) => {
                Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code())
            }
        }
    }

    /// What metrics count of the error that it tells, if it is one of Dapr's.
    pub(super) fn told(&self) -> Option<&Told> {
        let status = match self {
            Self::Message(_) => None,
            Self::Refused(refused) => Some(&refused.1),
            Self::Other(answer) => answer.extensions().get::<Status>(),
        };
        status?.source()?.downcast_ref()
    }

    /// How large its message is, in bytes, where it is sent from here.
    pub(super) fn message_len(&self) -> usize {
        match self {
            Self::Message(Reply { message, .. }) => message.len().saturating_sub(PREFIX),
            Self::Refused(_) | Self::Other(_) => 0,
        }
    }

    /// Sends it; `traced` says whether its head has a trace. Returns early when the caller is gone.
    pub(super) async fn send(
        self,
        mut respond: SendResponse<Bytes>,
        traced: bool,
        unread: &Arc<Unread>,
    ) {
        let usual = if traced { &TRACED } else { &HEAD };
        // An error says that the stream is no more, so nobody is to be told.
        match self {
            Self::Message(Reply { message, headers }) => {
                let mut head = Response::new(());
                head.headers_mut().clone_from(usual);
                if let Some(headers) = headers {
                    head.headers_mut().extend(*headers);
                }
                let Ok(mut stream) = respond.send_response(head, false) else { return };
                if stream.send_data(unread.counted(message), false).is_ok() {
                    let _ = stream.send_trailers(OK.clone());
                }
            }
            Self::Refused(refused) => {
                let (headers, status) = *refused;
                let mut head = Response::new(());
                head.headers_mut().clone_from(usual);
                head.headers_mut().extend(headers);
                let Ok(mut stream) = respond.send_response(head, false) else { return };
                let mut trailers = status.into_http::<Body>().into_parts().0.headers;
                trailers.remove(header::CONTENT_TYPE);
                let _ = stream.send_trailers(trailers);
            }
            Self::Other(answer) => {
                let (head, body) = answer.into_parts();
                let mut answer = Response::new(());
                *answer.status_mut() = head.status;
                *answer.headers_mut() = head.headers;
                let ended = body.is_end_stream();
                let Ok(stream) = respond.send_response(answer, ended) else { return };
                if !ended {
                    send_body(stream, body).await;
                }
            }
        }
    }
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        Self::Other(statuses::told(status.into_http()))
    }
}

impl From<Refusal> for Answer {
    fn from(Refusal { status, headers, unread }: Refusal) -> Self {
        if unread {
            return status.into();
        }
        Self::Refused(Box::new((headers.map(|headers| *headers).unwrap_or_default(), status)))
    }
}

/// Sends a body as its reader makes room for it.
async fn send_body(mut stream: SendStream<Bytes>, mut body: Body) {
    loop {
        let frame = poll_fn(|cx| {
            if stream.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            Pin::new(&mut body).poll_frame(cx).map(Some)
        });
        let frame = match frame.await {
            None => return,
            Some(None) => {
                let _ = stream.send_data(Bytes::new(), true);
                return;
            }
            Some(Some(Ok(frame))) => frame,
            Some(Some(Err(_))) => {
                stream.send_reset(Reason::INTERNAL_ERROR);
                return;
            }
        };
        match frame.into_data() {
            Ok(data) => {
                if send_piece(&mut stream, data).await.is_none() {
                    return;
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    let _ = stream.send_trailers(trailers);
                    return;
                }
            }
        }
    }
}

/// None where nothing can be sent any more.
async fn send_piece(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Option<()> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        while stream.capacity() == 0 {
            poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
        }
        let piece = data.split_to(stream.capacity().min(data.len()));
        stream.send_data(piece, false).ok()?;
    }
    Some(())
}

/// The only message of a request, `limit` bytes at the most. A status says what is wrong with it, in
/// the words of gRPC's libraries.
pub(super) async fn message(mut body: RecvStream, limit: usize) -> Result<Bytes, Status> {
    let told = |malformed| match malformed {
        Malformed::Missing => Status::internal("Missing request message."),
        Malformed::Cut => Status::internal("Unexpected EOF decoding stream."),
        Malformed::Several => Status::internal("more than one request message"),
        Malformed::Compressed => Status::internal(
            "protocol error: received message with compressed-flag but no grpc-encoding was \
             specified",
        ),
        Malformed::TooLong(found) => statuses::too_large(&format!(" ({found} vs. {limit})")),
    };
    let gone = |error: h2::Error| Status::cancelled(error.to_string());
    let mut only = Only::default();
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(gone)?;
        body.flow_control().release_capacity(piece.len()).map_err(gone)?;
        only.push(piece, limit).map_err(told)?;
    }
    only.message().map_err(told)
}

/// A request's body, for generated services.
pub(super) struct Inbound(pub(super) RecvStream);

impl http_body::Body for Inbound {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let body = &mut self.0;
        match ready!(body.poll_data(cx)) {
            Some(Ok(data)) => {
                body.flow_control().release_capacity(data.len())?;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                Poll::Ready(ready!(body.poll_trailers(cx))?.map(|all| Ok(Frame::trailers(all))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

/// The answer of a generated service, which cannot fail.
pub(super) fn of_service(answer: Result<Response<Body>, Infallible>) -> Answer {
    let Ok(answer) = answer;
    Answer::Other(statuses::told(answer))
}

/// The same of a call whose answer tells of a trace.
pub(super) fn traced(answer: Answer) -> Answer {
    answer.telling(Some(Box::new(HeaderMap::from_iter([NO_TRACE.clone()]))))
}
