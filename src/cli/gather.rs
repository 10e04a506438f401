//! Facts for a command that has no screen: the same tasks, the same world, the same judgement.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::checks::{Board, Limits};
use crate::domain::world::{ContextWorld, Touched};
use crate::domain::{Access, Fact, Kind, Link, World};
use crate::observe::Inbox;

/// Facts taken in one go.
const BATCH: usize = 4_096;

/// A world being gathered, with its judgements.
pub struct Gathering {
    /// All facts so far.
    pub world: World,
    /// All judgements of them.
    pub board: Board,
    limits: Limits,
    inbox: Inbox,
    batch: Vec<Fact>,
}

impl Gathering {
    /// Of the facts that come out of that inbox.
    pub fn new(inbox: Inbox, limits: Limits) -> Self {
        Self {
            world: World::default(),
            board: Board::default(),
            limits,
            inbox,
            batch: Vec::new(),
        }
    }

    /// Takes facts in until every source of every context has answered or failed. Returns whether it came to that
    /// before the deadline.
    pub async fn settle(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !is_settled(&self.world) {
            if timeout_at(deadline, self.take()).await.is_err() {
                break;
            }
        }
        self.judge(&Touched::default());
        is_settled(&self.world)
    }

    /// Takes facts in until something that was judged or shown has changed.
    pub async fn change(&mut self) {
        loop {
            let due = self.board.next_due();
            tokio::select! {
                touched = self.take() => if !touched.is_empty() { return },
                () = until(due) => if self.judge(&Touched::default()) { return },
            }
        }
    }

    async fn take(&mut self) -> Touched {
        let mut touched = Touched::default();
        if self.inbox.recv_many(&mut self.batch, BATCH).await == 0 {
            // Every context has ended: nothing will ever change.
            std::future::pending::<()>().await;
        }
        let now = Timestamp::now();
        for fact in self.batch.drain(..) {
            touched.merge(self.world.apply(fact, now));
        }
        self.judge(&touched);
        touched
    }

    fn judge(&mut self, touched: &Touched) -> bool {
        self.board
            .update(&self.world, touched, &self.limits, Timestamp::now())
    }
}

async fn until(due: Option<Timestamp>) {
    match due {
        Some(due) => {
            let wait = Duration::try_from(Timestamp::now().duration_until(due));
            // A judgement that stays the same when it is due must not make this a busy loop.
            tokio::time::sleep(wait.unwrap_or_default().max(Duration::from_millis(200))).await;
        }
        None => std::future::pending().await,
    }
}

/// Every source of every context has answered or failed.
pub fn is_settled(world: &World) -> bool {
    let mut any = false;
    world.contexts().all(|context| {
        any = true;
        match context.link {
            Link::Connecting => false,
            Link::Unreachable { .. } | Link::LoginNeeded { .. } | Link::Unusable { .. } => true,
            Link::Live { .. } => sources_answered(context) && engines_answered(context),
        }
    }) && any
}

fn sources_answered(context: &ContextWorld) -> bool {
    let standing = Kind::ALL
        .iter()
        .filter(|kind| !matches!(kind, Kind::Pdb | Kind::NetworkPolicy | Kind::Event));
    let answered = |kind: Kind| {
        let mut sources = context
            .sources
            .iter()
            .filter(|((k, _), _)| *k == kind)
            .peekable();
        sources.peek().is_some() && sources.all(|(_, source)| source.access.is_some())
    };
    let per_namespace = [Kind::Pdb, Kind::NetworkPolicy, Kind::Event];
    standing.copied().all(answered)
        && (context.dragonflies.is_empty() || per_namespace.into_iter().all(answered))
}

fn engines_answered(context: &ContextWorld) -> bool {
    let mut pods = context.sources_of(Kind::Pod).peekable();
    let reads_pods = pods.peek().is_none()
        || pods.any(|(_, s)| !matches!(s.access, Some(Access::Denied(_) | Access::Absent)));
    !reads_pods
        || context.pods.iter().all(|held| {
            let pod = &held.value;
            let runs = pod.ip.is_some() && pod.phase == "Running" && pod.meta.deleting.is_none();
            !runs
                || context
                    .engine(&pod.meta.namespace, &pod.meta.name)
                    .is_some_and(|engine| {
                        !engine.silent.is_empty()
                            || (engine.replication.is_some() && engine.keyspace.is_some())
                    })
        })
}
