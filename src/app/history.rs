//! Which screens were visited, and how one gets back to them.

use crate::domain::InstanceId;
use crate::screens;

/// How many screens back are kept.
const KEPT: usize = 100;

/// A screen, and the instance that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub screen: &'static str,
    pub about: Option<InstanceId>,
}

/// Where the reader is, was, and was before going back.
#[derive(Debug)]
pub(super) struct History {
    past: Vec<Place>,
    here: Place,
    future: Vec<Place>,
    before: Option<Place>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            past: Vec::new(),
            here: Place {
                screen: screens::fleet::SCREEN.id,
                about: None,
            },
            future: Vec::new(),
            before: None,
        }
    }
}

impl History {
    /// Where the reader is.
    pub fn here(&self) -> &Place {
        &self.here
    }

    /// The reader is at the first screen.
    pub fn is_first(&self) -> bool {
        self.here == Self::default().here
    }

    /// There is nothing to go back to.
    pub fn is_root(&self) -> bool {
        self.past.is_empty()
    }

    /// There is something to go forward to.
    pub fn has_future(&self) -> bool {
        !self.future.is_empty()
    }

    /// Another place was visited before this one.
    pub fn has_before(&self) -> bool {
        self.before.is_some()
    }

    /// Goes on to a place. Returns false when the reader is there already.
    pub fn go(&mut self, place: Place) -> bool {
        if place == self.here {
            return false;
        }
        let here = self.arrive(place);
        self.past.push(here);
        if self.past.len() > KEPT {
            self.past.remove(0);
        }
        self.future.clear();
        true
    }

    /// Goes back. Returns false when there is nothing to go back to.
    pub fn back(&mut self) -> bool {
        let Some(place) = self.past.pop() else {
            return false;
        };
        let here = self.arrive(place);
        self.future.push(here);
        true
    }

    /// Takes back a step back. Returns false when there is none.
    pub fn forward(&mut self) -> bool {
        let Some(place) = self.future.pop() else {
            return false;
        };
        let here = self.arrive(place);
        self.past.push(here);
        true
    }

    /// Goes to the place before this one, and from there back. Returns false when there was none.
    pub fn last(&mut self) -> bool {
        self.before.clone().is_some_and(|place| self.go(place))
    }

    fn arrive(&mut self, place: Place) -> Place {
        let here = std::mem::replace(&mut self.here, place);
        self.before = Some(here.clone());
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ContextId;

    fn about(name: &str) -> Place {
        Place {
            screen: "instance",
            about: Some(InstanceId::new(ContextId::new("infra"), "db", name)),
        }
    }

    #[test]
    fn back_and_forward_retrace_steps_and_a_new_step_forgets_the_future() {
        let mut history = History::default();
        let fleet = history.here().clone();
        assert!(history.is_root() && !history.back() && !history.forward() && !history.last());
        assert!(history.go(about("a")));
        assert!(!history.go(about("a")), "no step to where one is");
        assert!(history.go(about("b")));
        assert!(history.back());
        assert_eq!(*history.here(), about("a"));
        assert!(history.forward());
        assert_eq!(*history.here(), about("b"));
        assert!(history.back() && history.back());
        assert_eq!(*history.here(), fleet);
        assert!(history.is_root());
        assert!(history.go(about("c")));
        assert!(!history.has_future());
        assert!(history.last());
        assert_eq!(*history.here(), fleet);
        assert!(history.last());
        assert_eq!(*history.here(), about("c"));
    }
}
