//! Watch: lists that go on.
//!
//! A watcher is a stream that reads the shared history when its client reads it: no queue, no task, no lock held while
//! text is made. A client that reads too slowly is overtaken by the history and gets 410.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Desk;
use super::call::{Call, Format};
use super::list::{self, revision};
use super::reply::{self, Reply};
use super::selector::Selector;
use super::shape;
use crate::lab::status::{Cause, Status};
use crate::lab::store::{self, Change, Happened, Object, Watch};

/// How long a watch lasts when the client names no time; API servers choose between 30 and 60 minutes.
const LONGEST: Duration = Duration::from_secs(40 * 60);

/// How long before its end a watch sends its last bookmark; as the API server's cache does it.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// Answers a watch.
pub(super) fn watch(desk: &Arc<Desk>, call: &Call) -> Result<Reply, Status> {
    let format = Format::negotiate(&call.heads.accept)?;
    let selector = list::selector(call)?;
    let asked =
        revision(call.query.get("resourceVersion")).map_err(|status| unreadable(&status))?;
    let initial = initial_events(call)?;
    let mut first = VecDeque::new();
    let bookmarks = call.query.flag("allowWatchBookmarks");
    let presents = match (initial, asked) {
        (Initial::Stream, _) => true,
        // The old way: without a version the present comes first, without an end mark.
        (Initial::Unasked, None | Some(0)) => true,
        _ => false,
    };
    let since = if presents {
        if initial == Initial::Stream {
            list::reached(desk, call.query.get("resourceVersion"))?;
        }
        let listed = desk.store.list(call.stored(), call.scope())?;
        first.extend(
            listed
                .items
                .into_iter()
                .filter(|object| selector.matches(object)),
        );
        Some(listed.revision)
    } else {
        asked.filter(|asked| *asked > 0)
    };
    let watch = match desk.store.watch(call.stored(), call.scope(), since) {
        Ok(watch) => watch,
        // Once a watch is understood, what is wrong with it is told as an event.
        Err(status) if status.code == 410 => {
            return Ok(reply::json_text(
                200,
                line("ERROR", status.value().to_string().as_bytes()),
            ));
        }
        Err(status) => return Err(status),
    };
    let lasts = call
        .query
        .number("timeoutSeconds")?
        .map_or(LONGEST, Duration::from_secs);
    let lasts = if lasts.is_zero() { LONGEST } else { lasts };
    let now = Instant::now();
    let follow = Follow {
        desk: Arc::clone(desk),
        call: call.clone(),
        format,
        selector,
        watch,
        first,
        end_mark: bookmarks && initial == Initial::Stream,
        head: true,
        bookmarks,
        next_bookmark: now + desk.bookmarks,
        last_bookmark: bookmarks && lasts > LAST_BOOKMARK,
        deadline: now + lasts,
        cuts: desk.faults.cuts(),
        ended: false,
    };
    let pieces = futures::stream::unfold(follow, |mut follow| async move {
        let piece = follow.piece().await?;
        Some((piece, follow))
    });
    Ok(reply::stream("application/json", pieces))
}

