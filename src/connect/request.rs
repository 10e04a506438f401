//! Requests to an API server, each with a deadline, each refusal told as a [`Refusal`].
//!
//! The raw answer is read here rather than through the kube client's typed calls: these lose `Retry-After`, and fail a
//! whole list over one odd object.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use tokio::time::timeout;

use super::fault::{self, Asked, Refusal};
use super::latch::Pass;
use crate::domain::{Fault, FaultKind};

/// Longest answer that is read of one request. A page of 500 large objects is some 10 MiB.
const LONGEST: usize = 128 << 20;
/// Longest page of a pod that is read. `/metrics` is some 60 KiB.
const LONGEST_PAGE: usize = 4 << 20;
/// Longest refusal that is read.
const LONGEST_REFUSAL: usize = 1 << 20;

/// The whole body of a successful answer.
///
/// # Errors
/// A [`Refusal`] for anything else, the deadline included.
pub async fn fetch(
    client: &Client,
    path: &str,
    asked: &Asked<'_>,
    deadline: Duration,
) -> Result<Vec<u8>, Refusal> {
    let whole = body(client, path, asked, Shape::Whole, LONGEST);
    in_time(asked, deadline, whole).await
}

/// As [`fetch`], of a list whose objects come as their metadata alone: whatever else they hold stays where it is. A server
/// that cannot do that refuses.
///
/// # Errors
/// As of [`fetch`].
pub async fn fetch_metadata(
    client: &Client,
    path: &str,
    asked: &Asked<'_>,
    deadline: Duration,
) -> Result<Vec<u8>, Refusal> {
    let whole = body(client, path, asked, Shape::Metadata, LONGEST);
    in_time(asked, deadline, whole).await
}

/// As [`fetch`], with the moment at which the server says that it answered (its `Date`), where it says so.
///
/// # Errors
/// As of [`fetch`].
pub async fn fetch_dated(
    client: &Client,
    path: &str,
    asked: &Asked<'_>,
    deadline: Duration,
) -> Result<(Vec<u8>, Option<Timestamp>), Refusal> {
    let whole = async {
        let response = send(client, path, asked, Shape::Whole).await?;
        let date = date_of(response.headers());
        let body = read(response, LONGEST).await?;
        Ok((body, date))
    };
    in_time(asked, deadline, whole).await
}

/// The body of a successful answer, up to so many bytes.
async fn body(
    client: &Client,
    path: &str,
    asked: &Asked<'_>,
    shape: Shape,
    most: usize,
) -> Result<Vec<u8>, Refusal> {
    let response = send(client, path, asked, shape).await?;
    read(response, most).await.map_err(Refusal::from)
}

/// What comes before the deadline.
async fn in_time<T>(
    asked: &Asked<'_>,
    deadline: Duration,
    whole: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    match timeout(deadline, whole).await {
        Ok(answer) => answer,
        Err(_) => Err(fault::late(asked, deadline).into()),
    }
}

fn date_of(headers: &http::HeaderMap) -> Option<Timestamp> {
    let text = headers.get(http::header::DATE)?.to_str().ok()?;
    // Written with the zone `GMT`, which is UTC.
    let moment = jiff::fmt::rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text.trim());
    moment.ok()
}

/// The whole body of a page that a pod serves, through the API server's proxy to it.
///
/// # Errors
/// As of [`fetch`]. A page longer than 4 MiB is not believed to be what was asked for.
pub async fn page(
    client: &Client,
    path: &str,
    asked: &Asked<'_>,
    deadline: Duration,
) -> Result<Vec<u8>, Refusal> {
    let whole = body(client, path, asked, Shape::Whole, LONGEST_PAGE);
    in_time(asked, deadline, whole).await
}

/// What a Service answers through the API server's proxy to it: its status and its whole body, whatever it says. Only what
/// the API server itself refuses is a refusal.
///
/// # Errors
/// As of [`page`], which bounds the body alike.
pub async fn proxied(
    client: &Client,
    path: &str,
    asked: &Asked<'_>,
    deadline: Duration,
) -> Result<(StatusCode, Vec<u8>), Refusal> {
    let whole = async {
        let response = answer(client, path, asked, Shape::Whole).await?;
        let code = response.status();
        let headers = response.headers().clone();
        let body = read(response, LONGEST_PAGE).await?;
        match code.is_success() || !fault::is_of_kubernetes(&body) {
            true => Ok((code, body)),
            false => Err(fault::of_answer(code, &headers, &body, asked)),
        }
    };
    in_time(asked, deadline, whole).await
}

/// The body of a successful answer as it arrives. The deadline is for its beginning.
///
/// # Errors
/// A [`Refusal`] when the answer did not begin in time or was not a success.
pub async fn stream(
    client: &Client,
    path: &str,
    asked: &Asked<'_>,
    deadline: Duration,
) -> Result<Response<Body>, Refusal> {
    match timeout(deadline, send(client, path, asked, Shape::Endless)).await {
        Ok(answer) => answer,
        Err(_) => Err(fault::late(asked, deadline).into()),
    }
}

/// A change that is asked of the API server.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// How.
    pub method: Method,
    /// Of what.
    pub path: &'a str,
    /// What goes with it, and of which media type.
    pub body: Option<(Vec<u8>, &'static str)>,
    /// What it is, for sentences and for the right that it needs.
    pub asked: Asked<'a>,
}

