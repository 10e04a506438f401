//! When an engine is asked: whose turn it is, how long to wait for the next round, and which connections are kept meanwhile.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::turns::{first_turn, together};
use super::{KEPT, Node, is_in_view, is_listed};
use crate::domain::engine::Role;

/// A connection is opened anew after this long, for an instance in view and for others: an address may be another pod's by
/// then, and what an old connection leads to may be gone for everybody else.
const RENEWED_IN_VIEW: Duration = Duration::from_secs(30);
const RENEWED: Duration = Duration::from_secs(120);
const MOVES: Duration = Duration::from_secs(120);
/// The same after a role was given or taken in its instance, whatever its links say.
const SETTLES: Duration = Duration::from_secs(20);

impl Node {
    /// Its links are moving, or may be: what it says now is soon not so.
    pub(super) fn is_hurried(&self) -> bool {
        let within = |since: Option<Instant>, most| since.is_some_and(|at| at.elapsed() < most);
        within(self.moves, MOVES) || within(self.stirred, SETTLES)
    }

    /// Waits until the first round may begin; the instance in view waits for nobody.
    pub(super) async fn take_turn(&mut self) {
        let wait = first_turn();
        if wait.is_zero() {
            return;
        }
        let (id, target) = (self.id.clone(), self.target.clone());
        tokio::select! {
            _ = self.focus.wait_for(|focus| is_in_view(focus, &id, &target)) => {}
            () = sleep(wait) => {}
        }
    }

    /// Gives up a connection that is old: what it leads to may long be what nobody else finds under the pod's name any
    /// more.
    pub(super) fn renew(&mut self) {
        let in_view = is_in_view(&self.focus.borrow(), &self.id, &self.target);
        let most = match in_view {
            true => RENEWED_IN_VIEW,
            false => RENEWED,
        };
        let most = self.jitter.about(most);
        if self.opened.is_some_and(|opened| opened.elapsed() >= most) {
            (self.engine, self.kept) = (None, None);
        }
    }

    /// Keeps the connection for the next round, or closes it when too many are kept already.
    pub(super) fn keep(&mut self) {
        if self.engine.is_none() {
            self.kept = None;
        } else if self.kept.is_none() {
            self.kept = KEPT.try_acquire().ok();
            let in_view = is_in_view(&self.focus.borrow(), &self.id, &self.target);
            if self.kept.is_none() && !in_view {
                self.engine = None;
            }
        }
    }

    /// Waits for a turn; the instance in view has its own at once.
    pub(super) async fn permit(&mut self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let (background, mut focus) = (self.shared.background.clone(), self.focus.clone());
        let (id, target) = (self.id.clone(), self.target.clone());
        tokio::select! {
            biased;
            _ = focus.wait_for(|focus| is_in_view(focus, &id, &target)) => None,
            permit = background.acquire_owned() => permit.ok(),
        }
    }

    /// Waits for the next round's time, which depends on what is in view, and watches the connection meanwhile.
    pub(super) async fn wait(&mut self, began: Instant, focused: Duration, background: Duration) {
        let nudges = self.focus.borrow().nudges;
        let mut roster = self.desk.roster.subscribe();
        let (namespace, instance) = (self.id.namespace.clone(), self.target.instance.clone());
        let stirred = roster.borrow().stirred(&namespace, &instance);
        let is_curious = self.role == Some(Role::Master) && self.asked_list.is_none() && !self.slow;
        loop {
            let now = self.focus.borrow_and_update().clone();
            let in_view = is_in_view(&now, &self.id, &self.target);
            let due = if in_view { focused } else { background };
            let left = due.saturating_sub(began.elapsed());
            let rest = if in_view { left } else { together(left) };
            if self.engine.is_some()
                && self.asked_list.is_none()
                && is_listed(&now, &self.id, &self.target)
            {
                return;
            }
            if now.nudges != nudges {
                // Somebody wants to see it now, and all of it, as whoever comes anew would.
                (self.asked_in_view, self.asked_list) = (None, None);
                (self.engine, self.kept) = (None, None);
                self.doubt_no_more();
                return;
            }
            if left.is_zero() {
                return;
            }
            let restless = async {
                // The guard that a wait returns must be gone before anything else is awaited.
                let waited = roster
                    .wait_for(|roster| {
                        roster.stirred(&namespace, &instance) != stirred
                            || roster.is_troubled(&namespace, &instance) && is_curious
                    })
                    .await
                    .is_ok();
                if !waited {
                    std::future::pending::<()>().await;
                }
            };
            let closed = async {
                match &mut self.engine {
                    Some(engine) => engine.closed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep(rest) => return,
                changed = self.focus.changed() => if changed.is_err() {
                    sleep(rest).await;
                    return;
                },
                // A role label changed, or another node is in trouble: what the engines say now is what matters.
                () = restless => {
                    self.stirred = Some(Instant::now());
                    self.doubt_no_more();
                    return;
                }
                () = closed => (self.engine, self.kept) = (None, None),
            }
        }
    }
}