/// An API server stumbles over a version that is no number: 500, and no reason.
fn unreadable(status: &Status) -> Status {
    let message = status
        .message
        .split(" is invalid: ")
        .last()
        .unwrap_or_default()
        .to_owned();
    Status {
        code: 500,
        reason: "",
        message,
        details: Value::Null,
        metadata: Value::Null,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Initial {
    /// The parameter is missing.
    Unasked,
    /// `sendInitialEvents=false`.
    None,
    /// `sendInitialEvents=true`.
    Stream,
}

fn initial_events(call: &Call) -> Result<Initial, Status> {
    let how = call.query.get("resourceVersionMatch");
    let forbidden = |field: &str, why: &str| {
        let cause = Cause {
            reason: "FieldValueForbidden",
            message: format!("Forbidden: {why}"),
            field: field.to_owned(),
        };
        Err(Status::invalid("meta.k8s.io", "ListOptions", "", &[cause]))
    };
    if !call.query.has("sendInitialEvents") {
        if !how.is_empty() {
            return forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            );
        }
        return Ok(Initial::Unasked);
    }
    if how != "NotOlderThan" {
        return forbidden(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        );
    }
    if call.query.flag("sendInitialEvents") {
        return Ok(Initial::Stream);
    }
    Ok(Initial::None)
}

struct Follow {
    desk: Arc<Desk>,
    call: Call,
    format: Format,
    selector: Selector,
    watch: Watch,
    first: VecDeque<Arc<Object>>,
    /// A bookmark that ends the initial events is still to be sent.
    end_mark: bool,
    /// The next table carries its column definitions.
    head: bool,
    bookmarks: bool,
    next_bookmark: Instant,
    /// The bookmark before the end is still to be sent.
    last_bookmark: bool,
    deadline: Instant,
    cuts: tokio::sync::watch::Receiver<u64>,
    ended: bool,
}

impl Follow {
    /// The next piece of the answer; `None` at its end.
    async fn piece(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if self.ended {
                return None;
            }
            let piece = self.wait().await?;
            self.desk
                .faults
                .wait_while_hanging(&self.call.user, Some(&self.call.attempt()))
                .await;
            match piece {
                Ok(piece) if piece.is_empty() => (),
                other => return Some(other),
            }
        }
    }

    async fn wait(&mut self) -> Option<io::Result<Bytes>> {
        if !self.first.is_empty() {
            return Some(Ok(self.initial().into()));
        }
        if self.end_mark {
            self.end_mark = false;
            return Some(Ok(self.bookmark(true)));
        }
        let last = if self.last_bookmark {
            self.deadline - LAST_BOOKMARK
        } else {
            self.deadline
        };
        tokio::select! {
            biased;
            cut = self.cuts.changed() => match cut {
                Ok(()) => {
                    self.ended = true;
                    Some(Err(io::Error::from(io::ErrorKind::ConnectionReset)))
                }
                Err(_) => None,
            },
            changes = self.watch.next() => Some(Ok(match changes {
                Ok(changes) => self.events(&changes).into(),
                Err(status) => {
                    self.ended = true;
                    line("ERROR", status.value().to_string().as_bytes()).into()
                }
            })),
            () = tokio::time::sleep_until(self.next_bookmark.min(last)) => {
                if Instant::now() >= self.deadline {
                    return None;
                }
                if Instant::now() >= last {
                    self.last_bookmark = false;
                }
                self.next_bookmark = Instant::now() + self.desk.bookmarks;
                if !self.bookmarks {
                    return Some(Ok(Bytes::new()));
                }
                // Other kinds have moved the cluster on; a bookmark says how far this watch has followed.
                let mut piece = self.watch.drain().map(|changes| self.events(&changes)).unwrap_or_default();
                piece.extend_from_slice(&self.bookmark(false));
                Some(Ok(piece.into()))
            }
        }
    }

    /// Some of the objects that are already there.
    fn initial(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < 64 * 1024 {
            let Some(object) = self.first.pop_front() else {
                break;
            };
            let head = std::mem::take(&mut self.head);
            self.event("ADDED", &object, head, &mut out);
        }
        out
    }

    /// What changed, as this watcher sees it through its selector.
    fn events(&mut self, changes: &[Arc<Change>]) -> Vec<u8> {
        let mut out = Vec::new();
        for change in changes {
            let is = change.happened != Happened::Deleted && self.selector.matches(&change.object);
            let was = change
                .before
                .as_ref()
                .is_some_and(|before| self.selector.matches(before));
            let kind = match (was, is) {
                (false, true) => "ADDED",
                (true, true) => "MODIFIED",
                (true, false) => "DELETED",
                (false, false) => continue,
            };
            let head = std::mem::take(&mut self.head);
            match &change.before {
                // What left the selection is shown as it last was in it.
                Some(before) if kind == "DELETED" && change.happened != Happened::Deleted => {
                    let shown = before.at_revision(change.object.revision);
                    self.event(kind, &shown, head, &mut out);
                }
                _ => self.event(kind, &change.object, head, &mut out),
            }
        }
        out
    }

    fn event(&self, kind: &str, object: &Object, head: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"object\":");
        match self.format {
            Format::Json => shape::write_object(&self.call.resource, object, out),
            Format::Partial => out.extend_from_slice(object.metadata_json()),
            Format::Table => {
                let table = shape::table(
                    &self.desk,
                    &self.call,
                    &object.revision.to_string(),
                    &[object],
                    head,
                );
                out.extend_from_slice(table.to_string().as_bytes());
            }
        }
        out.extend_from_slice(b"}\n");
    }

    fn bookmark(&mut self, end_of_initial: bool) -> Bytes {
        let revision = self.watch.seen().to_string();
        let mut metadata = json!({ "resourceVersion": revision, "creationTimestamp": null });
        if let (true, Some(map)) = (end_of_initial, metadata.as_object_mut()) {
            map.insert(
                "annotations".into(),
                json!({ "k8s.io/initial-events-end": "true" }),
            );
        }
        let mut object: Value = json!({
            "kind": self.call.resource.kind,
            "apiVersion": self.call.resource.api_version(),
            "metadata": metadata,
        });
        match self.format {
            Format::Json => (),
            Format::Partial => object = store::partial(&object),
            Format::Table => {
                object = json!({
                    "kind": "Table",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": { "resourceVersion": revision },
                    "columnDefinitions": null,
                    "rows": [{ "cells": [], "object": store::partial(&object) }],
                });
            }
        }
        line("BOOKMARK", object.to_string().as_bytes()).into()
    }
}

fn line(kind: &str, object: &[u8]) -> Vec<u8> {
    let mut out = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
    out
}
