//! Tries data ports, as a client would: of the instance in view every ten seconds, and so while a node of an instance is
//! in trouble or a port was found bad; of every other node about once a minute. No more often, for each try is a
//! connection that the server counts.
//!
//! In the background a try uses what password is at hand and never runs a command for one: that may ask the person for a
//! passphrase, and nobody has asked for that instance. Tries in the background are bounded, and they are rounds in the
//! background beside those of the admin port: ports that hang do not keep the engines from being asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable, Aborted, BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::backoff::Jitter;
use super::probe::Shared;
use super::probe::turns::{first_try, together};
use super::roster::Target;
use super::watch::Desk;
use crate::connect::data_port::{self, Manner, PORT};
use crate::connect::forward;
use crate::connect::keyring::Given;
use crate::domain::data_port::{DataPort, Found, Stage};
use crate::domain::engine::Way;
use crate::domain::{Fact, Fault, FaultKind, InstanceId, NodeId};

/// Of the rounds in the background at most this share are tries: 10 of 16.
const SHARE: f64 = 0.625;
/// Longest wait for the next look at what is due.
const LONGEST: Duration = Duration::from_secs(3_600);

type Key = (Arc<str>, Arc<str>);
type Tries = FuturesUnordered<BoxFuture<'static, Result<(Key, Outcome), Aborted>>>;

/// Tries them for as long as it is polled.
pub(super) async fn try_all(desk: Desk, shared: Shared) {
    let Some(every) = desk.pace.data_port else {
        return;
    };
    let most = (desk.pace.probes_in_flight as f64 * SHARE).floor().max(1.0);
    let turns = Arc::new(Semaphore::new(most as usize));
    let mut roster = desk.roster.subscribe();
    let mut focus = desk.focus.clone();
    let mut nodes: BTreeMap<Key, Node> = BTreeMap::new();
    let mut running: Tries = FuturesUnordered::new();
    let mut troubled: BTreeSet<Key> = BTreeSet::new();
    let mut is_new = true;
    loop {
        if std::mem::take(&mut is_new) || roster.has_changed().unwrap_or(false) {
            let roster = roster.borrow_and_update();
            nodes.retain(|key, node| roster.targets().get(key) == Some(&node.target));
            for (key, target) in roster.targets() {
                nodes
                    .entry(key.clone())
                    .or_insert_with(|| Node::new(&desk, key, target));
            }
            troubled = roster.troubled_instances();
        }
        let seen = focus.borrow_and_update().clone();
        let now = Instant::now();
        let mut next = now + LONGEST;
        for (key, node) in &mut nodes {
            let instance = node.instance(&desk, key);
            let in_view = seen.instance.as_ref() == Some(&instance);
            let is_troubled = troubled.contains(&(key.0.clone(), node.target.instance.clone()));
            let Some(due) = node.due(now, in_view, is_troubled, seen.nudges, every) else {
                continue;
            };
            if due > now {
                next = next.min(due);
                continue;
            }
            let (handle, registration) = AbortHandle::new_pair();
            node.running = Some(handle);
            node.nudges = seen.nudges;
            let a_try = Try {
                desk: desk.clone(),
                shared: shared.clone(),
                turns: turns.clone(),
                key: key.clone(),
                target: node.target.clone(),
                instance,
            };
            running.push(Abortable::new(a_try.run(), registration).boxed());
        }
        tokio::select! {
            changed = roster.changed() => match changed {
                Ok(()) => is_new = true,
                Err(_) => return,
            },
            changed = focus.changed() => if changed.is_err() {
                return;
            },
            Some(ended) = running.next() => {
                // Whose pod is gone, or its engine stopped, was given up.
                if let Ok((key, outcome)) = ended
                    && let Some(node) = nodes.get_mut(&key)
                {
                    node.ended(outcome, desk.pace.data_port_background);
                }
            }
            () = sleep(next.saturating_duration_since(now)) => {}
        }
    }
}

/// What a try came to, as far as it decides when the next one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nothing is wrong with the port, as far as can be told.
    Well,
    /// It is in a state that will not do, and that may pass soon.
    Bad,
    /// It may not be tried; how long to rest.
    Forbidden(Duration),
}

/// One data port.
struct Node {
    target: Target,
    /// The try that runs; it ends when this is dropped.
    running: Option<AbortHandle>,
    /// When the first try is due, and after each one the next, while nothing calls for it to be sooner.
    due: Instant,
    /// The last try.
    last: Option<(Instant, Outcome)>,
    /// How often somebody had asked to try again when the last try began.
    nudges: u64,
    jitter: Jitter,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

impl Node {
    fn new(desk: &Desk, (namespace, pod): &Key, target: &Target) -> Self {
        Self {
            target: target.clone(),
            running: None,
            due: Instant::now() + first_try(),
            last: None,
            nudges: 0,
            jitter: Jitter::of(&format!("{}/{namespace}/{pod}/{PORT}", desk.context)),
        }
    }

