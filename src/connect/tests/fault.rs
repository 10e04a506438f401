#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

const PODS: Asked<'static> = Asked {
    verb: "list",
    resource: "pods",
    group: "",
    namespace: None,
};
const BUDGETS: Asked<'static> = Asked {
    verb: "watch",
    resource: "poddisruptionbudgets",
    group: "policy",
    namespace: Some("shop"),
};

fn answer(code: u16, body: &str, asked: &Asked<'_>) -> Refusal {
    let code = StatusCode::from_u16(code).unwrap();
    of_answer(code, &http::HeaderMap::new(), body.as_bytes(), asked)
}

fn status(message: &str) -> String {
    serde_json::json!({"kind": "Status", "apiVersion": "v1", "message": message}).to_string()
}

#[test]
fn every_refusal_has_its_kind_and_a_line() {
    use FaultKind::*;
    let html = "<!DOCTYPE html><html><body>Bad gateway</body></html>";
    for (code, body, kind, wanted) in [
        (
            401,
            status("Unauthorized"),
            Unauthenticated,
            "the API server does not accept our credentials (401)",
        ),
        (
            403,
            status("pods is forbidden: ..."),
            Forbidden,
            "may not list pods in the whole cluster",
        ),
        (
            404,
            status("not found"),
            NotFound,
            "cannot list pods in the whole cluster: not found",
        ),
        (
            404,
            "404 page not found\n".to_owned(),
            NotFound,
            "cannot list pods in the whole cluster: 404 page not found",
        ),
        (
            409,
            status("conflict"),
            Conflict,
            "cannot list pods in the whole cluster: somebody else changed it first",
        ),
        (
            410,
            status("too old resource version"),
            Refused,
            "the resource version has expired (410)",
        ),
        (
            429,
            "Too many requests, please try again later.\n".to_owned(),
            Refused,
            "the API server asks us to slow down (429)",
        ),
        (
            500,
            status("etcdserver: request timed out"),
            Refused,
            "the API server answered 500: etcdserver: request timed out",
        ),
        (
            503,
            String::new(),
            Protocol,
            "answered with something that is not Kubernetes (an empty body, 503)",
        ),
        (
            504,
            status("deadline"),
            Timeout,
            "the API server timed out (504)",
        ),
        (
            502,
            html.to_owned(),
            Protocol,
            "answered with something that is not Kubernetes (HTML, 502)",
        ),
        (
            401,
            html.to_owned(),
            Unauthenticated,
            "answered with something that is not Kubernetes (HTML, 401)",
        ),
        (
            403,
            html.to_owned(),
            Forbidden,
            "answered with something that is not Kubernetes (HTML, 403)",
        ),
        (
            404,
            html.to_owned(),
            Protocol,
            "answered with something that is not Kubernetes (HTML, 404)",
        ),
        (
            500,
            "{\"error\":1}".to_owned(),
            Protocol,
            "answered with something that is not Kubernetes (other JSON, 500)",
        ),
        (
            400,
            "Client sent an HTTP request to an HTTPS server.\n".to_owned(),
            Protocol,
            "the server wants TLS on that port, and the kubeconfig says http",
        ),
        (
            503,
            "upstream connect error".to_owned(),
            Protocol,
            "answered with something that is not Kubernetes (text, 503)",
        ),
    ] {
        let refusal = answer(code, &body, &PODS);
        assert_eq!(
            (refusal.fault.kind, refusal.fault.message.as_str()),
            (kind, wanted),
            "{code} {body}"
        );
        assert_eq!(refusal.code, Some(code));
        assert_eq!(refusal.is_expired(), code == 410);
        assert!(!refusal.fault.detail.contains('<'), "no page is shown");
    }
}

#[test]
fn a_missing_right_names_the_smallest_role() {
    for (asked, wanted, hint) in [
        (
            PODS,
            "may not list pods in the whole cluster",
            "the right is missing: kubectl --context {context} create clusterrole darner-pods --verb=list,watch --resource=pods, and bind it",
        ),
        (
            BUDGETS,
            "may not watch poddisruptionbudgets in namespace shop",
            "the right is missing: kubectl --context {context} -n shop create role darner-poddisruptionbudgets --verb=list,watch --resource=poddisruptionbudgets.policy, and bind it",
        ),
        (
            Asked {
                verb: "get,create",
                resource: "pods/portforward",
                group: "",
                namespace: Some("shop"),
            },
            "may not port-forward (pods/portforward) in namespace shop",
            "the right is missing: kubectl --context {context} -n shop create role darner-pods-portforward --verb=get,create --resource=pods/portforward, and bind it",
        ),
    ] {
        let fault = answer(403, &status("forbidden"), &asked).fault;
        assert_eq!(
            (fault.message.as_str(), fault.hint.as_str()),
            (wanted, hint)
        );
    }
    let nobody = answer(
        403,
        &status("pods is forbidden: User \"system:anonymous\" cannot list"),
        &PODS,
    );
    assert!(
        nobody.fault.hint.contains("has no credentials"),
        "{}",
        nobody.fault.hint
    );
}

