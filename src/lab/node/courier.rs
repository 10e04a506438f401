//! Carries changed objects to the server: several at once, the changes of one object one after the other.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::mirror::{Id, Mirror};

/// What is known of an object that is to be carried.
#[derive(Clone, Copy, PartialEq)]
enum Stand {
    Waits,
    Goes,
    /// It goes, and has changed again meanwhile.
    GoesAndWaits,
}

/// Carries what comes in until the task ends, `at_once` objects at the same time.
pub(super) async fn carry(
    mirror: Mirror,
    (back, mut incoming): (mpsc::UnboundedSender<Id>, mpsc::UnboundedReceiver<Id>),
    at_once: usize,
) {
    let mut queue = Queue::default();
    let mut under_way: JoinSet<(Id, Option<Duration>)> = JoinSet::new();
    let mut later: JoinSet<()> = JoinSet::new();
    loop {
        while under_way.len() < at_once
            && let Some(id) = queue.next()
        {
            let mirror = mirror.clone();
            under_way.spawn(async move {
                let again = mirror.push(&id).await;
                (id, again)
            });
        }
        tokio::select! {
            id = incoming.recv() => match id {
                Some(id) => queue.add(id),
                None => return,
            },
            Some(done) = under_way.join_next(), if !under_way.is_empty() => {
                let Ok((id, again)) = done else { continue };
                queue.done(&id);
                if let Some(pause) = again {
                    let back = back.clone();
                    later.spawn(async move {
                        tokio::time::sleep(pause).await;
                        // Nobody carries anything any more when this fails.
                        let _ = back.send(id);
                    });
                }
            }
            Some(_) = later.join_next(), if !later.is_empty() => {}
        }
    }
}

#[derive(Default)]
struct Queue {
    order: VecDeque<Id>,
    known: HashMap<Id, Stand>,
}

impl Queue {
    fn add(&mut self, id: Id) {
        match self.known.get_mut(&id) {
            Some(stand @ Stand::Goes) => *stand = Stand::GoesAndWaits,
            Some(_) => {}
            None => {
                self.known.insert(id.clone(), Stand::Waits);
                self.order.push_back(id);
            }
        }
    }

    fn next(&mut self) -> Option<Id> {
        let id = self.order.pop_front()?;
        self.known.insert(id.clone(), Stand::Goes);
        Some(id)
    }

    fn done(&mut self, id: &Id) {
        if self.known.remove(id) == Some(Stand::GoesAndWaits) {
            self.add(id.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::resources::PODS;

    #[test]
    fn one_object_is_carried_once_at_a_time_and_again_when_it_changed_meanwhile() {
        let id = |name: &str| (PODS, (String::new(), name.to_owned()));
        let mut queue = Queue::default();
        for name in ["a", "b", "a"] {
            queue.add(id(name));
        }
        assert_eq!(queue.next(), Some(id("a")));
        queue.add(id("a"));
        queue.add(id("a"));
        assert_eq!(queue.next(), Some(id("b")));
        assert_eq!(queue.next(), None);
        queue.done(&id("b"));
        queue.done(&id("a"));
        assert_eq!(queue.next(), Some(id("a")));
        queue.done(&id("a"));
        assert_eq!(queue.next(), None);
    }
}
