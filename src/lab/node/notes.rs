//! What a node has to say about its own work: lines on standard error, the same one not more than once a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::lab::clock;

const SILENCE: Duration = Duration::from_secs(60);

/// Says things. Cloning shares what was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Arc<Mutex<HashMap<String, Instant>>>);

impl Notes {
    /// Says a sentence, unless it was said a moment ago.
    pub(super) fn say(&self, sentence: String) {
        if self.is_news(&sentence, Instant::now()) {
            eprintln!("{} {sentence}", clock::seconds(Timestamp::now()));
        }
    }

    fn is_news(&self, sentence: &str, now: Instant) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, at| now.duration_since(*at) < SILENCE);
        said.insert(sentence.to_owned(), now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice_in_a_row() {
        let notes = Notes::default();
        let now = Instant::now();
        assert!(notes.is_news("a", now));
        assert!(!notes.is_news("a", now));
        assert!(notes.is_news("b", now));
        assert!(notes.is_news("a", now + SILENCE));
    }
}
