//! `pods/log`, and what it shares with exec and attach: which container is meant.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::Desk;
use super::call::Call;
use super::reply::{self, Reply};
use crate::lab::clock;
use crate::lab::kubelet_api::LogLine;
use crate::lab::resources::{NODES, PODS};
use crate::lab::status::Status;

/// Answers a request for logs.
pub(super) async fn answer(desk: &Arc<Desk>, call: &Call) -> Result<Reply, Status> {
    let pod = desk.store.get(PODS, &call.namespace, &call.name)?.value();
    let (previous, follow) = (call.query.flag("previous"), call.query.flag("follow"));
    let container = container(&pod, &call.name, call.query.get("container"))?;
    scheduled(desk, &pod, &call.name)?;
    let wants = Wants::read(call, desk.store.now())?;
    let log = desk
        .kubelet
        .logs(
            &call.namespace,
            &call.name,
            &container,
            previous,
            follow && !previous,
        )
        .await?;
    let mut lines: VecDeque<LogLine> = log
        .past
        .into_iter()
        .filter(|line| wants.since.is_none_or(|since| line.at >= since))
        .collect();
    if let Some(tail) = wants.tail {
        let drop = lines
            .len()
            .saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX));
        lines.drain(..drop);
    }
    let Some(live) = log.live else {
        let mut out: Vec<u8> = lines.iter().flat_map(|line| wants.write(line)).collect();
        if let Some(limit) = wants.limit {
            out.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        return Ok(reply::bytes(200, "text/plain", out));
    };
    let state = Following {
        desk: Arc::clone(desk),
        call: call.clone(),
        wants,
        first: lines,
        live,
        cuts: desk.faults.cuts(),
    };
    let pieces = futures::stream::unfold(state, |mut state| async move {
        let piece = state.piece().await?;
        Some((piece, state))
    });
    Ok(reply::stream("text/plain", pieces))
}

struct Following {
    desk: Arc<Desk>,
    call: Call,
    wants: Wants,
    first: VecDeque<LogLine>,
    live: mpsc::Receiver<LogLine>,
    cuts: watch::Receiver<u64>,
}

impl Following {
    async fn piece(&mut self) -> Option<io::Result<Bytes>> {
        let piece = if self.first.is_empty() {
            tokio::select! {
                biased;
                _ = self.cuts.changed() => return Some(Err(io::Error::from(io::ErrorKind::ConnectionReset))),
                line = self.live.recv() => self.wants.write(&line?),
            }
        } else {
            self.first
                .drain(..)
                .flat_map(|line| self.wants.write(&line))
                .collect()
        };
        self.desk
            .faults
            .wait_while_hanging(&self.call.user, Some(&self.call.attempt()))
            .await;
        Some(Ok(piece.into()))
    }
}

struct Wants {
    tail: Option<u64>,
    since: Option<Timestamp>,
    timestamps: bool,
    limit: Option<u64>,
}

impl Wants {
    fn read(call: &Call, now: Timestamp) -> Result<Self, Status> {
        let query = &call.query;
        let seconds = query.number("sinceSeconds")?;
        let since = match (seconds, query.get("sinceTime")) {
            (Some(seconds), "") => now
                .checked_sub(SignedDuration::from_secs(
                    i64::try_from(seconds).unwrap_or(i64::MAX),
                ))
                .ok(),
            (None, "") => None,
            (None, time) => Some(clock::parse(time).ok_or_else(|| {
                Status::bad_request(format!(
                    "parsing time \"{time}\" as \"2006-01-02T15:04:05Z07:00\""
                ))
            })?),
            _ => {
                return Err(Status::bad_request(
                    "at most one of `sinceTime` or `sinceSeconds` may be specified",
                ));
            }
        };
        Ok(Self {
            tail: query.number("tailLines")?,
            since,
            timestamps: query.flag("timestamps"),
            limit: query.number("limitBytes")?,
        })
    }

    fn write(&self, line: &LogLine) -> Vec<u8> {
        let mut out = if self.timestamps {
            line.at.strftime("%Y-%m-%dT%H:%M:%S.%9fZ ").to_string()
        } else {
            String::new()
        };
        out.push_str(&line.text);
        out.push('\n');
        out.into_bytes()
    }
}

/// The container that is meant: the named one, the only one, or the one that the pod's annotation calls default.
///
/// # Errors
/// 400 in the server's words when it must be named or does not exist.
pub(super) fn container(pod: &Value, name: &str, asked: &str) -> Result<String, Status> {
    let names = |list: &str| -> Vec<String> {
        let list = pod
            .pointer(&format!("/spec/{list}"))
            .and_then(Value::as_array);
        let names = list
            .into_iter()
            .flatten()
            .filter_map(|one| one.get("name").and_then(Value::as_str));
        names.map(str::to_owned).collect()
    };
    let (own, init) = (names("containers"), names("initContainers"));
    if !asked.is_empty() {
        let known = own
            .iter()
            .chain(&init)
            .chain(&names("ephemeralContainers"))
            .any(|one| one == asked);
        if !known {
            return Err(Status::bad_request(format!(
                "container {asked} is not valid for pod {name}"
            )));
        }
        return Ok(asked.to_owned());
    }
    let default = pod
        .pointer("/metadata/annotations/kubectl.kubernetes.io~1default-container")
        .and_then(Value::as_str)
        .filter(|default| own.iter().any(|one| one == default));
    match (own.as_slice(), default) {
        ([one], _) => Ok(one.clone()),
        (_, Some(default)) => Ok(default.to_owned()),
        (many, None) => {
            let mut text = format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                many.join(" ")
            );
            if !init.is_empty() {
                text.push_str(&format!(
                    " or one of the init containers: [{}]",
                    init.join(" ")
                ));
            }
            Err(Status::bad_request(text))
        }
    }
}

/// A pod without a node, or on one that does not exist, has nobody to ask.
pub(super) fn scheduled(desk: &Desk, pod: &Value, name: &str) -> Result<(), Status> {
    let node = pod
        .pointer("/spec/nodeName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if node.is_empty() {
        return Err(Status::bad_request(format!(
            "pod {name} does not have a host assigned"
        )));
    }
    // The API server words the missing node as a missing pod.
    desk.store
        .get(NODES, "", node)
        .map(|_| ())
        .map_err(|_| Status::not_found(PODS, node))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_container_is_found_or_asked_for() {
        let one = json!({"spec": {"containers": [{"name": "a"}]}});
        let two = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}});
        let annotated = json!({"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": "b"}},
            "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        let table = [
            (&one, "", Ok("a")),
            (&two, "b", Ok("b")),
            (&two, "i", Ok("i")),
            (&annotated, "", Ok("b")),
            (&two, "c", Err("container c is not valid for pod p")),
            (
                &two,
                "",
                Err(
                    "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]",
                ),
            ),
        ];
        for (pod, asked, expected) in table {
            let told = container(pod, "p", asked).map_err(|status| status.message);
            assert_eq!(told, expected.map(str::to_owned).map_err(str::to_owned));
        }
    }
}
