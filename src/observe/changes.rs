//! Notices that a list which was read on demand is not so any more: a watch that is asked for nothing but its first event that
//! is news.
//!
//! What holds at any time: it is open only while the list is wanted; a server that refuses it, or whose events cannot be
//! understood, costs nothing but that the list is read again at its usual pace; an event that changes nothing of what is kept
//! is passed over; and a list is read again at most every second, and of what there are many at most a tenth of the time is
//! spent reading it, however often its objects change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::debug;

use super::lines::Lines;
use super::on_demand::Memory;
use super::watch::{Desk, escape};
use crate::connect::fault::Asked;
use crate::connect::request;
use crate::domain::want::{Foreign, ForeignObject, How};
use crate::wire;

/// Least time between two readings of a list.
pub(super) const BREATH: Duration = Duration::from_secs(1);
/// The same of a kind of which there are many.
const LONG_BREATH: Duration = Duration::from_secs(3);
/// For how many times as long as such a reading took there is none.
const SHARE: u32 = 10;
/// Changes that come together are read together.
const TOGETHER: Duration = Duration::from_millis(200);
/// Longest event that is read to its end.
const LONGEST_LINE: usize = 16 << 20;

/// Where a list was read, and at which revision.
pub(super) struct Listing {
    /// What was listed.
    pub(super) what: Foreign,
    /// What is kept of it.
    pub(super) held: Arc<[ForeignObject]>,
    /// All of it is kept, and the server told its revision: what changes from then on can be followed.
    pub(super) is_whole: bool,
    /// How long it took to read.
    pub(super) took: Duration,
    /// Path of the list, without its query.
    pub(super) path: String,
    /// What narrows it: `&fieldSelector=...`, or nothing.
    pub(super) only: String,
    /// Its plural resource name.
    pub(super) resource: &'static str,
    /// Its API group.
    pub(super) group: &'static str,
    /// Its namespace, where it was of one.
    pub(super) namespace: Option<String>,
    /// The revision of the list.
    pub(super) revision: String,
    /// Where the revision of a change is put.
    pub(super) memory: Arc<Mutex<Memory>>,
}

impl Listing {
    /// Least time until it is read again.
    fn breath(&self) -> Duration {
        match self.what.doc().reading {
            How::Many => LONG_BREATH.max(self.took * SHARE),
            _ => BREATH,
        }
    }

    /// Whether an object that was added, changed or (`gone`) deleted makes any difference to what is kept.
    fn is_news(&self, object: &Value, gone: bool) -> bool {
        let Some(now) = wire::foreign(self.what, object) else {
            // It is not what is asked about, unless it was before.
            let place = |path: &str| {
                object
                    .pointer(path)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let (namespace, name) = (place("/metadata/namespace"), place("/metadata/name"));
            return self.find(namespace, name).is_some();
        };
        match self.find(&now.meta.namespace, &now.meta.name) {
            Some(before) => gone || !before.reads_as(&now),
            None => !gone,
        }
    }

    fn find(&self, namespace: &str, name: &str) -> Option<&ForeignObject> {
        let mut held = self.held.iter();
        held.find(|one| &*one.meta.namespace == namespace && &*one.meta.name == name)
    }
}

impl Desk {
    /// Waits until something in the list has changed, or for as long as it may go unread.
    pub(super) async fn until_changed(
        &mut self,
        client: &kube::Client,
        from: &Listing,
        longest: Duration,
    ) {
        let began = Instant::now();
        let until = began + longest;
        let mut resting = self.clone();
        tokio::select! {
            () = resting.rest(longest) => return,
            heard = self.change(client, from, until) => if let Some(revision) = heard {
                let mut memory = from.memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.changed = Some(revision);
            } else {
                // It cannot be followed.
                self.rest(until.saturating_duration_since(Instant::now())).await;
                return;
            },
        }
        sleep(TOGETHER).await;
        sleep_until(began + from.breath()).await;
    }

    /// The revision of the first change that is news; `None` when the watch ends without one.
    async fn change(
        &self,
        client: &kube::Client,
        from: &Listing,
        until: Instant,
    ) -> Option<String> {
        let asked = Asked {
            verb: "watch",
            resource: from.resource,
            group: from.group,
            namespace: from.namespace.as_deref(),
        };
        let left = until.saturating_duration_since(Instant::now()).as_secs();
        let path = format!(
            "{}?watch=true&resourceVersion={}&timeoutSeconds={}{}",
            from.path,
            escape(&from.revision),
            left.max(1),
            from.only,
        );
        let deadline = self.pace.request_deadline;
        let answer = match request::stream(client, &path, &asked, deadline).await {
            Ok(answer) => answer,
            Err(refusal) => {
                debug!(context = %self.context, resource = from.resource, fault = %refusal.fault, "not followed");
                return None;
            }
        };
        let mut chunks = answer.into_body().into_data_stream();
        let mut lines = Lines::default();
        loop {
            let bytes = timeout_at(until, chunks.next()).await.ok()??.ok()?;
            lines.take(&bytes);
            while let Some(line) = lines.next() {
                let event: Value = serde_json::from_slice(&line).ok()?;
                let (word, object) = (event.get("type")?.as_str()?, event.get("object")?);
                if word == "ERROR" {
                    // The revision is gone: what is listed next is of now.
                    return Some("0".to_owned());
                }
                if from.is_news(object, word == "DELETED") {
                    let revision = object.pointer("/metadata/resourceVersion")?;
                    return revision.as_str().map(str::to_owned);
                }
            }
            if lines.rest_exceeds(LONGEST_LINE) {
                return None;
            }
        }
    }
}
