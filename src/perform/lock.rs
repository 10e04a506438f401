//! The lock of a run: a Lease `darner-NAME` beside what it is about, which colleagues see with who holds it, what for and
//! since when. Whoever cannot have it does not run.
//!
//! Whether a holder still lives is judged by our own watching, as Kubernetes' own leader election does: clocks differ, and a
//! Lease whose time of renewal does not move for as long as it is good for is nobody's.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::look::{PATIENCE, asked, get};
use crate::actions::{ObjectId, Resource, Target};
use crate::connect::fault::Refusal;
use crate::connect::latch::{Change, Latch, Pass};
use crate::connect::request::{self, JSON, MERGE, Order};
use crate::domain::text::one_line;
use crate::domain::{Fault, FaultKind};

/// How long it is good for without being renewed, seconds.
const GOOD: u64 = 15;
/// How often it is renewed.
pub(super) const RENEWED: Duration = Duration::from_secs(4);
/// The label by which colleagues find these Leases.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The annotation that says what a holder is doing.
pub(super) const PURPOSE: &str = "darner.dev/purpose";
/// The annotation that names its run.
const RUN: &str = "darner.dev/run";

/// The Lease of a target.
pub(super) fn lease(target: &Target) -> ObjectId {
    let namespace = match target.namespace().as_ref() {
        // What has no namespace is locked where everybody may look.
        "" => "default",
        namespace => namespace,
    };
    ObjectId::new(target.context(), Resource::LEASE, namespace, target.lock())
}

/// A lock that is held.
pub(super) struct Lock {
    lease: ObjectId,
    revision: String,
    uid: String,
    /// When it was last renewed.
    pub(super) renewed: Instant,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum Held {
    /// Somebody else has it: who, and what for.
    By(String),
    /// It could not be asked for.
    Fault(Fault),
}

/// Who holds the lock of a target now, if anybody: for a look that takes nothing.
pub(super) async fn holder(client: &Client, target: &Target) -> Result<Option<String>, Fault> {
    let found = get(client, &lease(target)).await?;
    Ok(found
        .filter(|found| !owner(found).is_empty())
        .map(|found| words(&found)))
}

fn owner(lease: &Value) -> &str {
    lease
        .pointer("/spec/holderIdentity")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn renewal(lease: &Value) -> &str {
    lease
        .pointer("/spec/renewTime")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// `jane on laptop: promote orders-1, since 2026-11-22T22:10:04Z`.
fn words(lease: &Value) -> String {
    let text = |path: &str| {
        let found = lease.pointer(path).and_then(Value::as_str);
        one_line(found.unwrap_or_default())
    };
    let purpose = text("/metadata/annotations/darner.dev~1purpose");
    format!(
        "{}: {purpose}, since {}",
        text("/spec/holderIdentity"),
        text("/spec/acquireTime")
    )
}

impl Lock {
    /// Takes the lock. One whose holder has died is taken over, after it was watched for as long as it is good for; `waits` is
    /// told so.
    pub(super) async fn take(
        client: &Client,
        latch: &Latch,
        target: &Target,
        holder: &str,
        purpose: &str,
        run: &str,
        waits: impl Fn(String),
    ) -> Result<Self, Held> {
        let lease = lease(target);
        let collection = lease.collection();
        let created = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": &*lease.name,
                "namespace": &*lease.namespace,
                "labels": {MANAGED_BY: "darner"},
                "annotations": {PURPOSE: purpose, RUN: run},
            },
            "spec": spec(holder),
        });
        let pass = |method: http::Method, path: &str| {
            let change = Change::Request(method, path.to_owned());
            latch
                .pass(change, Timestamp::now())
                .map_err(|why| Held::Fault(Fault::new(FaultKind::Refused, why)))
        };
        let mut seen: Option<(String, Instant)> = None;
        loop {
            let order = Order {
                method: http::Method::POST,
                path: &collection,
                body: Some((created.to_string().into_bytes(), JSON)),
                asked: asked(&lease, "create"),
            };
            let pass_one = pass(http::Method::POST, &collection)?;
            match request::change(client, &order, &pass_one, PATIENCE).await {
                Ok(body) => return Self::of(lease, &body).map_err(Held::Fault),
                Err(refusal) if refusal.code == Some(409) => {}
                Err(refusal) => return Err(Held::Fault(refusal.fault)),
            }
            let found = match get(client, &lease).await {
                Ok(Some(found)) => found,
                // It was given back just now.
                Ok(None) => continue,
                Err(fault) => return Err(Held::Fault(fault)),
            };
            let renewed = renewal(&found).to_owned();
            let is_new = seen.as_ref().is_none_or(|(before, _)| *before != renewed);
            if is_new && seen.is_some() {
                return Err(Held::By(words(&found)));
            }
            if is_new {
                waits(format!(
                    "held by {}: watched for {GOOD}s, whether its holder lives",
                    words(&found)
                ));
                seen = Some((renewed, Instant::now()));
            }
            let is_dead = owner(&found).is_empty()
                || seen
                    .as_ref()
                    .is_some_and(|(_, since)| since.elapsed().as_secs() >= GOOD);
            if !is_dead {
                sleep(Duration::from_secs(1)).await;
                continue;
            }
            match Self::take_over(client, &lease, &found, holder, purpose, run, &pass).await? {
                Some(lock) => return Ok(lock),
                None => {
                    // Somebody else did.
                    let now = get(client, &lease).await.map_err(Held::Fault)?;
                    return Err(Held::By(now.as_ref().map_or("somebody".to_owned(), words)));
                }
            }
        }
    }