    fn instance(&self, desk: &Desk, (namespace, _): &Key) -> InstanceId {
        InstanceId {
            context: desk.context.clone(),
            namespace: namespace.clone(),
            name: self.target.instance.clone(),
        }
    }

    /// When it is to be tried next; `None` while it is.
    fn due(
        &self,
        now: Instant,
        in_view: bool,
        is_troubled: bool,
        nudges: u64,
        every: Duration,
    ) -> Option<Instant> {
        if self.running.is_some() {
            return None;
        }
        let Some((at, outcome)) = self.last else {
            // The first one waits for its turn; the instance in view for nobody.
            return Some(if in_view { now } else { self.due });
        };
        // Somebody wants to see it now.
        if in_view && nudges != self.nudges {
            return Some(now);
        }
        Some(match outcome {
            Outcome::Forbidden(rest) => at + rest,
            Outcome::Bad => at + every,
            Outcome::Well if in_view || is_troubled => (at + every).min(self.due),
            Outcome::Well => self.due,
        })
    }

    fn ended(&mut self, outcome: Outcome, background: Duration) {
        let now = Instant::now();
        self.running = None;
        self.last = Some((now, outcome));
        self.due = now + together(self.jitter.about(background));
    }
}

/// One try at the data port of one node.
struct Try {
    desk: Desk,
    shared: Shared,
    turns: Arc<Semaphore>,
    key: Key,
    target: Target,
    instance: InstanceId,
}

impl Try {
    async fn run(mut self) -> (Key, Outcome) {
        let (client, _) = self.desk.client().await;
        let permits = self.permits().await;
        let in_view = self.is_in_view();
        let (tried, outcome) = match self.denied() {
            Some((fault, rest)) => (no_way(fault, Duration::ZERO), Outcome::Forbidden(rest)),
            None => self.knock(&client, in_view).await,
        };
        drop(permits);
        self.desk.outlet.send(Fact::Knocked {
            node: NodeId {
                context: self.desk.context.clone(),
                namespace: self.key.0.clone(),
                pod: self.key.1.clone(),
            },
            uid: self.target.uid.clone(),
            tried: Box::new(tried),
        });
        (self.key, outcome)
    }

    fn is_in_view(&self) -> bool {
        self.desk.focus.borrow().instance.as_ref() == Some(&self.instance)
    }

    /// Waits for a turn; the instance in view has its own at once.
    async fn permits(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let mut focus = self.desk.focus.clone();
        let both = async {
            let one = self.turns.clone().acquire_owned().await.ok()?;
            let other = self.shared.background.clone().acquire_owned().await.ok()?;
            Some([one, other])
        };
        tokio::select! {
            biased;
            _ = focus.wait_for(|focus| focus.instance.as_ref() == Some(&self.instance)) => None,
            permits = both => permits,
        }
    }

    /// Port-forwards are not permitted there, as is believed at present; how long to rest.
    fn denied(&self) -> Option<(Fault, Duration)> {
        let nudges = self.desk.focus.borrow().nudges;
        let denials = &self.shared.denials;
        denials.standing(&self.key.0, Way::PortForward, nudges)
    }

    async fn knock(&self, client: &kube::Client, in_view: bool) -> (DataPort, Outcome) {
        let desk = &self.desk;
        let given = match in_view {
            true => {
                let patience = desk.pace.plugin_deadline;
                desk.keyring.password(&self.instance, patience).await
            }
            false => desk.keyring.at_hand(&self.instance),
        };
        let (password, refused, fault) = match given {
            Ok(Given::Password(password)) => (Some(password), false, None),
            Ok(Given::Refused) => (None, true, None),
            Ok(Given::Nothing) => (None, false, None),
            Err(fault) => (None, false, Some(fault)),
        };
        let (namespace, name) = (&self.instance.namespace, &self.instance.name);
        let tls = desk.roster.borrow().speaks_tls(namespace, name);
        let server = format!("{name}.{namespace}.svc");
        let manner = Manner {
            tls: tls.then_some(server.as_str()),
            authority: desk.authority.as_deref(),
            password: password.as_ref(),
            deadline: desk.pace.connect_deadline,
        };
        let mut tried = match self.forward(client, &manner).await {
            Ok(tried) => tried,
            Err((tried, outcome)) => return (tried, outcome),
        };
        match &tried.found {
            Found::WrongPassword => desk.keyring.refused(&self.instance),
            // The password that we have was refused before; it was not sent again.
            Found::PasswordWanted if refused => tried.found = Found::WrongPassword,
            Found::PasswordWanted => {
                if let Some(fault) = fault {
                    tried.found = Found::Refused(fault);
                    tried.stage = Stage::Login;
                }
            }
            _ => {}
        }
        // One that is locked by a takeover, or loads, is so for a while; how long is worth to be known.
        let outcome = match tried.keeps_out() || tried.found == Found::Loading {
            true => Outcome::Bad,
            false => Outcome::Well,
        };
        (tried, outcome)
    }

