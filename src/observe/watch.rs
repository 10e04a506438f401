//! One standing question: list everything, then watch for changes, for ever.
//!
//! Our own loop rather than the library's, because it must know what that one hides: that the list was complete and the
//! watch runs, when bytes last came, what `Retry-After` said, and which single object of a list is odd.
//!
//! What holds at any time: a list is told whole or not at all; after a list every change is told, or the list is told
//! anew; and how the question stands is told whenever it changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::sleep;
use tracing::debug;

use super::backoff::{Backoff, Jitter};
use super::lines::Lines;
use super::roster::Roster;
use super::{Focus, Outlet, Pace, page, standing};
use crate::connect::fault::{self, Refusal};
use crate::connect::keyring::Keyring;
use crate::connect::request;
use crate::domain::fact::{Access, Scope};
use crate::domain::{ContextId, Fact, Fault, FaultKind, Kind, Object};
use crate::wire::{self, Undecodable};

/// Objects per page of a list.
const PAGE: usize = 500;
/// How long a question that was refused, or whose API is absent, rests.
const REST: Duration = Duration::from_secs(30);
/// By which part of its time a watch may overrun before it counts as dead: 5 s of a minute.
const GRACE: u32 = 12;
/// Longest line of a watch: one object, bounded by what etcd stores.
const LONGEST_LINE: usize = 16 << 20;
/// Tries to go on with a watch before everything is listed anew.
const RESUMES: u32 = 3;

/// How the way to the API server is, as the heartbeat found it.
#[derive(Clone, Default)]
pub(super) struct Line {
    /// Present while the server answers.
    pub(super) client: Option<kube::Client>,
    /// Raised each time the way came back after it was lost: what was known before must be listed anew.
    pub(super) epoch: u64,
    /// What the server last said of its version.
    pub(super) version: Option<String>,
}

/// What every standing question of a context shares.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) context: ContextId,
    pub(super) pace: Pace,
    pub(super) outlet: Outlet,
    pub(super) line: watch::Receiver<Line>,
    pub(super) focus: watch::Receiver<Focus>,
    pub(super) roster: Arc<watch::Sender<Roster>>,
    /// Lists that may be under way at once: HTTP/1.1 opens a connection for each.
    pub(super) lists: Arc<Semaphore>,
    /// Rung when a connection broke or could not be opened, so that the heartbeat looks at once whether the way is lost.
    pub(super) alarm: Arc<Notify>,
    /// Passwords of data ports.
    pub(super) keyring: Arc<Keyring>,
    /// The certificate authority to verify data ports by.
    pub(super) authority: Option<Arc<std::path::Path>>,
}

impl Desk {
    /// Tells a fact, to the loop and to the other tasks of the context.
    pub(super) fn tell(&self, fact: Fact) {
        self.roster.send_if_modified(|roster| roster.note(&fact));
        self.outlet.send(fact);
    }

