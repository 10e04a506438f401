//! What went wrong on the way out, as a [`Fault`]: one line for a row, the whole chain of causes behind it, and the next
//! step.

use std::error::Error as StdError;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use crate::domain::text::one_line;
use crate::domain::{Fault, FaultKind};

/// What was asked of the API server, for sentences and for the right that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// As RBAC spells it: `list`, `watch`, `create`.
    pub verb: &'a str,
    /// As RBAC spells it, subresource included: `pods/portforward`. Empty for paths that are not resources.
    pub resource: &'a str,
    /// API group, empty for the core group.
    pub group: &'a str,
    /// Namespace; `None` over the whole cluster.
    pub namespace: Option<&'a str>,
}

impl Asked<'_> {
    /// `list pods in namespace shop`, `list pods in all namespaces`.
    fn words(&self) -> String {
        match self.namespace {
            Some(namespace) if self.resource == "pods/portforward" => {
                format!("port-forward (pods/portforward) in namespace {namespace}")
            }
            Some(namespace) if self.resource == "pods/proxy" => {
                format!("read pages of pods (pods/proxy) in namespace {namespace}")
            }
            Some(namespace) if self.resource == "services/proxy" => {
                format!("read what Services serve (services/proxy) in namespace {namespace}")
            }
            Some(namespace) if self.resource == "pods/exec" => {
                format!("run commands in pods (pods/exec) in namespace {namespace}")
            }
            Some(namespace) => {
                format!("{} {} in namespace {namespace}", self.verb, self.resource)
            }
            None => format!("{} {} in the whole cluster", self.verb, self.resource),
        }
    }

    /// A role that would give the right, as kubectl makes it.
    fn role(&self) -> String {
        let verbs = match self.verb {
            "list" | "watch" => "list,watch",
            verb => verb,
        };
        let resource = if self.group.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}.{}", self.resource, self.group)
        };
        // Another name for each: several may be missing, and a role that exists is not made again.
        let name = format!("darner-{}", self.resource.replace('/', "-"));
        match self.namespace {
            Some(namespace) => format!(
                "the right is missing: kubectl --context {{context}} -n {namespace} create role {name} --verb={verbs} --resource={resource}, and bind it"
            ),
            None => format!(
                "the right is missing: kubectl --context {{context}} create clusterrole {name} --verb={verbs} --resource={resource}, and bind it"
            ),
        }
    }
}

/// What an API server sends with a refusal (`metav1.Status`), as far as it is read here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    kind: String,
    message: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    #[serde(rename = "retryAfterSeconds")]
    retry_after: u64,
}

/// A refusal: what it means, and what the server said about trying again.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// What it means.
    pub fault: Fault,
    /// HTTP status, when there was an answer at all.
    pub code: Option<u16>,
    /// `Retry-After`, or `retryAfterSeconds` of the body.
    pub retry_after: Option<Duration>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            code: None,
            retry_after: None,
        }
    }
}

impl Refusal {
    /// The resource version, or the token of a paged list, is too old: list again.
    pub fn is_expired(&self) -> bool {
        self.code == Some(410)
    }
}