/// Media type of what is created, and of options.
pub const JSON: &str = "application/json";
/// Media type of a merge patch (RFC 7386).
pub const MERGE: &str = "application/merge-patch+json";
/// Media type of a patch that merges the lists of a built-in kind by their names.
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// Asks for a change, and gives back what the API server answered.
///
/// # Errors
/// A [`Refusal`]. Without a status in it the server did not answer: then it cannot be told whether it was carried out, unless
/// the fault is of kind [`FaultKind::Refused`], when it was never sent.
pub async fn change(
    client: &Client,
    order: &Order<'_>,
    pass: &Pass,
    deadline: Duration,
) -> Result<Vec<u8>, Refusal> {
    let mut request = written(order, order.path)?;
    request.extensions_mut().insert(pass.clone());
    let whole = ordered(client, request, &order.asked);
    in_time(&order.asked, deadline, whole).await
}

/// Asks what a change would come to; nothing is changed.
///
/// # Errors
/// A [`Refusal`], as the change itself would meet it.
pub async fn dry_run(
    client: &Client,
    order: &Order<'_>,
    deadline: Duration,
) -> Result<Vec<u8>, Refusal> {
    let joint = if order.path.contains('?') { '&' } else { '?' };
    let path = format!("{}{joint}dryRun=All", order.path);
    // An API server that is given options of a deletion in the body does not look at those of the query: with a body this would
    // be the deletion itself.
    let bare = Order {
        body: match order.method {
            Method::DELETE => None,
            _ => order.body.clone(),
        },
        ..order.clone()
    };
    let request = written(&bare, &path)?;
    let whole = ordered(client, request, &order.asked);
    in_time(&order.asked, deadline, whole).await
}

/// Asks a question that Kubernetes spells `create`: a review of one's own rights, or of who one is.
///
/// # Errors
/// As of [`fetch`].
pub async fn ask(
    client: &Client,
    path: &str,
    body: Vec<u8>,
    asked: &Asked<'_>,
    deadline: Duration,
) -> Result<Vec<u8>, Refusal> {
    let order = Order {
        method: Method::POST,
        path,
        body: Some((body, JSON)),
        asked: *asked,
    };
    let request = written(&order, path)?;
    in_time(asked, deadline, ordered(client, request, asked)).await
}

fn written(order: &Order<'_>, path: &str) -> Result<Request<Body>, Fault> {
    let mut request = Request::builder()
        .method(order.method.clone())
        .uri(path)
        .header(http::header::ACCEPT, JSON);
    let body = match &order.body {
        Some((body, media)) => {
            request = request.header(http::header::CONTENT_TYPE, *media);
            Body::from(body.clone())
        }
        None => Body::empty(),
    };
    request.body(body).map_err(|error| {
        Fault::new(FaultKind::Unusable, "the request cannot be written")
            .with_detail(error.to_string())
    })
}

async fn ordered(
    client: &Client,
    request: Request<Body>,
    asked: &Asked<'_>,
) -> Result<Vec<u8>, Refusal> {
    let response = client
        .send(request)
        .await
        .map_err(|error| fault::of_kube(&error, asked))?;
    let code = response.status();
    if code.is_success() {
        return read(response, LONGEST).await.map_err(Refusal::from);
    }
    let headers = response.headers().clone();
    let body = read(response, LONGEST_REFUSAL).await.unwrap_or_default();
    Err(fault::of_answer(code, &headers, &body, asked))
}

/// What is wanted of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// All of it.
    Whole,
    /// The metadata of each object.
    Metadata,
    /// It has no end.
    Endless,
}

async fn send(
    client: &Client,
    path: &str,
    asked: &Asked<'_>,
    shape: Shape,
) -> Result<Response<Body>, Refusal> {
    let response = answer(client, path, asked, shape).await?;
    let code = response.status();
    if code.is_success() {
        return Ok(response);
    }
    let headers = response.headers().clone();
    let body = read(response, LONGEST_REFUSAL).await.unwrap_or_default();
    Err(fault::of_answer(code, &headers, &body, asked))
}

/// Any answer, a refusal too.
async fn answer(
    client: &Client,
    path: &str,
    asked: &Asked<'_>,
    shape: Shape,
) -> Result<Response<Body>, Refusal> {
    let accepted = match shape {
        Shape::Metadata => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        Shape::Whole | Shape::Endless => "application/json",
    };
    let mut request = Request::get(path).header(http::header::ACCEPT, accepted);
    if shape == Shape::Endless {
        // API servers from 1.37 on compress watches one member per event, and our decompression reads only the first.
        request = request.header(http::header::ACCEPT_ENCODING, "identity");
    }
    let request = request.body(Body::empty()).map_err(|error| {
        Fault::new(FaultKind::Unusable, "the request cannot be written")
            .with_detail(error.to_string())
    })?;
    client
        .send(request)
        .await
        .map_err(|error| fault::of_kube(&error, asked))
}

async fn read(response: Response<Body>, most: usize) -> Result<Vec<u8>, Fault> {
    match Limited::new(response.into_body(), most).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => Err(Fault::new(
            FaultKind::Protocol,
            format!("the answer is longer than {} MiB", most >> 20),
        )),
        Err(error) => Err(fault::of_transport(&*error)),
    }
}
