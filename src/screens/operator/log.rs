//! The log of the pod that leads, all of it or as far as it speaks of one instance.

use std::sync::Arc;

use crate::checks::leader::{Leader, leader};
use crate::domain::log::{LogLine, LogTail, Loudness};
use crate::domain::world::{ContextWorld, Found, Looked};
use crate::domain::{FaultKind, InstanceId, LogId, Want};
use crate::screens::parts::{Field, Measure, Section, See, Sieved, as_of};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// The container that works, in the bundle and in the chart.
const MANAGER: &str = "manager";

/// The log that is followed: that of the pod that leads; while nobody does, that of the one that led last, else of the
/// youngest.
pub(super) fn followed(see: &See<'_>, context: &ContextWorld) -> Option<LogId> {
    let leader = leader(context, see.limits, see.now);
    let led = match &leader {
        Leader::Expired(held, _) => held.value.holder.as_deref(),
        Leader::Unknown | Leader::Fresh(..) => None,
    };
    let led = led.map(|holder| holder.split_once('_').map_or(holder, |(pod, _)| pod));
    let leads = leader.pod().or(led);
    let pods = || context.operator_pods.iter();
    let held = pods()
        .find(|held| leads == Some(&*held.value.meta.name))
        .or_else(|| pods().max_by_key(|held| held.value.meta.created))?;
    let meta = &held.value.meta;
    let container = held
        .value
        .container(MANAGER)
        .map_or(MANAGER, |one| &one.name);
    Some(LogId {
        context: context.id.clone(),
        namespace: meta.namespace.clone(),
        pod: meta.name.clone(),
        container: Arc::from(container),
    })
}

/// The lines that are known.
pub(super) fn tail<'a>(see: &See<'a>, context: &'a ContextWorld) -> Option<&'a LogTail> {
    let log = followed(see, context)?;
    let looked = context.on_demand.get(&Want::Log(log))?;
    match &looked.found.as_ref()?.value {
        Found::Log(tail) => Some(tail),
        Found::Objects(..) | Found::Volumes(_) | Found::Metrics(_) => None,
    }
}

/// With ill-only, warnings and errors alone.
pub(super) fn is_loud(see: &See<'_>, line: &LogLine) -> bool {
    !see.ill_only || line.loudness >= Loudness::Warning
}

/// The pane.
pub(super) fn section<'a>(
    see: &'a See<'a>,
    context: &'a ContextWorld,
    lines: &'a [Arc<LogLine>],
    about: Option<&InstanceId>,
) -> Section<'a> {
    let log = followed(see, context);
    let looked = log
        .clone()
        .and_then(|log| context.on_demand.get(&Want::Log(log)));
    let title = match (&log, about) {
        (None, _) => "Log".to_owned(),
        (Some(log), None) => format!("Log of {}", log.pod),
        (Some(log), Some(id)) => format!("Log of {} about {id}", log.pod),
    };
    let narrow = about.is_some();
    let right = match looked.and_then(|looked| looked.fault.as_ref()) {
        Some((fault, since)) => vec![Piece::new(
            format!(
                "not followed for {}: {}",
                see.age(*since),
                fault.kind.word()
            ),
            Tone::Degraded,
        )],
        None => as_of(see, context),
    };
    Section {
        right,
        columns: vec![
            Column::new("time", "TIME").width(8, 8).priority(1),
            Column::new("level", "").width(1, 1),
            Column::new("message", "MESSAGE").width(30, 80).fill(),
        ],
        len: lines.len(),
        // Lines have no name of their own: time and words tell them apart well enough for a selection.
        name: Box::new(move |at| {
            let line = lines.get(at);
            line.map(|line| format!("{:?} {at} {}", line.at, line.message))
                .unwrap_or_default()
        }),
        row: Box::new(move |at| {
            lines
                .get(at)
                .map(|line| row(see, line, narrow))
                .unwrap_or_default()
        }),
        empty: empty(context, log.as_ref(), looked, narrow),
        headless: true,
        follows: true,
        ..Section::of("log", title, Vec::new())
    }
}

fn empty(
    context: &ContextWorld,
    log: Option<&LogId>,
    looked: Option<&Looked>,
    narrow: bool,
) -> String {
    let Some(log) = log else {
        return "there is no pod whose log could be followed".to_owned();
    };
    let Some(looked) = looked else {
        if !context.is_live() {
            return format!(
                "the log of {} is not followed, for {} is not",
                log.pod, context.id
            );
        }
        return format!("the log of {} is being opened", log.pod);
    };
    match &looked.fault {
        Some((fault, _)) if fault.kind == FaultKind::Forbidden => fault.in_full(&log.context),
        Some((fault, _)) => format!("the log of {} cannot be read: {}", log.pod, fault.message),
        None if narrow => "nothing in it speaks of this instance so far".to_owned(),
        None => "nothing has been written so far".to_owned(),
    }
}

fn row(see: &See<'_>, line: &LogLine, narrow: bool) -> Row {
    let (sign, tone) = match line.loudness {
        Loudness::Debug => (Glyph::Dot, Tone::Muted),
        Loudness::Info => (Glyph::Dot, Tone::Text),
        Loudness::Warning => (Glyph::Warning, Tone::Degraded),
        Loudness::Error => (Glyph::Broken, Tone::Broken),
    };
    let time = line
        .at
        .map(|at| at.strftime("%H:%M:%S").to_string())
        .unwrap_or_default();
    Row::new(vec![
        Piece::muted(time),
        Piece::new(see.sign(sign), tone),
        Piece::new(words(line, narrow), tone),
    ])
}

/// A line in a row: what it is about, what it says, and the fields that tell more, the error first.
fn words(line: &LogLine, narrow: bool) -> String {
    let mut text = String::new();
    let subject = ["", "Dragonfly.", "Pod."].iter().find_map(|group| {
        let name = line.field(&format!("{group}name"))?;
        let namespace = line.field(&format!("{group}namespace"))?;
        Some((namespace, name))
    });
    if let (Some((namespace, name)), false) = (subject, narrow) {
        text.push_str(&format!("{namespace}/{name} "));
    } else if let Some((_, name)) = subject {
        text.push_str(&format!("{name} "));
    }
    text.push_str(&line.message);
    if let Some(error) = line.field("error") {
        text.push_str(&format!(": {error}"));
    }
    let told = |key: &str| {
        key == "error"
            || key.ends_with("name")
            || key.ends_with("namespace")
            || key.ends_with("reconcileID")
    };
    for (key, value) in line.fields.iter().filter(|(key, _)| !told(key)) {
        text.push_str(&format!("  {key}={value}"));
    }
    text
}

/// A line as it is told in full.
pub(super) fn in_full(line: &LogLine) -> String {
    let logger = match line.logger.as_str() {
        "" => String::new(),
        logger => format!("{logger}: "),
    };
    format!("{logger}{}", words(line, false))
}

/// A line as the filter sees it.
pub(super) struct Words<'a> {
    text: String,
    context: &'a str,
}

impl<'a> Words<'a> {
    pub(super) fn of(context: &'a ContextWorld, line: &LogLine) -> Self {
        Self {
            text: in_full(line).to_lowercase(),
            context: context.id.as_str(),
        }
    }
}

impl Sieved for Words<'_> {
    fn text(&self) -> &str {
        &self.text
    }

    fn field(&self, field: Field) -> &str {
        match field {
            Field::Context => self.context,
            _ => &self.text,
        }
    }

    fn figure(&self, _: Measure) -> Option<f64> {
        None
    }
}
