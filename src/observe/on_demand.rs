//! What is read only while somebody needs it: lists of kinds that nobody watches, the use of volumes, logs, metrics stores.
//!
//! What holds at any time: nothing is asked that is not wanted; one want is asked at most once a minute (a metrics store every
//! half), however often screens are changed (unless the reader asks for a try now, or a change of it is heard of: see
//! [`super::changes`]; and while a screen that judges is shown, what may not be followed is read every few seconds); a log is
//! followed only while it is wanted; and what nobody has wanted for two minutes is let go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::Focus;
use super::backoff::{Backoff, Jitter};
use super::changes::{BREATH, Listing};
use super::lines::Lines;
use super::page;
use super::query;
use super::watch::{Desk, escape};
use crate::connect::fault::{self, Asked, Refusal};
use crate::connect::request;
use crate::domain::log::{LogLine, LogTail};
use crate::domain::want::{Fetched, Foreign, ForeignObject, How, LogId, Upkeep, Want};
use crate::domain::{Fact, Fault, FaultKind, Scope};
use crate::wire;

/// Wants that are served at once in one context; more is a mistake of whoever wants so much.
const MOST: usize = 200;
/// Objects per page of a list.
const PAGE: usize = 500;
/// Objects that are kept of a list.
const OBJECTS: usize = 2_000;
/// Longest line of a log that is waited for.
const LONGEST_LINE: usize = 1 << 20;
/// Lines of a log that are asked for at first.
const TAIL: usize = LogTail::LENGTH / 2;
/// Between two readings of metadata that is never followed, while it is judged: it is little, and of few namespaces.
const SOON: Duration = Duration::from_secs(4);
/// Between two readings of a metrics store, which scrapes about as often.
const METRICS: Duration = Duration::from_secs(30);
/// By how much longer a refusal rests than an answer.
const REFUSED: u32 = 5;

/// Serves what is wanted of this context, as that changes.
pub(super) async fn serve(desk: Desk) {
    let mut focus = desk.focus.clone();
    let mut errands: BTreeMap<Want, Errand> = BTreeMap::new();
    let mut running: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    loop {
        let wanted: BTreeSet<Want> = {
            let focus = focus.borrow_and_update();
            let own = focus.needs.wants.iter();
            own.filter(|want| *want.context() == desk.context)
                .take(MOST)
                .cloned()
                .collect()
        };
        for (want, errand) in &mut errands {
            if !wanted.contains(want) {
                errand.stop();
            }
        }
        for want in wanted {
            let errand = errands.entry(want.clone()).or_default();
            running.extend(errand.start(&desk, want));
        }
        let kept = desk.pace.on_demand_kept;
        let forget = errands.values().filter_map(|errand| errand.left).min();
        tokio::select! {
            changed = focus.changed() => if changed.is_err() { return },
            Some(()) = running.next() => {}
            () = until(forget.map(|left| left + kept)) => errands.retain(|want, errand| {
                let stays = errand.left.is_none_or(|left| left.elapsed() < kept);
                if !stays {
                    desk.tell(Fact::Dropped { want: want.clone() });
                }
                stays
            }),
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// One want, while it is wanted and for a while after.
#[derive(Default)]
struct Errand {
    handle: Option<AbortHandle>,
    memory: Arc<Mutex<Memory>>,
    /// Since when nobody wants it.
    left: Option<Instant>,
}

/// What outlives a pause in which nobody wants it.
#[derive(Default)]
pub(super) struct Memory {
    /// When it was last asked.
    asked: Option<Instant>,
    /// The revision of the last change that was heard of: what is read next is not to be older.
    pub(super) changed: Option<String>,
    /// The time of the last line of a log.
    heard: Option<Timestamp>,
}

impl Errand {
    /// Sets out, unless it is under way.
    fn start(&mut self, desk: &Desk, want: Want) -> Option<BoxFuture<'static, ()>> {
        self.left = None;
        if self.handle.is_some() {
            return None;
        }
        let (handle, registration) = AbortHandle::new_pair();
        self.handle = Some(handle);
        let reader = Reader::new(desk.clone(), want, self.memory.clone());
        Some(
            Abortable::new(reader.run(), registration)
                .map(|_| ())
                .boxed(),
        )
    }

    fn stop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.abort();
            self.left = Some(Instant::now());
        }
    }
}