    /// Waits until there is a client.
    pub(super) async fn client(&mut self) -> (kube::Client, u64) {
        loop {
            let line = self.line.borrow_and_update().clone();
            if let Some(client) = line.client {
                return (client, line.epoch);
            }
            if self.line.changed().await.is_err() {
                // The heartbeat has ended, so the context is being given up.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits that long, or until the reader wants a try now, or until the way came back.
    pub(super) async fn rest(&mut self, time: Duration) {
        let epoch = self.line.borrow().epoch;
        let nudges = self.focus.borrow().nudges;
        let mut line = self.line.clone();
        let mut focus = self.focus.clone();
        tokio::select! {
            () = sleep(time) => {}
            Ok(_) = line.wait_for(|line| line.epoch != epoch) => {}
            Ok(_) = focus.wait_for(|focus| focus.nudges != nudges) => {}
        }
    }
}

/// One standing question.
pub(super) struct Watch {
    desk: Desk,
    kind: Kind,
    scope: Scope,
    told: Option<Access>,
    listed: bool,
    /// That a watch was accepted has been told.
    followed: bool,
    backoff: Backoff,
    epoch: u64,
    /// Refusals for want of a right, since the way opened or the right was there.
    refusals: u32,
}

/// Why a watch came to its end.
enum End {
    /// Go on from the last revision.
    Resume,
    /// What is known is void: list anew.
    Relist,
    /// Trouble; go on from the last revision after a while.
    Trouble(Refusal),
}

impl Watch {
    pub(super) fn new(desk: Desk, kind: Kind, scope: Scope) -> Self {
        let seed = format!("{}/{kind:?}/{scope:?}", desk.context);
        let backoff = Backoff::new(
            desk.pace.retry_least,
            desk.pace.retry_most,
            Jitter::of(&seed),
        );
        Self {
            desk,
            kind,
            scope,
            told: None,
            listed: false,
            followed: false,
            backoff,
            epoch: 0,
            refusals: 0,
        }
    }

    /// Asks for ever. Returns only when `yields` and the right to list is missing, so that the caller can ask more
    /// narrowly; that it is missing has been told by then.
    pub(super) async fn run(&mut self, yields: bool) {
        loop {
            let client = self.client().await;
            let epoch = self.epoch;
            match self.list(&client).await {
                Ok(revision) => {
                    let began = Instant::now();
                    self.follow(revision).await;
                    let moved = self.desk.line.borrow().epoch != epoch;
                    if !moved && began.elapsed() < self.desk.pace.retry_least {
                        // A server that lets us list but breaks every watch must not be listed without pause.
                        let pause = self.backoff.pause();
                        sleep(pause).await;
                    }
                }
                Err(refusal) => match refusal.fault.kind {
                    FaultKind::Forbidden if yields => {
                        self.tell_access(Access::Denied(refusal.fault));
                        return;
                    }
                    FaultKind::Forbidden => {
                        self.tell_access(Access::Denied(refusal.fault));
                        let rest = self.rest_after_denial();
                        self.desk.rest(rest).await;
                    }
                    FaultKind::NotFound => self.rest_absent().await,
                    _ => {
                        let pause = self.pause_after(&refusal);
                        self.tell_access(Access::Broken(refusal.fault));
                        self.desk.rest(pause).await;
                    }
                },
            }
        }
    }

    /// The client, once the way is open. A way that came back has nothing to do with the failures before.
    async fn client(&mut self) -> kube::Client {
        let (client, epoch) = self.desk.client().await;
        if epoch != self.epoch {
            self.epoch = epoch;
            self.refusals = 0;
            self.backoff.reset();
        }
        client
    }

    /// Whether the question would be permitted now; costs a list of one.
    pub(super) async fn is_permitted(&mut self) -> bool {
        let client = self.client().await;
        let path = self.url(&["limit=1"]);
        let asked = standing::asked(self.kind, &self.scope, "list");
        let answer = request::fetch(&client, &path, &asked, self.desk.pace.request_deadline).await;
        match answer {
            Ok(_) => true,
            Err(refusal) => refusal.fault.kind == FaultKind::NotFound,
        }
    }

    /// Lists everything and tells it whole. Returns the revision from which to watch.
    async fn list(&mut self, client: &kube::Client) -> Result<String, Refusal> {
        let lists = self.desk.lists.clone();
        let _permit = lists.acquire().await;
        let (mut objects, mut garbled) = (Vec::new(), Vec::new());
        let limit = format!("limit={PAGE}");
        let mut next = String::new();
        let mut restarts = 0;
        let revision = loop {
            let token = format!("continue={}", escape(&next));
            let path = match next.is_empty() {
                true if restarts > 2 => self.url(&[]),
                true => self.url(&[&limit]),
                false => self.url(&[&limit, &token]),
            };
            let asked = standing::asked(self.kind, &self.scope, "list");
            let deadline = self.desk.pace.request_deadline;
            let text = match request::fetch(client, &path, &asked, deadline).await {
                Ok(text) => text,
                // The pages' revision expired before all were read: begin again, at last without pages.
                Err(refusal) if refusal.is_expired() && !next.is_empty() && restarts < 4 => {
                    restarts += 1;
                    next.clear();
                    objects.clear();
                    garbled.clear();
                    continue;
                }
                Err(refusal) => return Err(refusal),
            };
            let kind = self.kind;
            let page = page::read(&text, |item| {
                if standing::is_meant(kind, &item) {
                    match wire::decode(kind, &item) {
                        Ok(object) => objects.push(object),
                        Err(odd) => garbled.push(odd),
                    }
                }
            })
            .map_err(|error| fault::of_body(&text, &error.to_string()))?;
            next = page.next;
            if next.is_empty() {
                break page.revision;
            }
        };
        self.tell_list(objects, garbled, &revision);
        Ok(revision)
    }

    fn tell_list(&mut self, objects: Vec<Object>, garbled: Vec<Undecodable>, revision: &str) {
        self.desk.tell(Fact::Listed {
            context: self.desk.context.clone(),
            kind: self.kind,
            scope: self.scope.clone(),
            objects,
        });
        for odd in garbled {
            self.tell_garbled(odd);
        }
        // A complete list means so in the world too.
        self.told = Some(Access::Live);
        self.listed = true;
        self.caught_up(revision);
    }

    /// Watches from a revision until everything must be listed anew.
    async fn follow(&mut self, mut revision: String) {
        let (epoch, mut failures) = (self.epoch, 0);
        loop {
            let client = self.client().await;
            if self.epoch != epoch {
                return;
            }
            let began = Instant::now();
            match self.watch(&client, &mut revision).await {
                End::Relist => {
                    debug!(context = %self.desk.context, kind = ?self.kind, "lists again");
                    return;
                }
                End::Resume => {
                    if began.elapsed() >= self.desk.pace.retry_least {
                        failures = 0;
                        self.backoff.reset();
                    } else {
                        // It ended as soon as it began, and may do so again.
                        failures += 1;
                        let pause = self.backoff.pause();
                        self.desk.rest(pause).await;
                    }
                }
                End::Trouble(refusal) => {
                    failures += 1;
                    let denied = refusal.fault.kind == FaultKind::Forbidden;
                    let pause = if denied {
                        self.rest_after_denial()
                    } else {
                        self.pause_after(&refusal)
                    };
                    self.tell_access(if denied {
                        Access::Denied(refusal.fault)
                    } else {
                        Access::Broken(refusal.fault)
                    });
                    self.desk.rest(pause).await;
                    if denied {
                        // It may be listed but not watched: a list now and then is better than nothing.
                        return;
                    }
                }
            }
            if failures > RESUMES {
                return;
            }
        }
    }

    /// One watch request, to its end.
    async fn watch(&mut self, client: &kube::Client, revision: &mut String) -> End {
        let epoch = self.epoch;
        let asked_for = self.desk.pace.watch;
        let since = format!("resourceVersion={}", escape(revision));
        let until = format!("timeoutSeconds={}", asked_for.as_secs().max(1));
        let path = self.url(&["watch=true", "allowWatchBookmarks=true", &since, &until]);
        let asked = standing::asked(self.kind, &self.scope, "watch");
        let deadline = self.desk.pace.request_deadline;
        let answer = match request::stream(client, &path, &asked, deadline).await {
            Ok(answer) => answer,
            Err(refusal) if refusal.is_expired() => return End::Relist,
            Err(refusal) => return End::Trouble(refusal),
        };
        if !std::mem::replace(&mut self.followed, true) {
            // A list came to the same, but did not show this right.
            self.told = None;
        }
        self.tell_access(Access::Live);
        // Only a watch shows that all rights are there: a list without one would be repeated without end.
        self.refusals = 0;
        let mut chunks = answer.into_body().into_data_stream();
        let mut lines = Lines::default();
        let over = sleep(asked_for + asked_for / GRACE);
        tokio::pin!(over);
        let mut line = self.desk.line.clone();
        loop {
            let came_back = async {
                if line.wait_for(|line| line.epoch != epoch).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let chunk = tokio::select! {
                biased;
                () = came_back => return End::Relist,
                chunk = chunks.next() => chunk,
                () = &mut over => return End::Resume,
            };
            match chunk {
                None => return End::Resume,
                // Half-closed, reset, cut in the middle of a line: what came before is whole and has been told.
                Some(Err(error)) => {
                    debug!(context = %self.desk.context, kind = ?self.kind, error = %fault::chain(&error), "watch cut");
                    self.desk.alarm.notify_one();
                    return End::Resume;
                }
                Some(Ok(bytes)) => lines.take(&bytes),
            }
            while let Some(text) = lines.next() {
                if let Some(end) = self.hear(&text, revision) {
                    return end;
                }
            }
            if lines.rest_exceeds(LONGEST_LINE) {
                return End::Trouble(
                    Fault::new(FaultKind::Protocol, "a watch sent a line without end").into(),
                );
            }
        }
    }

    /// One line of a watch.
    fn hear(&mut self, text: &[u8], revision: &mut String) -> Option<End> {
        let trouble = |why: &str| Some(End::Trouble(fault::of_body(text, why).into()));
        let mut line: Value = match serde_json::from_slice(text) {
            Ok(line) => line,
            Err(error) => return trouble(&error.to_string()),
        };
        let object = line.get_mut("object").map(Value::take).unwrap_or_default();
        let sort = line.get("type").and_then(Value::as_str).unwrap_or_default();
        match sort {
            "ADDED" | "MODIFIED" if standing::is_meant(self.kind, &object) => {
                match wire::decode(self.kind, &object) {
                    Ok(object) => self.desk.tell(Fact::Seen {
                        context: self.desk.context.clone(),
                        object,
                    }),
                    Err(odd) => self.tell_garbled(odd),
                }
            }
            // Also one that was meant and is no longer.
            "ADDED" | "MODIFIED" | "DELETED" => self.tell_gone(&object),
            "BOOKMARK" => {}
            "ERROR" => return Some(self.hear_error(&object)),
            _ => return trouble("an event of no known type"),
        }
        if let Some(now) = object
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str)
        {
            now.clone_into(revision);
            self.caught_up(now);
        }
        None
    }

    fn hear_error(&self, status: &Value) -> End {
        let code = status.get("code").and_then(Value::as_u64).unwrap_or(500);
        let code = u16::try_from(code)
            .ok()
            .and_then(|code| http::StatusCode::from_u16(code).ok());
        let asked = standing::asked(self.kind, &self.scope, "watch");
        let body = serde_json::to_vec(status).unwrap_or_default();
        let refusal = fault::of_answer(
            code.unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR),
            &http::HeaderMap::new(),
            &body,
            &asked,
        );
        if refusal.is_expired() {
            return End::Relist;
        }
        End::Trouble(refusal)
    }

    fn tell_gone(&self, object: &Value) {
        let text = |path: &str| {
            let text = object.pointer(path).and_then(Value::as_str);
            Arc::<str>::from(text.unwrap_or_default())
        };
        self.desk.tell(Fact::Gone {
            context: self.desk.context.clone(),
            kind: self.kind,
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        });
    }

    fn tell_garbled(&self, odd: Undecodable) {
        let problem = odd.to_string();
        let (namespace, name) = match odd {
            Undecodable::Object {
                namespace, name, ..
            } => (namespace, name),
            _ => Default::default(),
        };
        self.desk.tell(Fact::Garbled {
            context: self.desk.context.clone(),
            kind: self.kind,
            namespace,
            name,
            problem,
        });
    }

    fn tell_access(&mut self, access: Access) {
        if self.told.as_ref() == Some(&access) {
            return;
        }
        self.told = Some(access.clone());
        self.desk.tell(Fact::Watched {
            context: self.desk.context.clone(),
            kind: self.kind,
            scope: self.scope.clone(),
            access,
        });
    }

    /// The API is not there: what was listed of it is gone with it. It is asked for again after a while, and at once
    /// when the CRD comes.
    async fn rest_absent(&mut self) {
        if std::mem::take(&mut self.listed) {
            self.desk.tell(Fact::Listed {
                context: self.desk.context.clone(),
                kind: self.kind,
                scope: self.scope.clone(),
                objects: Vec::new(),
            });
        }
        self.tell_access(Access::Absent);
        let mut roster = self.desk.roster.subscribe();
        let before = roster.borrow().crd_changes;
        let is_custom = self.kind == Kind::Dragonfly;
        // A CRD is established before its API is served: a few quick tries follow its coming.
        let comes = async {
            if roster
                .wait_for(|roster| roster.crd_changes != before)
                .await
                .is_err()
                || !is_custom
            {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.desk.rest(REST) => {}
            () = comes => sleep(Duration::from_millis(300)).await,
        }
    }

    /// How long to wait after a refusal for want of a right: the first few are doubted.
    fn rest_after_denial(&mut self) -> Duration {
        let doubt = self.desk.pace.doubt(self.refusals);
        self.refusals += u32::from(doubt.is_some());
        doubt.unwrap_or(REST)
    }

    /// How long to wait after a refusal: what the server asked for, or the back-off, whichever is longer.
    fn pause_after(&mut self, refusal: &Refusal) -> Duration {
        if refusal.fault.kind == FaultKind::Unreachable {
            self.desk.alarm.notify_one();
        }
        let wanted = refusal.retry_after.unwrap_or_default();
        // A server may not put a standing question off for longer than a minute.
        self.backoff
            .pause()
            .max(wanted.min(Duration::from_secs(60)))
    }

    fn url(&self, query: &[&str]) -> String {
        let selector = standing::selector(self.kind);
        let mut url = standing::path(self.kind, &self.scope);
        let parts = std::iter::once(selector.as_str()).chain(query.iter().copied());
        for (i, part) in parts.filter(|part| !part.is_empty()).enumerate() {
            url.push(if i == 0 { '?' } else { '&' });
            url.push_str(part);
        }
        url
    }

    /// For whoever must know how far the console has come, such as a test that drives it from outside.
    fn caught_up(&self, revision: &str) {
        let scope = match &self.scope {
            Scope::Cluster => "*",
            Scope::Namespace(namespace) => namespace,
        };
        debug!(
            target: "darner::caught_up",
            context = %self.desk.context,
            kind = ?self.kind,
            scope,
            revision,
        );
    }
}

/// Escapes a value for a query.
pub(super) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
