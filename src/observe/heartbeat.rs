//! The heartbeat of a context: is the API server there, how far away is it, who is it, and does it know us.
//!
//! `/version` is asked because every authenticated user may read it, it is answered from memory, and a bad credential
//! is refused there as everywhere. It is also the only place where a credential plugin is set to work.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use super::backoff::{Backoff, Jitter};
use super::watch::{Desk, Line};
use crate::connect::client::{Door, HEARTBEAT};
use crate::connect::fault::{self, Asked};
use crate::connect::request;
use crate::domain::{Fact, Fault, FaultKind, Link};

/// How long a refusal to tell who the cluster is is believed.
const BELIEVED: Duration = Duration::from_secs(300);

/// Keeps the heartbeat for as long as it is polled, and the line for everybody else.
pub(super) async fn keep(door: &Door, desk: &Desk, line: &watch::Sender<Line>) {
    let pace = desk.pace;
    let mut jitter = Jitter::of(&format!("{}/heartbeat", desk.context));
    let mut backoff = Backoff::new(pace.retry_least, pace.retry_most, jitter.clone());
    // Whether what was heard before can still be trusted, and beats missed in a row.
    let (mut void, mut missed) = (true, 0_u32);
    let mut epoch = 0;
    tell(desk, Link::Connecting);
    loop {
        match beat(door, desk).await {
            Ok(beat) => {
                let came_back = std::mem::take(&mut void);
                epoch += u64::from(came_back);
                missed = 0;
                backoff.reset();
                line.send_if_modified(|line| {
                    // A server too busy to say its version still has the one that it had.
                    let version = beat.version.or_else(|| line.version.clone());
                    let changed =
                        line.client.is_none() || line.epoch != epoch || line.version != version;
                    *line = Line {
                        client: Some(beat.client),
                        epoch,
                        version,
                    };
                    changed
                });
                tell(desk, Link::Live { rtt: beat.rtt });
                if let Some(ahead) = beat.ahead {
                    desk.tell(Fact::Dated {
                        context: desk.context.clone(),
                        ahead,
                    });
                }
                wait(desk, jitter.about(pace.heartbeat), true).await;
            }
            Err(fault) => {
                missed = missed.saturating_add(1);
                // A server that was slow or busy once is still the same, and no watch is cut for it. One that was away
                // may have come back with other contents.
                let busy = matches!(fault.kind, FaultKind::Timeout | FaultKind::Refused);
                void |= missed > 1 || !busy;
                debug!(context = %desk.context, fault = %fault, detail = %fault.detail, "heartbeat failed");
                line.send_if_modified(|line| line.client.take().is_some());
                let pause = backoff.pause();
                let pause = match fault.kind {
                    // Only a change of the kubeconfig helps, and it is read anew then.
                    FaultKind::Unusable => pace.retry_most,
                    _ => pause,
                };
                let retry_at = Timestamp::now()
                    .checked_add(pause)
                    .unwrap_or(Timestamp::MAX);
                tell(
                    desk,
                    match fault.kind {
                        FaultKind::Unusable => Link::Unusable { fault },
                        FaultKind::Unauthenticated => Link::LoginNeeded { fault, retry_at },
                        _ => Link::Unreachable { fault, retry_at },
                    },
                );
                wait(desk, pause, false).await;
            }
        }
    }
}

struct Beat {
    client: kube::Client,
    rtt: Duration,
    /// Seconds that the server's clock is ahead of ours, where it dates its answers.
    ahead: Option<i64>,
    version: Option<String>,
}

/// One beat. A refused credential is renewed once before it counts as refused, and a server that does not answer is looked
/// for once more where the kubeconfig has it by now.
async fn beat(door: &Door, desk: &Desk) -> Result<Beat, Fault> {
    let mut renewed = false;
    loop {
        let client = match door.client().await {
            Ok(client) => client,
            Err(fault) => {
                // Whatever is wrong with the entry or the login may have been mended in the file.
                door.shut().await;
                return Err(fault);
            }
        };
        let began = Instant::now();
        let deadline = desk.pace.heartbeat_deadline;
        let answer = request::fetch_dated(&client, "/version", &HEARTBEAT, deadline).await;
        let rtt = began.elapsed();
        let mut ahead = None;
        let version = match answer {
            Ok((text, date)) => {
                // The answer was dated somewhere on its way.
                let ours = Timestamp::now().checked_sub(rtt / 2).ok();
                ahead = date
                    .zip(ours)
                    .map(|(theirs, ours)| theirs.duration_since(ours).as_secs());
                Some(version_of(&text)?)
            }
            Err(refusal) => match (refusal.code, refusal.fault.kind) {
                (Some(401), _) => {
                    door.shut().await;
                    if renewed {
                        return Err(refusal.fault);
                    }
                    renewed = true;
                    continue;
                }
                // It is there and it knows us; that it says no to this question, or is busy, is no loss of the way.
                (Some(403 | 429), kind) if kind != FaultKind::Protocol => None,
                (None, _) if !renewed && door.look_again().await => {
                    renewed = true;
                    continue;
                }
                _ => return Err(refusal.fault),
            },
        };
        return Ok(Beat {
            client,
            rtt,
            ahead,
            version: version.flatten(),
        });
    }
}