/// Reads one want again and again.
struct Reader {
    desk: Desk,
    want: Want,
    memory: Arc<Mutex<Memory>>,
    backoff: Backoff,
}

impl Reader {
    fn new(desk: Desk, want: Want, memory: Arc<Mutex<Memory>>) -> Self {
        let jitter = Jitter::of(&format!("{want:?}"));
        let backoff = Backoff::new(desk.pace.retry_least, desk.pace.retry_most, jitter);
        Self {
            desk,
            want,
            memory,
            backoff,
        }
    }

    async fn run(mut self) {
        let asked = self.remember(|memory| memory.asked);
        if let Some(asked) = asked
            && !matches!(self.want, Want::Log(_))
        {
            let pace = self.desk.pace.on_demand;
            let pace = match &self.want {
                Want::Metrics(_) => pace.min(METRICS),
                // It was not followed meanwhile.
                Want::Objects { .. } if self.is_judged() => pace.min(BREATH),
                _ => pace,
            };
            sleep_until(asked + pace).await;
        }
        loop {
            let (client, _) = self.desk.client().await;
            self.remember(|memory| memory.asked = Some(Instant::now()));
            let pause = match self.want.clone() {
                Want::Objects { what, scope, .. } => {
                    let listed = self.objects(&client, what, &scope).await;
                    let (answer, from) = match listed {
                        Ok((fetched, from)) => (Ok(fetched), from),
                        Err(refusal) => (Err(refusal), None),
                    };
                    let pause = self.tell(answer);
                    self.until_old(&client, what, from, pause).await;
                    continue;
                }
                Want::Volumes { machine, .. } => {
                    let answer = self.volumes(&client, &machine).await;
                    self.tell(answer)
                }
                Want::Log(log) => self.follow(&client, &log).await,
                Want::Metrics(query) => {
                    let deadline = self.desk.pace.request_deadline;
                    let answer = query::ask(&client, &query, deadline).await;
                    let is_told = answer.is_ok();
                    let pause = self.tell(answer.map(Fetched::Metrics));
                    if is_told { pause.min(METRICS) } else { pause }
                }
            };
            self.desk.rest(pause).await;
        }
    }

    /// Waits until a list is to be read again: it was heard to change, its time is up, or it is judged from now on and was not
    /// followed. What was not read has nothing that could be followed.
    async fn until_old(
        &mut self,
        client: &kube::Client,
        what: Foreign,
        from: Option<Listing>,
        longest: Duration,
    ) {
        let read = Instant::now();
        loop {
            let judged = self.is_judged();
            let upkeep = what.upkeep(judged);
            let left = longest.saturating_sub(read.elapsed());
            let mut focus = self.desk.focus.clone();
            let desk = &mut self.desk;
            let waits = async {
                match (upkeep, &from) {
                    (Upkeep::Followed, Some(from)) if desk.pace.follows && from.is_whole => {
                        desk.until_changed(client, from, left).await;
                    }
                    (Upkeep::Soon, Some(_)) => desk.rest(left.min(SOON)).await,
                    _ => desk.rest(left).await,
                }
            };
            let turns = async {
                let is_other = |focus: &Focus| focus.needs.judged != judged;
                focus.wait_for(is_other).await.is_ok()
            };
            tokio::select! {
                () = waits => return,
                true = turns => {
                    if from.is_some() && !judged && what.upkeep(true) != upkeep {
                        sleep_until(read + BREATH).await;
                        return;
                    }
                }
            }
        }
    }

    fn is_judged(&self) -> bool {
        self.desk.focus.borrow().needs.judged
    }