#[test]
fn when_to_try_again_is_read_from_header_or_body() {
    let mut headers = http::HeaderMap::new();
    headers.insert("retry-after", "7".parse().unwrap());
    let code = StatusCode::TOO_MANY_REQUESTS;
    let with_details = r#"{"kind":"Status","details":{"retryAfterSeconds":3}}"#;
    for (headers, body, wanted) in [
        (headers, "", Some(7)),
        (http::HeaderMap::new(), with_details, Some(3)),
        (http::HeaderMap::new(), "", None),
    ] {
        let refusal = of_answer(code, &headers, body.as_bytes(), &PODS);
        assert_eq!(refusal.retry_after, wanted.map(Duration::from_secs));
    }
}

/// An error with a cause, as libraries nest them.
#[derive(Debug)]
struct Nested(&'static str, Option<Box<dyn StdError + Send + Sync>>);

impl std::fmt::Display for Nested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Nested {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_ref().map(|e| &**e as &(dyn StdError + 'static))
    }
}

#[test]
fn the_innermost_cause_is_what_is_shown() {
    use FaultKind::*;
    use std::io::{Error, ErrorKind as Io};
    let nest =
        |text: &'static str| Nested("client error (Connect)", Some(Box::new(Nested(text, None))));
    let io = |kind: Io| Nested("client error (Connect)", Some(Box::new(Error::from(kind))));
    let wrapped = Nested(
        "outer",
        Some(Box::new(Error::other(Error::from(Io::ConnectionRefused)))),
    );
    for (error, kind, wanted) in [
        (io(Io::ConnectionRefused), Unreachable, "connection refused"),
        (wrapped, Unreachable, "connection refused"),
        (io(Io::TimedOut), Timeout, "no answer within the deadline"),
        (io(Io::ConnectionReset), Unreachable, "connection reset"),
        (
            io(Io::NetworkUnreachable),
            Unreachable,
            "no route to the server",
        ),
        (
            nest("dns error: failed to lookup address information"),
            Unreachable,
            "the server's name cannot be resolved",
        ),
        (
            nest("received corrupt message of type InvalidContentType"),
            Unreachable,
            "TLS: the server does not speak TLS on that port",
        ),
        (
            nest("invalid peer certificate: UnknownIssuer"),
            Unreachable,
            "TLS: the server's certificate is signed by an unknown authority",
        ),
        (
            nest("invalid peer certificate: certificate not valid for name \"x\""),
            Unreachable,
            "TLS: the server's certificate is for another name",
        ),
        (
            nest("invalid peer certificate: Expired"),
            Unreachable,
            "TLS: a certificate has expired",
        ),
        (
            nest("connection closed before message completed"),
            Protocol,
            "the connection closed half-way through the answer",
        ),
        (
            nest("invalid HTTP version parsed"),
            Protocol,
            "answered with something that is not HTTP",
        ),
        (
            nest("deadline has elapsed"),
            Timeout,
            "no answer within the deadline",
        ),
        (nest("something new"), Unreachable, "something new"),
    ] {
        let fault = of_transport(&error);
        assert_eq!(
            (fault.kind, fault.message.as_str()),
            (kind, wanted),
            "{error:?}"
        );
        assert!(fault.detail.starts_with("client error") || fault.detail.starts_with("outer"));
    }
}

#[test]
fn a_late_answer_says_to_what() {
    let s = Duration::from_millis;
    assert_eq!(
        late(&PODS, s(4_000)).message,
        "no answer within 4 s to list pods in the whole cluster"
    );
    let version = Asked {
        verb: "/version",
        resource: "",
        group: "",
        namespace: None,
    };
    assert_eq!(
        late(&version, s(1_500)).message,
        "no answer within 1.5 s to /version"
    );
}
