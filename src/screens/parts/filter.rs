//! The `/` filter: a few words, all of which must hold.
//!
//! `text`, `!not`, `/regex/`, `state:WORD` (a state's word, or `ill` for all that is worse than syncing), `ctx:NAME` (also `ns:`, `name:`, `master:`, `version:`) and comparisons
//! such as `lag>100`, `mem>=60%`, `ops<1k`, `nodes<3`. Words are compared without regard to case. A term that cannot
//! be read is told and left out, so that a row never vanishes because of a slip; while a pattern is typed, what was shown
//! last stays.

use regex_automata::dfa::{Automaton, dense};
use regex_automata::{Input, MatchError, nfa::thompson, util::syntax};

use crate::checks::State;
use crate::settings::problem::suggestion;
use crate::widgets::Row;

/// What a row can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the field of its name")]
pub enum Field {
    State,
    Context,
    Namespace,
    Name,
    Master,
    Version,
}

/// What a row can be compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Journal records behind, the worst replica's.
    Lag,
    /// Memory used, per cent of the limit.
    MemoryPercent,
    /// Memory used, bytes.
    MemoryBytes,
    /// Operations a second.
    Ops,
    /// Keys.
    Keys,
    /// Nodes that are there.
    Nodes,
    /// Findings.
    Findings,
    /// Restarts of all containers.
    Restarts,
    /// Age, seconds.
    Age,
}

/// A row as the filter sees it.
pub trait Sieved {
    /// Everything that plain text is looked for in, lower case.
    fn text(&self) -> &str;
    /// A field's words, in any case.
    fn field(&self, field: Field) -> &str;
    /// A figure; `None` when it is not known.
    fn figure(&self, measure: Measure) -> Option<f64>;
}

/// A filter that was written.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    written: String,
    terms: Vec<(bool, Term)>,
    /// What of it could not be read, as a sentence.
    pub problem: Option<String>,
}

#[derive(Debug, Clone)]
enum Term {
    Text(String),
    Pattern(Box<dense::DFA<Vec<u32>>>),
    Word(Field, String),
    Compare(Measure, Compare, f64),
}

#[derive(Debug, Clone, Copy)]
enum Compare {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

const FIELDS: &[(&str, Field)] = &[
    ("state", Field::State),
    ("ctx", Field::Context),
    ("context", Field::Context),
    ("ns", Field::Namespace),
    ("namespace", Field::Namespace),
    ("name", Field::Name),
    ("master", Field::Master),
    ("version", Field::Version),
];

const MEASURES: &[(&str, Measure)] = &[
    ("lag", Measure::Lag),
    ("mem", Measure::MemoryBytes),
    ("ops", Measure::Ops),
    ("keys", Measure::Keys),
    ("nodes", Measure::Nodes),
    ("findings", Measure::Findings),
    ("restarts", Measure::Restarts),
    ("age", Measure::Age),
];

impl Filter {
    /// Reads what was written.
    pub fn parse(written: &str) -> Self {
        let mut filter = Self {
            written: written.to_owned(),
            ..Self::default()
        };
        for word in split(written) {
            let (not, bare) = bare(word);
            match term(bare) {
                Ok(Some(term)) => filter.terms.push((not, term)),
                Ok(None) => {}
                Err(problem) => {
                    filter.problem.get_or_insert(problem);
                }
            }
        }
        filter
    }

    /// Reads what was written over this one: while a pattern of it cannot be read, what this one shows goes on to be shown,
    /// so that rows do not come and go with every letter of it.
    #[must_use]
    pub fn rewritten(&self, written: &str) -> Self {
        let mut filter = Self::parse(written);
        let open = |word: &str| {
            let (_, word) = bare(word);
            word.starts_with('/') && term(word).is_err()
        };
        if split(written).into_iter().any(open) {
            filter.terms.clone_from(&self.terms);
        }
        filter
    }

    /// As it was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a row is shown. A comparison with a figure that is not known holds neither plain nor negated.
    pub fn shows(&self, row: &impl Sieved) -> bool {
        self.terms
            .iter()
            .all(|(not, term)| term.holds(row).is_some_and(|holds| holds != *not))
    }

