//! HTTP on the admin port: `/metrics`, `/healthz`, `/`.

use std::sync::Arc;

use super::clients::Port;
use super::core::State;
use super::node::Node;
use super::spec::Version;

/// One request, as much of it as matters.
pub(super) struct Request {
    method: String,
    path: String,
    /// The client wants the connection closed after the reply.
    pub(super) last: bool,
}

/// Whether the connection speaks HTTP. The data port never does
/// (`--primary_port_http_enabled=false`): it takes each line for a command.
pub(super) fn asks(port: Port, input: &[u8]) -> bool {
    let starts = |word: &[u8]| input.starts_with(word);
    port == Port::Admin && (starts(b"GET /") || starts(b"HEAD /") || starts(b"POST /"))
}

/// The first whole request and the bytes it took.
pub(super) fn read(input: &[u8]) -> Option<(Request, usize)> {
    let end = input.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(input.get(..end).unwrap_or_default()).into_owned();
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let old = words.next() == Some("HTTP/1.0");
    let close = lines.any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("connection:") && line.contains("close")
    });
    let request = Request {
        method: method.into(),
        path: path.into(),
        last: old || close,
    };
    Some((request, end + 4))
}

/// The whole response.
pub(super) fn answer(node: &Arc<Node>, request: &Request) -> Vec<u8> {
    let path = request.path.split('?').next().unwrap_or_default();
    let (status, kind, body) = match path {
        "/metrics" => ("200 OK", "text/plain", super::metrics::text(node)),
        "/healthz" if node.spec.version >= Version(1, 38, 0) => health(node),
        "/" => ("200 OK", "text/html", page(node)),
        _ => ("404 Not Found", "text/plain", "Not Found\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let body = if request.method == "HEAD" { "" } else { &body };
    [head.as_bytes(), body.as_bytes()].concat()
}

/// 200 only while ACTIVE: not in a full sync, not while loading, not taken over.
fn health(node: &Node) -> (&'static str, &'static str, String) {
    match node.core().state {
        State::Active => ("200 OK", "text/plain", "OK\n".into()),
        _ => (
            "503 Service Unavailable",
            "text/plain",
            "Service Unavailable\n".into(),
        ),
    }
}

fn page(node: &Node) -> String {
    let now = node.now();
    let mut core = node.core();
    let memory = core.memory();
    let up = now.saturating_sub(core.started).as_secs();
    let load = memory.keys as f64 / memory.capacity.max(1) as f64;
    format!(
        "<!DOCTYPE html>\n<html><head>\n\
         <meta http-equiv='Content-Type' content='text/html; charset=UTF-8'/>\n</head>\n<body>\n\
         <div class='left_panel'></div>\n<div class='styled_border'>\n\
         <div>Status:<span class='key_text'>OK</span></div>\n\
         <div>Started on:<span class='key_text'>{}</span></div>\n\
         <div>Uptime:<span class='key_text'>{}:{}:{}</span></div>\n\
         <div>Render Latency:<span class='key_text'>230 us</span></div>\n</div>\n</body>\n<script>\n\
         var json_text1 = {{\"engine\": {{ \"keys\": {},\"obj_mem_usage\": {},\"table_load_factor\": {load:.6} }},\n\
         \"current-time\": {}}};\n</script>\n</html>",
        node.clock.format(core.started, "%Y-%m-%dT%H:%M:%S"),
        up / 3600,
        up / 60 % 60,
        up % 60,
        memory.keys,
        memory.objects,
        node.clock.unix_s(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_are_read_whole() {
        let wire = b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET";
        let (request, used) = read(wire).unwrap();
        assert_eq!(
            (request.path.as_str(), request.last, used),
            ("/metrics?x=1", true, wire.len() - 3)
        );
        assert!(read(b"GET / HTTP/1.1\r\nHost: a\r\n").is_none());
        assert!(asks(Port::Admin, b"GET /healthz") && !asks(Port::Data, b"GET /healthz"));
        assert!(!asks(Port::Admin, b"GET key\r\n"));
    }
}