    /// Over a port-forward, unless there is none.
    async fn forward(
        &self,
        client: &kube::Client,
        manner: &Manner<'_>,
    ) -> Result<DataPort, (DataPort, Outcome)> {
        let began = Instant::now();
        let (namespace, pod) = (&self.key.0, &self.key.1);
        let deadline = self.desk.pace.connect_deadline;
        match forward::forward(client, namespace, pod, PORT, deadline).await {
            Ok(way) => {
                self.shared.denials.lift(namespace, Way::PortForward);
                Ok(data_port::try_it(way, manner).await)
            }
            Err(refusal) => {
                let outcome = match refusal.fault.kind {
                    FaultKind::Forbidden => Outcome::Forbidden(self.forbidden(&refusal.fault)),
                    // Whether the engine can be reached at all, its admin port tells.
                    _ => Outcome::Well,
                };
                Err((no_way(refusal.fault, began.elapsed()), outcome))
            }
        }
    }

    /// Notes that port-forwards are not permitted; how long to rest.
    fn forbidden(&self, fault: &Fault) -> Duration {
        let nudges = self.desk.focus.borrow().nudges;
        let (denials, pace) = (&self.shared.denials, &self.desk.pace);
        denials.note(&self.key.0, Way::PortForward, fault, pace, nudges)
    }
}

fn no_way(fault: Fault, took: Duration) -> DataPort {
    DataPort {
        found: Found::NoWay(fault),
        stage: Stage::Connection,
        took,
        certificate: None,
        logged_in: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_looked_at_is_in_trouble_or_was_bad_is_tried_sooner() {
        let s = Duration::from_secs;
        let now = Instant::now() + s(1_000);
        let rest = Outcome::Forbidden(s(60));
        let (well, bad) = (Some(Outcome::Well), Some(Outcome::Bad));
        // The last try was so many seconds ago; the next in the background is due 60 s after it.
        for (name, ago, last, in_view, troubled, nudges, wanted) in [
            ("one of many", 12, well, false, false, 0, 48),
            ("in view", 12, well, true, false, 0, -2),
            ("its instance is in trouble", 3, well, false, true, 0, 7),
            ("bad", 3, bad, false, false, 0, 7),
            ("not permitted", 12, Some(rest), true, true, 0, 48),
            (
                "not permitted, and asked to try again",
                12,
                Some(rest),
                true,
                false,
                1,
                0,
            ),
            ("asked to try again", 3, well, true, false, 1, 0),
            ("asked to, and not in view", 12, well, false, false, 1, 48),
            ("never tried", 0, None, false, false, 0, 60),
            ("never tried, in view", 0, None, true, false, 0, 0),
        ] {
            let at = now.checked_sub(s(ago)).unwrap_or(now);
            let node = Node {
                target: Target {
                    uid: Arc::from("u"),
                    instance: Arc::from("a"),
                },
                running: None,
                due: at + s(60),
                last: last.map(|outcome| (at, outcome)),
                nudges: 0,
                jitter: Jitter::of("a"),
            };
            let due = node.due(now, in_view, troubled, nudges, s(10));
            let due = due.map(|due| match due.checked_duration_since(now) {
                Some(left) => i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                None => -i64::try_from((now - due).as_secs()).unwrap_or(i64::MAX),
            });
            assert_eq!(due, Some(wanted), "{name}");
        }
    }

    #[test]
    fn later_tries_are_spread_over_the_time_between_them() {
        let mut due: Vec<Duration> = (0..60)
            .map(|n| {
                let mut node = Node {
                    target: Target {
                        uid: Arc::from("u"),
                        instance: Arc::from("a"),
                    },
                    running: None,
                    due: Instant::now(),
                    last: None,
                    nudges: 0,
                    jitter: Jitter::of(&format!("c/ns/a-{n}")),
                };
                let began = Instant::now();
                node.ended(Outcome::Well, Duration::from_secs(60));
                node.due.saturating_duration_since(began)
            })
            .collect();
        due.sort();
        let (first, last) = (due.first().copied(), due.last().copied());
        assert!(first >= Some(Duration::from_secs(54)), "{first:?}");
        assert!(last <= Some(Duration::from_secs(67)), "{last:?}");
        assert!(
            last.zip(first)
                .is_some_and(|(last, first)| last - first > Duration::from_secs(6)),
            "{due:?}"
        );
    }
}