    /// The plain words that are looked for, lower case: what is marked in the rows.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(|(not, term)| match term {
            Term::Text(text) if !not => Some(text.as_str()),
            _ => None,
        })
    }
}

impl Term {
    fn holds(&self, row: &impl Sieved) -> Option<bool> {
        match self {
            Term::Text(text) => Some(row.text().contains(text)),
            Term::Pattern(pattern) => finds(pattern, row.text()).ok(),
            Term::Word(field, word) => {
                let have = row.field(*field).to_lowercase();
                // `state:no-master` and `state:no` both find "no master".
                Some(have.contains(word) || have.replace(' ', "-").contains(word))
            }
            Term::Compare(measure, compare, figure) => {
                let have = row.figure(*measure)?;
                Some(match compare {
                    Compare::Less => have < *figure,
                    Compare::AtMost => have <= *figure,
                    Compare::Equal => have == *figure,
                    Compare::AtLeast => have >= *figure,
                    Compare::More => have > *figure,
                })
            }
        }
    }
}

fn finds(pattern: &dense::DFA<Vec<u32>>, text: &str) -> Result<bool, MatchError> {
    Ok(pattern
        .try_search_fwd(&Input::new(text).earliest(true))?
        .is_some())
}

/// Words, where `/.../` is one word whatever is in it.
fn split(written: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = written.trim_start();
    while !rest.is_empty() {
        let body = rest.strip_prefix('!').unwrap_or(rest);
        let skipped = rest.len() - body.len();
        let end = match body.strip_prefix('/').map(|inner| inner.find('/')) {
            Some(Some(close)) => skipped + close + 2,
            // Not closed yet: all that follows belongs to it.
            Some(None) => rest.len(),
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        words.push(word);
        rest = after.trim_start();
    }
    words
}

/// Whether a word is negated, and the word without that.
fn bare(word: &str) -> (bool, &str) {
    match word.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, word),
    }
}

/// One term; `None` while it is not finished.
fn term(word: &str) -> Result<Option<Term>, String> {
    if let Some(inner) = word.strip_prefix('/') {
        return match inner.strip_suffix('/') {
            Some("") => Ok(None),
            None => Err(format!(
                "`/{inner}` does not end: a pattern stands between two `/`"
            )),
            Some(pattern) => build(pattern).map(|dfa| Some(Term::Pattern(Box::new(dfa)))),
        };
    }
    if let Some((measure, compare, figure)) = comparison(word) {
        return compared(measure, compare, figure);
    }
    if let Some((name, value)) = word.split_once(':')
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphabetic())
    {
        let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) else {
            let near = suggestion(name, FIELDS.iter().map(|(known, _)| *known));
            return Err(refused(&format!("there is no field `{name}:`"), &near));
        };
        let value = value.to_lowercase();
        if *field == Field::State && !is_state(&value) {
            let near = suggestion(&value, states());
            return Err(refused(&format!("there is no state `{value}`"), &near));
        }
        return Ok((!value.is_empty()).then_some(Term::Word(*field, value)));
    }
    Ok((!word.is_empty()).then(|| Term::Text(word.to_lowercase())))
}

/// What is wrong, and what was meant where a name is near.
fn refused(what: &str, near: &str) -> String {
    match near {
        "" => what.to_owned(),
        near => format!("{what}; {near}"),
    }
}

/// Words that `state:` may be followed by, as they are written there.
fn states() -> impl Iterator<Item = &'static str> {
    let of_contexts = [
        "ill",
        "connecting",
        "unreachable",
        "login-needed",
        "unusable",
        "listing",
        "none",
        "no-crd",
        "forbidden",
        "timed-out",
        "refused",
        "protocol-error",
    ];
    State::ALL.iter().map(|state| state.id()).chain(of_contexts)
}

/// Whether a word is a state, or the part of one that is typed so far.
fn is_state(word: &str) -> bool {
    let dashed = word.replace(' ', "-");
    states().any(|state| state.contains(&dashed))
}

