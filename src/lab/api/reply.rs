//! Answers.

use std::io;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde_json::Value;

use crate::lab::status::Status;

/// The body of every answer.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;
/// An answer.
pub(super) type Reply = Response<Body>;

/// An answer whose length is known.
pub(super) fn bytes(code: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let body = Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync();
    with(code, content_type, body)
}

/// JSON text.
pub(super) fn json_text(code: u16, body: impl Into<Bytes>) -> Reply {
    bytes(code, "application/json", body)
}

/// A JSON value.
pub(super) fn json(code: u16, value: &Value) -> Reply {
    json_text(code, value.to_string())
}

/// Plain text.
pub(super) fn text(code: u16, body: impl Into<Bytes>) -> Reply {
    bytes(code, "text/plain; charset=utf-8", body)
}

/// An answer that arrives in pieces.
pub(super) fn stream<S>(content_type: &'static str, pieces: S) -> Reply
where
    S: futures::Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    use futures::StreamExt;
    with(
        200,
        content_type,
        StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync(),
    )
}

/// A failure.
pub(super) fn failure(status: &Status) -> Reply {
    let mut reply = json(status.code, &status.value());
    if let Some(value) = status
        .retry_after()
        .and_then(|seconds| HeaderValue::from_str(&seconds.to_string()).ok())
    {
        reply.headers_mut().insert(RETRY_AFTER, value);
    }
    reply
}

/// The same answer, but the connection ends in the middle of it.
pub(super) async fn halved(reply: Reply) -> Reply {
    let (mut head, body) = reply.into_parts();
    let whole = match BodyExt::collect(body).await {
        Ok(whole) => whole.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let first = whole.slice(..whole.len() / 2);
    head.headers
        .insert(CONTENT_LENGTH, HeaderValue::from(whole.len().max(1)));
    let cut = io::Error::from(io::ErrorKind::ConnectionReset);
    let pieces = futures::stream::iter([Ok(Frame::data(first)), Err(cut)]);
    Response::from_parts(head, StreamBody::new(pieces).boxed_unsync())
}

fn with(code: u16, content_type: &'static str, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() =
        hyper::StatusCode::from_u16(code).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    reply
}