    fn remember<T>(&self, with: impl FnOnce(&mut Memory) -> T) -> T {
        with(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells an answer; returns how long to wait before the next.
    fn tell(&mut self, answer: Result<Fetched, Refusal>) -> Duration {
        let again = self.desk.pace.on_demand;
        let (answer, pause) = match answer {
            Ok(fetched) => (Ok(fetched), again),
            Err(refusal) => {
                let pause = match refusal.fault.kind {
                    FaultKind::Forbidden | FaultKind::NotFound => again * REFUSED,
                    _ => again.max(refusal.retry_after.unwrap_or_default()),
                };
                debug!(context = %self.desk.context, want = ?self.want, fault = %refusal.fault, "not read");
                (Err(refusal.fault), pause)
            }
        };
        self.desk.tell(Fact::Fetched {
            want: self.want.clone(),
            answer,
        });
        pause
    }

    /// All objects of a kind, from the server's cache, and from where their changes can be followed.
    async fn objects(
        &self,
        client: &kube::Client,
        what: Foreign,
        scope: &Scope,
    ) -> Result<(Fetched, Option<Listing>), Refusal> {
        let lists = self.desk.lists.clone();
        let _permit = lists.acquire().await;
        let doc = what.doc();
        let asked = Asked {
            verb: "list",
            resource: doc.resource,
            group: doc.group,
            namespace: match (doc.reading, scope) {
                (How::Only(namespace, _), _) => Some(namespace),
                (_, Scope::Namespace(namespace)) if doc.namespaced => Some(namespace),
                _ => None,
            },
        };
        let mut versions = doc.versions.iter().peekable();
        let mut refused = Fault::new(FaultKind::NotFound, "no version of it is served").into();
        while let Some(version) = versions.next() {
            match self.pages(client, what, version, &asked).await {
                Err(refusal)
                    if refusal.fault.kind == FaultKind::NotFound && versions.peek().is_some() =>
                {
                    refused = refusal;
                }
                answer => return answer,
            }
        }
        Err(refused)
    }

    async fn pages(
        &self,
        client: &kube::Client,
        what: Foreign,
        version: &str,
        asked: &Asked<'_>,
    ) -> Result<(Fetched, Option<Listing>), Refusal> {
        let doc = what.doc();
        let root = match doc.group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        let place = asked
            .namespace
            .map(|namespace| format!("/namespaces/{}", escape(namespace)))
            .unwrap_or_default();
        let path = format!("{root}{place}/{}", doc.resource);
        let (mut objects, mut more) = (Vec::new(), false);
        // From its cache a server may give all of a list at once, whatever limit it is told (before 1.34): of what there
        // are many, pages are worth more than the cache.
        let cache = match doc.reading {
            How::Many => String::new(),
            // Not older than a change that was heard of.
            _ => self.remember(|memory| match &memory.changed {
                Some(revision) => format!("&resourceVersion={}", escape(revision)),
                None => "&resourceVersion=0".to_owned(),
            }),
        };
        let only = match doc.reading {
            How::Only(_, name) => format!("&fieldSelector=metadata.name%3D{}", escape(name)),
            _ => String::new(),
        };
        let began = Instant::now();
        let mut revision = String::new();
        let mut query = format!("limit={PAGE}{only}{cache}");
        loop {
            let path = format!("{path}?{query}");
            let deadline = self.desk.pace.request_deadline;
            let text = match doc.reading {
                How::Metadata => request::fetch_metadata(client, &path, asked, deadline).await?,
                _ => request::fetch(client, &path, asked, deadline).await?,
            };
            let page = page::read(&text, |item| {
                if objects.len() < OBJECTS {
                    objects.extend(wire::foreign(what, &item));
                } else {
                    more = true;
                }
            })
            .map_err(|error| fault::of_body(&text, &error.to_string()))?;
            if !page.revision.is_empty() {
                revision = page.revision;
            }
            if page.next.is_empty() || objects.len() >= OBJECTS {
                more |= !page.next.is_empty();
                break;
            }
            query = format!("limit={PAGE}{only}&continue={}", escape(&page.next));
        }
        let objects: Arc<[ForeignObject]> = objects.into();
        let from = Some(Listing {
            what,
            held: objects.clone(),
            is_whole: !more && !revision.is_empty(),
            took: began.elapsed(),
            path,
            only,
            resource: doc.resource,
            group: doc.group,
            namespace: asked.namespace.map(str::to_owned),
            revision,
            memory: self.memory.clone(),
        });
        Ok((Fetched::Objects { objects, more }, from))
    }

    async fn volumes(&self, client: &kube::Client, machine: &str) -> Result<Fetched, Refusal> {
        let lists = self.desk.lists.clone();
        let _permit = lists.acquire().await;
        let asked = Asked {
            verb: "get",
            resource: "nodes/proxy",
            group: "",
            namespace: None,
        };
        let path = format!("/api/v1/nodes/{}/proxy/stats/summary", escape(machine));
        let deadline = self.desk.pace.request_deadline;
        let text = request::fetch(client, &path, &asked, deadline).await?;
        let summary: Value = serde_json::from_slice(&text)
            .map_err(|error| fault::of_body(&text, &error.to_string()))?;
        Ok(Fetched::Volumes(wire::volumes(&summary)))
    }

    /// Follows a log to its end, which is the end of the container or of the connection. Returns how long to wait before
    /// it is opened again, after the last line that was heard.
    async fn follow(&mut self, client: &kube::Client, log: &LogId) -> Duration {
        let asked = Asked {
            verb: "get",
            resource: "pods/log",
            group: "",
            namespace: Some(&log.namespace),
        };
        let from = match self.remember(|memory| memory.heard) {
            Some(heard) => format!("sinceTime={}", escape(&heard.to_string())),
            None => format!("tailLines={TAIL}"),
        };
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&follow=true&timestamps=true&{from}",
            escape(&log.namespace),
            escape(&log.pod),
            escape(&log.container),
        );
        let deadline = self.desk.pace.request_deadline;
        let answer = match request::stream(client, &path, &asked, deadline).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let rests = matches!(
                    refusal.fault.kind,
                    FaultKind::Forbidden | FaultKind::NotFound
                );
                let pause = match rests {
                    true => self.desk.pace.on_demand,
                    false => self.backoff.pause(),
                };
                self.desk.tell(Fact::Fetched {
                    want: self.want.clone(),
                    answer: Err(refusal.fault),
                });
                return pause;
            }
        };
        self.desk.tell(Fact::Fetched {
            want: self.want.clone(),
            answer: Ok(Fetched::Log),
        });
        let began = Instant::now();
        let mut chunks = answer.into_body().into_data_stream();
        let mut lines = Lines::default();
        while let Some(Ok(bytes)) = chunks.next().await {
            lines.take(&bytes);
            self.hear(log, &mut lines);
            if lines.rest_exceeds(LONGEST_LINE) {
                break;
            }
        }
        if began.elapsed() >= self.desk.pace.retry_most {
            self.backoff.reset();
        }
        self.backoff.pause()
    }

    /// Tells the whole lines that have come, but for those that were told before the log was opened again.
    fn hear(&self, log: &LogId, lines: &mut Lines) {
        let heard = self.remember(|memory| memory.heard);
        let mut new: Vec<LogLine> = Vec::new();
        while let Some(line) = lines.next() {
            let line = wire::log_line(&String::from_utf8_lossy(&line));
            if line
                .at
                .is_none_or(|at| heard.is_none_or(|heard| at > heard))
            {
                new.push(line);
            }
        }
        let last = new.iter().filter_map(|line| line.at).max();
        self.remember(|memory| memory.heard = last.max(heard));
        if !new.is_empty() {
            self.desk.tell(Fact::Logged {
                log: log.clone(),
                lines: new,
            });
        }
    }
}