fn comparison(word: &str) -> Option<(&str, Compare, &str)> {
    let at = word.find(['<', '>', '='])?;
    let (measure, rest) = word.split_at_checked(at)?;
    if measure.is_empty() || !measure.chars().all(|c| c.is_ascii_alphabetic()) {
        return None;
    }
    [
        ("<=", Compare::AtMost),
        (">=", Compare::AtLeast),
        ("<", Compare::Less),
        (">", Compare::More),
        ("=", Compare::Equal),
    ]
    .into_iter()
    .find_map(|(sign, compare)| Some((measure, compare, rest.strip_prefix(sign)?)))
}

fn compared(name: &str, compare: Compare, figure: &str) -> Result<Option<Term>, String> {
    let Some((_, measure)) = MEASURES.iter().find(|(known, _)| *known == name) else {
        let near = suggestion(name, MEASURES.iter().map(|(known, _)| *known));
        return Err(refused(&format!("`{name}` cannot be compared"), &near));
    };
    if figure.is_empty() {
        return Ok(None);
    }
    let (digits, unit) = figure
        .split_at_checked(
            figure
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(figure.len()),
        )
        .unwrap_or((figure, ""));
    let number: f64 = digits
        .parse()
        .map_err(|_| format!("`{figure}` is not a number"))?;
    let percent = unit == "%" && *measure == Measure::MemoryBytes;
    let factor = match (unit.to_ascii_lowercase().as_str(), measure) {
        ("", _) => 1.0,
        ("%", _) if percent => 1.0,
        ("s", Measure::Age) => 1.0,
        ("m", Measure::Age) => 60.0,
        ("h", Measure::Age) => 3_600.0,
        ("d", Measure::Age) => 86_400.0,
        ("k" | "ki" | "kib", Measure::MemoryBytes) => 1_024.0,
        ("m" | "mi" | "mib", Measure::MemoryBytes) => 1_048_576.0,
        ("g" | "gi" | "gib", Measure::MemoryBytes) => 1_073_741_824.0,
        ("k", _) => 1_000.0,
        ("m", _) => 1_000_000.0,
        _ => return Err(format!("`{unit}` is not a unit of {name}")),
    };
    let measure = if percent {
        Measure::MemoryPercent
    } else {
        *measure
    };
    Ok(Some(Term::Compare(measure, compare, number * factor)))
}

/// A pattern as an automaton: linear in the row's length whatever was typed, and bounded in size.
fn build(pattern: &str) -> Result<dense::DFA<Vec<u32>>, String> {
    const LIMIT: usize = 1 << 20;
    dense::Builder::new()
        .syntax(
            syntax::Config::new()
                .case_insensitive(true)
                .unicode(false)
                .utf8(false),
        )
        .thompson(
            thompson::Config::new()
                .utf8(false)
                .nfa_size_limit(Some(LIMIT)),
        )
        .configure(
            dense::Config::new()
                .dfa_size_limit(Some(LIMIT))
                .determinize_size_limit(Some(LIMIT)),
        )
        .build(pattern)
        .map_err(|error| {
            let why = match fault(&error) {
                Some(why) => format!(": {why}"),
                None => String::new(),
            };
            format!("`/{pattern}/` is not a pattern that can be read{why}")
        })
}

/// What is wrong with a pattern, in the parser's own words: `unclosed group`.
fn fault(error: &dyn std::error::Error) -> Option<String> {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    // Its words show the pattern with a mark under it, and say what that is about in their last line.
    let told = deepest.to_string();
    let why = told.lines().rfind(|line| line.starts_with("error: "))?;
    why.strip_prefix("error: ").map(str::to_owned)
}

/// A row that has words only.
#[derive(Debug)]
pub struct Plain(String);

impl Plain {
    /// The words of a row's cells.
    pub fn of(row: &Row) -> Self {
        let texts: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
        Self(texts.join(" ").to_lowercase())
    }
}

impl Sieved for Plain {
    fn text(&self) -> &str {
        &self.0
    }

    fn field(&self, _: Field) -> &str {
        &self.0
    }

    fn figure(&self, _: Measure) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row;

    impl Sieved for Row {
        fn text(&self) -> &str {
            "no master infra db/cache cache-0 v1.39.0"
        }

        fn field(&self, field: Field) -> &str {
            match field {
                Field::State => "no master",
                Field::Context => "Infra",
                Field::Namespace => "db",
                Field::Name => "cache",
                Field::Master => "cache-0",
                Field::Version => "v1.39.0",
            }
        }

