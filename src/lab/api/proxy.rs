//! `pods/proxy`, `services/proxy` and `nodes/proxy`: HTTP through the API server.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::Desk;
use super::call::Call;
use super::evict::selects;
use super::reply::{self, Reply};
use crate::lab::resources::{NODES, PODS, SERVICES};
use crate::lab::status::Status;

/// Answers a request for `/proxy/...`.
pub(super) async fn answer(
    desk: &Desk,
    call: &Call,
    method: &Method,
    body: Bytes,
) -> Result<Reply, Status> {
    if call.resource.id() == NODES {
        return node(desk, call).await;
    }
    let (name, port) = named(&call.name);
    if call.resource.id() == SERVICES
        && let Some(reply) = super::scripted::answer(desk, call, &name).await?
    {
        return Ok(reply);
    }
    let (pod, port) = if call.resource.id() == PODS {
        let pod = desk.store.get(PODS, &call.namespace, &name)?.value();
        let first = pod
            .pointer("/spec/containers/0/ports/0/containerPort")
            .and_then(Value::as_u64);
        let port = match port.as_str() {
            "" => first
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(80),
            text => text
                .parse()
                .map_err(|_| Status::bad_request(format!("invalid port {text:?}")))?,
        };
        (name, port)
    } else {
        behind(desk, call, &name, &port)?
    };
    let failed = |error: &dyn std::fmt::Display| {
        Status::unavailable(format!(
            "error trying to reach service: dial tcp {pod}:{port}: {error}"
        ))
    };
    let stream = desk
        .kubelet
        .dial(&call.namespace, &pod, port)
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => failed(&"connect: connection refused"),
            _ => failed(&error),
        })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    tokio::spawn(connection);
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method.clone();
    *request.uri_mut() = format!("/{}", call.rest)
        .parse()
        .map_err(|error| failed(&error))?;
    if let Ok(host) = format!("{pod}:{port}").parse() {
        request.headers_mut().insert(HOST, host);
    }
    let response: Response<_> = sender
        .send_request(request)
        .await
        .map_err(|error| failed(&error))?;
    let (head, body) = response.into_parts();
    let whole = body
        .collect()
        .await
        .map_err(|error| failed(&error))?
        .to_bytes();
    let mut reply = reply::bytes(head.status.as_u16(), "text/plain", whole);
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        reply.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    Ok(reply)
}

/// `[SCHEME:]NAME[:PORT]`.
fn named(text: &str) -> (String, String) {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [name] => ((*name).to_owned(), String::new()),
        [name, port] => ((*name).to_owned(), (*port).to_owned()),
        [_, name, port, ..] => ((*name).to_owned(), (*port).to_owned()),
        [] => (String::new(), String::new()),
    }
}

/// A ready pod behind a service, and the port it listens on.
fn behind(desk: &Desk, call: &Call, name: &str, port: &str) -> Result<(String, u16), Status> {
    let service = desk.store.get(SERVICES, &call.namespace, name)?.value();
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    let wanted = ports.into_iter().flatten().find(|one| {
        let is = |key: &str| match one.get(key) {
            Some(Value::String(text)) => text == port,
            Some(value) => value
                .as_u64()
                .is_some_and(|number| port.parse() == Ok(number)),
            None => false,
        };
        port.is_empty() || is("name") || is("port")
    });
    let none = || Status::unavailable(format!("no endpoints available for service \"{name}\""));
    let wanted = wanted.ok_or_else(none)?;
    let target = wanted.get("targetPort").or_else(|| wanted.get("port"));
    let selector = serde_json::json!({ "matchLabels": service.pointer("/spec/selector").cloned().unwrap_or(Value::Null) });
    for object in desk.store.list(PODS, Some(&call.namespace))?.items {
        if !selects(&selector, &object) || object.deleting {
            continue;
        }
        let pod = object.value();
        let ready = pod
            .pointer("/status/conditions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .any(|one| {
                one.get("type").and_then(Value::as_str) == Some("Ready")
                    && one.get("status").and_then(Value::as_str) == Some("True")
            });
        let port = match target {
            Some(Value::String(port_name)) => pod
                .pointer("/spec/containers")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .flat_map(|one| {
                    one.get("ports")
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                })
                .find(|one| one.get("name").and_then(Value::as_str) == Some(port_name))
                .and_then(|one| one.get("containerPort"))
                .and_then(Value::as_u64),
            Some(number) => number.as_u64(),
            None => None,
        };
        if let (true, Some(port)) = (ready, port.and_then(|port| u16::try_from(port).ok())) {
            return Ok((object.name.clone(), port));
        }
    }
    Err(none())
}

/// What a kubelet tells through the API server: its measurements.
async fn node(desk: &Desk, call: &Call) -> Result<Reply, Status> {
    let (name, _) = named(&call.name);
    let machine = desk.store.get(NODES, "", &name)?.value();
    match call.rest.as_str() {
        "stats/summary" => match desk.kubelet.stats(&name).await {
            Some(summary) => Ok(reply::json(200, &summary)),
            // Its kubelet measures always; this machine is gone.
            None => Err(Status::unavailable(format!(
                "error trying to reach service: dial tcp {}:10250: connect: no route to host",
                address(&machine)
            ))),
        },
        "healthz" => Ok(reply::text(200, "ok")),
        _ => Err(Status::no_such_resource()),
    }
}

/// The address at which the API server looks for a machine's kubelet.
fn address(machine: &Value) -> &str {
    let addresses = machine
        .pointer("/status/addresses")
        .and_then(Value::as_array);
    let internal = addresses
        .into_iter()
        .flatten()
        .find(|one| one.get("type").and_then(Value::as_str) == Some("InternalIP"));
    internal
        .and_then(|one| one.get("address"))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxied_names_carry_ports() {
        let table = [
            ("p", ("p", "")),
            ("p:80", ("p", "80")),
            ("http:p:web", ("p", "web")),
        ];
        for (text, (name, port)) in table {
            assert_eq!(named(text), (name.to_owned(), port.to_owned()));
        }
    }
}
