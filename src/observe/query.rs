//! Questions to a metrics store behind a Service, through the API server's proxy to it.
//!
//! What holds at any time: an answer is bounded in size and time; whatever else comes (HTML, other JSON, an error of the
//! store or of the API server) is a fault of this one question, and delays nothing else.

use std::time::Duration;

use http::StatusCode;

use super::watch::escape;
use crate::connect::fault::{Asked, Refusal};
use crate::connect::request;
use crate::domain::monitoring::{Ask, Query, Told};
use crate::domain::{Fault, FaultKind, text};
use crate::wire;

/// Asks a store.
pub(super) async fn ask(
    client: &kube::Client,
    query: &Query,
    deadline: Duration,
) -> Result<Told, Refusal> {
    let asked = Asked {
        verb: "get",
        resource: "services/proxy",
        group: "",
        namespace: Some(&query.store.namespace),
    };
    let answer = request::proxied(client, &path(query), &asked, deadline).await;
    let (code, body) = answer.map_err(|refusal| of_the_store(query, refusal))?;
    understood(query, code, &body).map_err(Refusal::from)
}

/// The path of a question.
fn path(query: &Query) -> String {
    let store = &query.store;
    let scheme = if store.tls { "https:" } else { "" };
    let asked = match &query.ask {
        Ask::Vector(expression) => format!("query?query={}", escape(expression)),
        Ask::Rules => "rules".to_owned(),
        Ask::Alerts => "alerts".to_owned(),
    };
    let prefix: String = store
        .path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| format!("/{}", escape(part)))
        .collect();
    format!(
        "/api/v1/namespaces/{}/services/{scheme}{}:{}/proxy{prefix}/api/v1/{asked}",
        escape(&store.namespace),
        escape(&store.service),
        escape(&store.port),
    )
}

/// The same trouble, said of the store.
fn of_the_store(query: &Query, mut refusal: Refusal) -> Refusal {
    // A missing right, a Service that is not there, and a deadline that passed name what was asked.
    let is_said = matches!(
        refusal.fault.kind,
        FaultKind::Forbidden | FaultKind::NotFound
    );
    if !is_said {
        let message = format!(
            "the metrics store {}: {}",
            query.store, refusal.fault.message
        );
        refusal.fault.message = text::one_line(&message);
    }
    refusal
}

fn understood(query: &Query, code: StatusCode, body: &[u8]) -> Result<Told, Fault> {
    let store = &query.store;
    let fault = |kind, said: String| Fault::new(kind, format!("the metrics store {store} {said}"));
    let elsewhere = "name the right Service and port in [[metrics]] of the settings";
    let start = body.get(..512).unwrap_or(body);
    if String::from_utf8_lossy(start).trim_start().starts_with('<') {
        return Err(fault(
            FaultKind::Protocol,
            format!("answered with HTML ({})", code.as_u16()),
        )
        .with_hint(format!(
            "a login page, or another program, answers there: {elsewhere}"
        )));
    }
    if !code.is_success() {
        return Err(match wire::store_refusal(body) {
            Some(why) => fault(FaultKind::Refused, format!("refused the question: {why}")),
            None => fault(FaultKind::Refused, format!("answered {}", code.as_u16()))
                .with_detail(String::from_utf8_lossy(start))
                .with_hint(format!("see whether it is one: {elsewhere}")),
        });
    }
    wire::store_answer(&query.ask, body).map_err(|why| match wire::store_refusal(body) {
        Some(why) => fault(FaultKind::Refused, format!("refused the question: {why}")),
        None => fault(
            FaultKind::Protocol,
            "answered with something that is not the query API of Prometheus".to_owned(),
        )
        .with_detail(why)
        .with_hint(elsewhere),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::domain::ContextId;
    use crate::domain::monitoring::Store;

    fn query(path: &str, ask: Ask) -> Query {
        Query {
            store: Store {
                context: ContextId::new("infra"),
                namespace: Arc::from("vm"),
                service: Arc::from("vmsingle"),
                port: Arc::from("8428"),
                tls: path == "tls",
                path: Arc::from(if path == "tls" { "" } else { path }),
            },
            ask,
        }
    }

    #[test]
    fn a_question_is_a_path_through_the_api_server() {
        let up = || Ask::Vector(Arc::from("up{a=\"b c\"}"));
        let root = "/api/v1/namespaces/vm/services";
        for (query, wanted) in [
            (
                query("", up()),
                "/vmsingle:8428/proxy/api/v1/query?query=up%7Ba%3D%22b%20c%22%7D",
            ),
            (
                query("/select/0/prometheus/", Ask::Rules),
                "/vmsingle:8428/proxy/select/0/prometheus/api/v1/rules",
            ),
            (
                query("tls", Ask::Alerts),
                "/https:vmsingle:8428/proxy/api/v1/alerts",
            ),
        ] {
            assert_eq!(path(&query), format!("{root}{wanted}"));
        }
    }

    #[test]
    fn whatever_else_comes_is_a_fault_with_a_sentence() {
        let ask = query("", Ask::Rules);
        for (code, body, wanted) in [
            (
                200,
                "<!doctype html><html>",
                "the metrics store vm/vmsingle answered with HTML (200)",
            ),
            (
                502,
                "<html>",
                "the metrics store vm/vmsingle answered with HTML (502)",
            ),
            (
                404,
                "404 page not found",
                "the metrics store vm/vmsingle answered 404",
            ),
            (
                422,
                r#"{"status":"error","errorType":"execution","error":"too many samples"}"#,
                "the metrics store vm/vmsingle refused the question: execution: too many samples",
            ),
            (
                200,
                r#"{"status":"error","error":"no"}"#,
                "the metrics store vm/vmsingle refused the question: no",
            ),
            (
                200,
                "{}",
                "the metrics store vm/vmsingle answered with something that is not the query API of Prometheus",
            ),
            (
                200,
                "",
                "the metrics store vm/vmsingle answered with something that is not the query API of Prometheus",
            ),
        ] {
            let code = StatusCode::from_u16(code).unwrap();
            let fault = understood(&ask, code, body.as_bytes()).unwrap_err();
            assert_eq!(fault.message, wanted);
        }
    }
}