    async fn take_over(
        client: &Client,
        lease: &ObjectId,
        found: &Value,
        holder: &str,
        purpose: &str,
        run: &str,
        pass: &impl Fn(http::Method, &str) -> Result<Pass, Held>,
    ) -> Result<Option<Self>, Held> {
        let path = lease.path();
        let patch = json!({
            "metadata": {
                "resourceVersion": found.pointer("/metadata/resourceVersion"),
                "annotations": {PURPOSE: purpose, RUN: run},
            },
            "spec": spec(holder),
        });
        let order = Order {
            method: http::Method::PATCH,
            path: &path,
            body: Some((patch.to_string().into_bytes(), MERGE)),
            asked: asked(lease, "patch"),
        };
        let pass = pass(http::Method::PATCH, &path)?;
        match request::change(client, &order, &pass, PATIENCE).await {
            Ok(body) => Self::of(lease.clone(), &body)
                .map(Some)
                .map_err(Held::Fault),
            Err(refusal) if matches!(refusal.code, Some(404 | 409)) => Ok(None),
            Err(refusal) => Err(Held::Fault(refusal.fault)),
        }
    }

    fn of(lease: ObjectId, body: &[u8]) -> Result<Self, Fault> {
        let odd = || Fault::new(FaultKind::Protocol, format!("{lease} cannot be understood"));
        let value: Value = serde_json::from_slice(body).map_err(|_| odd())?;
        let text = |path: &str| {
            value
                .pointer(path)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let (revision, uid) = text("/metadata/resourceVersion")
            .zip(text("/metadata/uid"))
            .ok_or_else(odd)?;
        Ok(Self {
            lease,
            revision,
            uid,
            renewed: Instant::now(),
        })
    }

    /// Renews it, if it is still ours.
    ///
    /// # Errors
    /// A refusal: with 404 or 409 it is not ours any more.
    pub(super) async fn renew(&mut self, client: &Client, latch: &Latch) -> Result<(), Refusal> {
        let path = self.lease.path();
        let patch = json!({
            "metadata": {"resourceVersion": self.revision},
            "spec": {"renewTime": micros(Timestamp::now())},
        });
        let order = Order {
            method: http::Method::PATCH,
            path: &path,
            body: Some((patch.to_string().into_bytes(), MERGE)),
            asked: asked(&self.lease, "patch"),
        };
        let pass = to_end(latch, http::Method::PATCH, &path)?;
        let body = request::change(client, &order, &pass, PATIENCE).await?;
        *self = Self::of(self.lease.clone(), &body)?;
        Ok(())
    }

    /// Whether nobody can have taken it over yet.
    pub(super) fn is_good(&self) -> bool {
        self.renewed.elapsed().as_secs() < GOOD
    }

    /// Gives it back.
    pub(super) async fn give_back(self, client: &Client, latch: &Latch) -> Result<(), Refusal> {
        let path = self.lease.path();
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": self.uid, "resourceVersion": self.revision},
        });
        let order = Order {
            method: http::Method::DELETE,
            path: &path,
            body: Some((options.to_string().into_bytes(), JSON)),
            asked: asked(&self.lease, "delete"),
        };
        let pass = to_end(latch, http::Method::DELETE, &path)?;
        match request::change(client, &order, &pass, PATIENCE).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.code == Some(404) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }
}

fn to_end(latch: &Latch, method: http::Method, path: &str) -> Result<Pass, Refusal> {
    latch
        .pass_to_end(Change::Request(method, path.to_owned()))
        .map_err(|why| Refusal::from(Fault::new(FaultKind::Refused, why)))
}

fn spec(holder: &str) -> Value {
    let now = micros(Timestamp::now());
    json!({
        "holderIdentity": holder,
        "leaseDurationSeconds": GOOD,
        "acquireTime": now,
        "renewTime": now,
    })
}

/// As a Lease writes its times.
fn micros(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