/// A refusal from status, headers and body of an answer.
pub fn of_answer(
    code: StatusCode,
    headers: &http::HeaderMap,
    body: &[u8],
    asked: &Asked<'_>,
) -> Refusal {
    let after = headers
        .get(http::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let (fault, told) = match serde_json::from_slice::<Status>(body) {
        Ok(status) if status.kind == "Status" => {
            let told = status.details.map(|d| d.retry_after).filter(|s| *s > 0);
            (of_status(code.as_u16(), &status.message, asked), told)
        }
        _ => (of_alien(code, body, asked), None),
    };
    Refusal {
        fault,
        code: Some(code.as_u16()),
        retry_after: after.or(told).map(Duration::from_secs),
    }
}

/// Whether a body is an API server's own refusal.
pub fn is_of_kubernetes(body: &[u8]) -> bool {
    serde_json::from_slice::<Status>(body).is_ok_and(|status| status.kind == "Status")
}

/// An answer that no Kubernetes API server wrote: a proxy's page, a login form, a gateway's word.
fn of_alien(code: StatusCode, body: &[u8], asked: &Asked<'_>) -> Fault {
    let text = String::from_utf8_lossy(body.get(..512).unwrap_or(body)).into_owned();
    let text = text.trim();
    // The API server answers some refusals in plain text ("too many requests", "404 page not found").
    let plain = !text.starts_with(['<', '{', '[']) && text.len() < 200;
    if text.contains("HTTP request to an HTTPS server") {
        return Fault::new(
            FaultKind::Protocol,
            "the server wants TLS on that port, and the kubeconfig says http",
        )
        .with_detail(text)
        .with_hint("write the server as https:// in the kubeconfig");
    }
    match code.as_u16() {
        401 | 403 | 404 | 410 | 429 if plain => of_status(code.as_u16(), text, asked),
        number => {
            let what = if text.starts_with('<') {
                "HTML"
            } else if text.is_empty() {
                "an empty body"
            } else if text.starts_with(['{', '[']) {
                "other JSON"
            } else {
                "text"
            };
            let kind = match number {
                401 => FaultKind::Unauthenticated,
                403 => FaultKind::Forbidden,
                _ => FaultKind::Protocol,
            };
            Fault::new(
                kind,
                format!("answered with something that is not Kubernetes ({what}, {number})"),
            )
            .with_detail(if plain { text } else { "" })
            .with_hint("a proxy or gateway in between may have answered: check the server URL and proxy settings")
        }
    }
}

/// An answer with status 200 whose body is not what was asked for.
pub fn of_body(body: &[u8], why: &str) -> Fault {
    let start = body.get(..512).unwrap_or(body);
    let start = String::from_utf8_lossy(start);
    if start.trim_start().starts_with('<') {
        return Fault::new(
            FaultKind::Protocol,
            "answered with something that is not Kubernetes (HTML, 200)",
        )
        .with_hint("a proxy or login page in between may have answered: check the server URL and proxy settings");
    }
    Fault::new(
        FaultKind::Protocol,
        "answered with something that is not Kubernetes",
    )
    .with_detail(why)
}

fn of_status(code: u16, message: &str, asked: &Asked<'_>) -> Fault {
    let said = one_line(message);
    let doing = asked.words();
    match code {
        401 => Fault::new(
            FaultKind::Unauthenticated,
            "the API server does not accept our credentials (401)",
        )
        .with_hint("log in again, then try again; the kubeconfig is read anew at each try"),
        403 => {
            let nobody = said.contains("system:anonymous");
            let hint = if nobody {
                "the API server takes us for nobody: the kubeconfig's user has no credentials"
                    .to_owned()
            } else {
                asked.role()
            };
            Fault::new(FaultKind::Forbidden, format!("may not {doing}")).with_hint(hint)
        }
        404 => {
            let said = if said.is_empty() { "not found" } else { &said };
            Fault::new(FaultKind::NotFound, format!("cannot {doing}: {said}"))
        }
        409 => Fault::new(
            FaultKind::Conflict,
            format!("cannot {doing}: somebody else changed it first"),
        ),
        410 => Fault::new(FaultKind::Refused, "the resource version has expired (410)"),
        // An eviction that a budget does not allow is answered so, with the budget's own words.
        429 if said.contains("disruption budget") => Fault::new(
            FaultKind::Refused,
            format!("a disruption budget refuses it: {said}"),
        ),
        429 => Fault::new(
            FaultKind::Refused,
            "the API server asks us to slow down (429)",
        ),
        504 => Fault::new(FaultKind::Timeout, "the API server timed out (504)"),
        _ => {
            let tail = if said.is_empty() {
                String::new()
            } else {
                format!(": {said}")
            };
            Fault::new(
                FaultKind::Refused,
                format!("the API server answered {code}{tail}"),
            )
        }
    }
    .with_detail(message)
}

/// A fault from an error of the kube client.
pub fn of_kube(error: &kube::Error, asked: &Asked<'_>) -> Refusal {
    match error {
        kube::Error::Api(status) => {
            let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::BAD_GATEWAY);
            let fault = if status.reason == "Failed to parse error data" {
                of_alien(code, status.message.as_bytes(), asked)
            } else {
                of_status(code.as_u16(), &status.message, asked)
            };
            let after = status.details.as_ref().map(|d| d.retry_after_seconds);
            Refusal {
                fault,
                code: Some(code.as_u16()),
                retry_after: after
                    .filter(|s| *s > 0)
                    .map(|s| Duration::from_secs(s.into())),
            }
        }
        kube::Error::SerdeError(error) => of_body(b"", &error.to_string()).into(),
        kube::Error::FromUtf8(error) => of_body(b"", &error.to_string()).into(),
        kube::Error::UpgradeConnection(error) => Fault::new(
            FaultKind::Protocol,
            "the API server, or a proxy before it, does not open WebSockets",
        )
        .with_detail(chain(error))
        .with_hint(
            "port-forward needs WebSocket upgrades: check proxies between here and the API server",
        )
        .into(),
        other => of_transport(other).into(),
    }
}