        fn figure(&self, measure: Measure) -> Option<f64> {
            Some(match measure {
                Measure::Lag => 150.0,
                Measure::MemoryPercent => 61.0,
                Measure::MemoryBytes => 1.8 * 1_073_741_824.0,
                Measure::Ops => 1_200.0,
                Measure::Nodes => 3.0,
                Measure::Findings => 2.0,
                Measure::Age => 7_200.0,
                Measure::Restarts => 0.0,
                Measure::Keys => return None,
            })
        }
    }

    #[test]
    fn terms_show_what_they_say() {
        for (written, shown) in [
            ("", true),
            ("   ", true),
            ("cache", true),
            ("CACHE", true),
            ("cache infra", true),
            ("cache apps", false),
            ("!apps", true),
            ("!cache", false),
            ("/c.che/", true),
            ("/^no mas/", true),
            ("/^cache/", false),
            ("!/^cache/", true),
            ("/CACHE-[0-9]/", true),
            ("/two words/ cache", false),
            ("state:no-master", true),
            ("state:no", true),
            ("state:healthy", false),
            ("!state:healthy", true),
            ("state:", true),
            ("ctx:infra", true),
            ("ctx:apps", false),
            ("ns:db name:cache master:cache-0 version:1.39", true),
            ("lag>100", true),
            ("lag>150", false),
            ("lag>=150", true),
            ("lag<=150", true),
            ("lag=150", true),
            ("lag<150", false),
            ("!lag>100", false),
            ("mem>60%", true),
            ("mem>61%", false),
            ("mem>1gib", true),
            ("mem>2GiB", false),
            ("ops>=1k", true),
            ("ops>1.2k", false),
            ("nodes<3", false),
            ("age>1h", true),
            ("age>3h", false),
            ("lag>", true),
            // What is not known is neither more nor less.
            ("keys>1", false),
            ("!keys>1", false),
        ] {
            let filter = Filter::parse(written);
            assert_eq!(filter.problem, None, "{written}");
            assert_eq!(filter.shows(&Row), shown, "{written}");
        }
    }

    #[test]
    fn a_slip_is_told_and_hides_nothing() {
        for (written, told) in [
            (
                "stat:ill",
                "there is no field `stat:`; did you mean `state`?",
            ),
            ("state:bogus", "there is no state `bogus`"),
            ("lags>1", "`lags` cannot be compared; did you mean `lag`?"),
            ("lag>x", "`x` is not a number"),
            ("lag>1%", "`%` is not a unit of lag"),
            (
                "/(/",
                "`/(/` is not a pattern that can be read: unclosed group",
            ),
            ("/(", "`/(` does not end: a pattern stands between two `/`"),
            ("/", "`/` does not end: a pattern stands between two `/`"),
            (
                "cache !/^x",
                "`/^x` does not end: a pattern stands between two `/`",
            ),
        ] {
            let filter = Filter::parse(written);
            assert_eq!(filter.problem.as_deref(), Some(told), "{written}");
            assert!(filter.shows(&Row), "{written}");
        }
        // The other terms still hold.
        assert!(!Filter::parse("stat:ill apps").shows(&Row));
        // A pattern that would explode is refused rather than built.
        assert!(Filter::parse("/(a{1000}){1000}/").problem.is_some());
    }

    #[test]
    fn while_a_slip_is_typed_what_was_shown_stays() {
        let mut filter = Filter::default();
        for (written, shown) in [
            ("apps", false),
            ("apps /", false),
            ("apps /(", false),
            ("apps /(/", false),
            ("/(a", false),
            // What is no pattern is left out, as ever.
            ("lag>x", true),
            ("/(cache", true),
            ("/(cache)/", true),
            ("!/(cache)/", false),
            ("!/(cache)", false),
            ("", true),
        ] {
            filter = filter.rewritten(written);
            assert_eq!(filter.written(), written);
            assert_eq!(filter.shows(&Row), shown, "{written}");
        }
    }

    #[test]
    fn plain_words_are_what_is_marked() {
        let filter = Filter::parse("Cache !apps state:no /x/");
        assert_eq!(filter.words().collect::<Vec<_>>(), ["cache"]);
    }
}