/// `gitVersion`, absent in an answer that is JSON but names none.
fn version_of(text: &[u8]) -> Result<Option<String>, Fault> {
    let answer: Value =
        serde_json::from_slice(text).map_err(|e| fault::of_body(text, &e.to_string()))?;
    let version = answer.get("gitVersion").and_then(Value::as_str);
    Ok(version.map(crate::domain::text::one_line))
}

/// Tells who the cluster is, by the uid of `kube-system`: asked each time the way came back, and until there is an
/// answer. What is known is never made unknown by a question that failed.
pub(super) async fn identify(mut desk: Desk) {
    let asked = Asked {
        verb: "get",
        resource: "namespaces",
        group: "",
        namespace: None,
    };
    let path = "/api/v1/namespaces/kube-system";
    let mut jitter = Jitter::of(&format!("{}/identity", desk.context));
    let (mut cluster, mut denied, mut told) = (None, None, None);
    // The way that the question was last settled on, and refusals in a row on this one.
    let (mut settled, mut refusals) = (None, (0, 0));
    loop {
        let (client, epoch) = desk.client().await;
        let mut pause = None;
        if settled != Some(epoch) {
            let answer = request::fetch(&client, path, &asked, desk.pace.request_deadline).await;
            match answer.map(|text| uid_of(&text)) {
                Ok(Some(uid)) => (cluster, denied, settled) = (Some(uid), None, Some(epoch)),
                Err(refusal) if refusal.fault.kind == FaultKind::NotFound => {
                    (denied, settled) = (None, Some(epoch));
                }
                Err(refusal) if refusal.fault.kind == FaultKind::Forbidden => {
                    if refusals.0 != epoch {
                        refusals = (epoch, 0);
                    }
                    pause = desk.pace.doubt(refusals.1).or(Some(BELIEVED));
                    refusals.1 += 1;
                    denied = cluster.is_none().then_some(refusal.fault);
                }
                // Late, busy, or an answer without a uid.
                Ok(None) | Err(_) => pause = Some(jitter.about(desk.pace.heartbeat)),
            }
        }
        let version = desk.line.borrow().version.clone();
        let identity = Some((cluster.clone(), version.clone(), denied.clone()));
        if told != identity {
            told = identity;
            desk.tell(Fact::Identified {
                context: desk.context.clone(),
                cluster: cluster.clone(),
                version: version.clone(),
                denied: denied.clone(),
            });
        }
        match pause {
            Some(pause) => desk.rest(pause).await,
            None => {
                let news = |line: &Line| line.epoch != epoch || line.version != version;
                if desk.line.wait_for(news).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn uid_of(namespace: &[u8]) -> Option<String> {
    let namespace: Value = serde_json::from_slice(namespace).ok()?;
    let uid = namespace.pointer("/metadata/uid")?.as_str()?;
    Some(uid.to_owned())
}

fn tell(desk: &Desk, link: Link) {
    desk.tell(Fact::Linked {
        context: desk.context.clone(),
        link,
    });
}

/// Waits that long, or until the reader wants a try now, or until a connection breaks. What rings the alarm waits
/// itself before it tries again, and a beat that fails waits at least the shortest back-off, so it cannot ring for ever.
async fn wait(desk: &Desk, time: Duration, alarmed: bool) {
    let mut focus = desk.focus.clone();
    let nudges = focus.borrow().nudges;
    tokio::select! {
        () = sleep(time) => {}
        Ok(_) = focus.wait_for(|focus| focus.nudges != nudges) => {}
        () = desk.alarm.notified(), if alarmed => {}
    }
}