/// A fault from trouble below HTTP: the innermost cause is what people recognise.
pub fn of_transport(error: &(dyn StdError + 'static)) -> Fault {
    let whole = chain(error);
    let low = whole.to_lowercase();
    let io = innermost_io(error);
    let unreachable = |message: &str| Fault::new(FaultKind::Unreachable, message);
    let has = |words: &[&str]| words.iter().any(|word| low.contains(word));
    use std::io::ErrorKind as Io;
    let fault = if has(&[
        "dns error",
        "failed to lookup address",
        "name or service not known",
    ]) {
        unreachable("the server's name cannot be resolved")
            .with_hint("check the server URL in the kubeconfig, DNS and VPN")
    } else if has(&["invalidcontenttype", "wrong version number"]) {
        unreachable("TLS: the server does not speak TLS on that port")
            .with_hint("check whether the server URL should start with http:")
    } else if has(&["expired"]) && has(&["certificate"]) {
        unreachable("TLS: a certificate has expired").with_detail("")
    } else if has(&[
        "unknownissuer",
        "unknown issuer",
        "self-signed",
        "self signed",
        "unable to get local issuer",
    ]) {
        unreachable("TLS: the server's certificate is signed by an unknown authority")
            .with_hint("certificate-authority in the kubeconfig is missing or of another cluster")
    } else if has(&[
        "notvalidforname",
        "not valid for name",
        "certificate not valid",
    ]) {
        unreachable("TLS: the server's certificate is for another name").with_hint(
            "set tls-server-name in the kubeconfig if the server is reached by another name",
        )
    } else if has(&["certificate", "tls", "handshake", "alert"])
        && io != Some(Io::ConnectionRefused)
    {
        unreachable("TLS failed")
    } else if has(&["proxy", "tunnel"]) {
        unreachable("the proxy did not let us through")
            .with_hint("check proxy-url in the kubeconfig and HTTPS_PROXY")
    } else {
        match io {
            Some(Io::ConnectionRefused) => unreachable("connection refused"),
            Some(Io::TimedOut) => Fault::new(FaultKind::Timeout, "no answer within the deadline"),
            Some(Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe) => {
                unreachable("connection reset")
            }
            Some(Io::HostUnreachable | Io::NetworkUnreachable | Io::AddrNotAvailable) => {
                unreachable("no route to the server").with_hint("check network and VPN")
            }
            Some(Io::NetworkDown) => unreachable("the network is down"),
            _ if has(&["timed out", "deadline has elapsed", "timeout"]) => {
                Fault::new(FaultKind::Timeout, "no answer within the deadline")
            }
            _ if has(&[
                "incomplete message",
                "before message completed",
                "unexpected eof",
                "end of file before",
                "connection closed",
                "unexpected end of file",
            ]) =>
            {
                Fault::new(
                    FaultKind::Protocol,
                    "the connection closed half-way through the answer",
                )
            }
            _ if has(&[
                "invalid http",
                "parse error",
                "invalid http version",
                "message head",
            ]) =>
            {
                Fault::new(
                    FaultKind::Protocol,
                    "answered with something that is not HTTP",
                )
            }
            _ => unreachable(&last(error)),
        }
    };
    fault.with_detail(whole)
}

/// No answer within the time given to one request.
pub fn late(asked: &Asked<'_>, after: Duration) -> Fault {
    let doing = if asked.resource.is_empty() {
        asked.verb.to_owned()
    } else {
        asked.words()
    };
    Fault::new(
        FaultKind::Timeout,
        format!("no answer within {} to {doing}", seconds(after)),
    )
}

/// `4 s`, `1.5 s`.
pub fn seconds(time: Duration) -> String {
    let ms = time.as_millis();
    if ms.is_multiple_of(1_000) {
        format!("{} s", ms / 1_000)
    } else {
        format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
    }
}

/// The causes, outermost first, without repeating what a cause's parent has already said.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut out = error.to_string();
    for cause in causes(error).skip(1) {
        let text = cause.to_string();
        if !out.ends_with(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
    }
    out
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    // A chain that loops must not.
    std::iter::successors(Some(error), |e: &&'a (dyn StdError + 'static)| {
        (*e).source()
    })
    .take(16)
}

fn last(error: &(dyn StdError + 'static)) -> String {
    causes(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

fn innermost_io(error: &(dyn StdError + 'static)) -> Option<std::io::ErrorKind> {
    let mut found = None;
    for cause in causes(error) {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            found = Some(io.kind());
            // An io::Error that wraps another error does not offer it as its source, only its source's source.
            if let Some(inner) = io
                .get_ref()
                .and_then(|e| e.downcast_ref::<std::io::Error>())
            {
                found = Some(inner.kind());
            }
        }
    }
    found
}

#[cfg(test)]
#[path = "tests/fault.rs"]
mod tests;
