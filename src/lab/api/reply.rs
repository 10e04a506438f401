//! Answers.

use std::io;

use futures::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::{Body as _, Bytes, Frame};
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

/// What priority and fairness answers when there is too much to do: 429, in plain text.
pub(super) fn too_many_requests(seconds: u64) -> Reply {
    let mut reply = text(429, "Too many requests, please try again later.\n");
    if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
        reply.headers_mut().insert(RETRY_AFTER, value);
    }
    reply
}

/// The same answer, but the connection ends in the middle of it; of a stream in the middle of its first piece.
pub(super) async fn halved(reply: Reply) -> Reply {
    let (mut head, mut body) = reply.into_parts();
    // A moment before the cut, in which the first half is really sent.
    let cut = futures::stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let half = |bytes: Bytes| Ok(Frame::data(bytes.slice(..bytes.len() / 2)));
    let body = if let Some(length) = body.size_hint().exact() {
        let whole = body
            .collect()
            .await
            .map(|whole| whole.to_bytes())
            .unwrap_or_default();
        head.headers
            .insert(CONTENT_LENGTH, HeaderValue::from(length.max(1)));
        StreamBody::new(futures::stream::iter([half(whole)]).chain(cut)).boxed_unsync()
    } else {
        let first = futures::stream::once(async move {
            let frame = body.frame().await.and_then(Result::ok);
            half(
                frame
                    .and_then(|frame| frame.into_data().ok())
                    .unwrap_or_default(),
            )
        });
        StreamBody::new(first.chain(cut)).boxed_unsync()
    };
    Response::from_parts(head, body)
}

/// The same answer, but for the name of its last object; what is no list stays as it is.
pub(super) async fn nameless(reply: Reply) -> Reply {
    let (mut head, body) = reply.into_parts();
    if body.size_hint().exact().is_none() {
        return Response::from_parts(head, body);
    }
    // The bodies of the lab's own answers are in memory: reading one cannot fail.
    let whole = body
        .collect()
        .await
        .map(|whole| whole.to_bytes())
        .unwrap_or_default();
    let mut list: Value = serde_json::from_slice(&whole).unwrap_or_default();
    let last = list
        .get_mut("items")
        .and_then(Value::as_array_mut)
        .and_then(|items| items.last_mut());
    let meta = last.and_then(|item| item.get_mut("metadata")?.as_object_mut());
    let text = match meta.and_then(|meta| meta.remove("name")) {
        Some(_) => Bytes::from(list.to_string()),
        None => whole,
    };
    head.headers.remove(CONTENT_LENGTH);
    let body = Full::new(text)
        .map_err(|never| match never {})
        .boxed_unsync();
    Response::from_parts(head, body)
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
