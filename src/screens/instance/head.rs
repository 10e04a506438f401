//! The heading: which instance, how it is, what is worst, and what it is; or that it is not there.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::checks::pairs::{Server, servers};
use crate::checks::{ALL, Severity, Subject, Verdict};
use crate::domain::object::image_tag;
use crate::domain::{InstanceId, InstanceView, Kind, text};
use crate::screens::parts::{
    See, finding_sign, finding_tone, missing, standing, state_sign, state_tone,
};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Panel, Piece, draw};

/// Rows that the heading takes at the most beneath its title.
const LINES: usize = 4;

/// What stands beneath the title, for so many columns: the worst finding, and what the instance is.
pub(in crate::screens) fn lines(
    see: &See<'_>,
    view: &InstanceView<'_>,
    columns: usize,
) -> Vec<Vec<Piece>> {
    let judged = see.board.instance(&view.id);
    let first = if view.context.is_live() {
        match judged.and_then(|j| j.findings.first()) {
            Some(worst) => vec![
                Piece::text(" "),
                Piece::new(
                    format!("{} {}", see.sign(finding_sign(worst)), worst.sentence),
                    finding_tone(worst),
                ),
            ],
            None => well(see, view),
        }
    } else {
        let standing = standing(see, view.context);
        let age = view.context.heard.map(|at| see.age(at));
        let as_of = age.map_or_else(String::new, |age| format!("as of {age} ago: "));
        vec![Piece::new(
            format!(
                " {as_of}{} is {}: {}",
                view.id.context, standing.word, standing.why
            ),
            standing.tone,
        )]
    };
    let mut lines = draw::wrap_pieces(&first, columns, 1);
    lines.truncate(LINES - 1);
    lines.push(what(see, view, columns));
    lines
}

/// Title and state, and the lines beneath.
pub(in crate::screens) fn view(
    see: &See<'_>,
    view: &InstanceView<'_>,
    lines: &[Vec<Piece>],
    area: Rect,
    buf: &mut Buffer,
) {
    let judged = see.board.instance(&view.id);
    let right = match judged {
        Some(j) => {
            let mut pieces = vec![Piece::new(
                format!("{} {}", see.sign(state_sign(j.state)), j.word()),
                state_tone(j.state),
            )];
            if let Some(worst) = j.leading() {
                pieces.push(Piece::muted(format!(" {}", see.since(worst.since))));
            }
            pieces
        }
        None => vec![Piece::new("not judged yet", Tone::Unknown)],
    };
    let title = format!("{}  {}", view.id.context, view.id);
    let inner = Panel::new(title).right(right).render(&see.look, area, buf);
    draw::lines(lines, &see.look, inner, buf);
}

/// What acceptance has against an instance, where its answers are kept: `3 warnings of acceptance, which Checks shows`; `None`
/// where it has nothing, or was not asked.
pub(in crate::screens) fn short_of_acceptance(see: &See<'_>, id: &InstanceId) -> Option<String> {
    let subject = Subject::Instance(id.clone());
    let (mut critical, mut warnings) = (0_u64, 0_u64);
    for kept in see.standing.about(&subject) {
        let is_of_health = ALL.iter().any(|check| check.id == kept.check.id);
        match &kept.verdict {
            Verdict::Finding(found) if !is_of_health => match found.severity {
                Severity::Critical => critical += 1,
                Severity::Warning => warnings += 1,
                Severity::Note => {}
            },
            _ => {}
        }
    }
    let told: Vec<String> = [
        (
            critical,
            text::counted(critical, "critical finding", "critical findings"),
        ),
        (warnings, text::counted(warnings, "warning", "warnings")),
    ]
    .into_iter()
    .filter_map(|(count, words)| (count > 0).then_some(words))
    .collect();
    (!told.is_empty()).then(|| {
        format!(
            "{} of acceptance, which the Checks screen shows",
            told.join(" and ")
        )
    })
}

fn well(see: &See<'_>, view: &InstanceView<'_>) -> Vec<Piece> {
    let missing = missing(view.context);
    let short = short_of_acceptance(see, &view.id);
    let words = match &short {
        None => "nothing is wrong here",
        Some(_) => "nothing is wrong now",
    };
    let mut pieces = vec![Piece::new(
        format!(" {} {words}", see.sign(Glyph::Healthy)),
        Tone::Healthy,
    )];
    if let Some(short) = short {
        pieces.push(Piece::new(format!("; {short}"), Tone::Degraded));
    }
    if !missing.is_empty() {
        let text = format!(", as far as can be seen: {}", missing.join(", "));
        pieces.push(Piece::new(text, Tone::Degraded));
    }
    pieces
}

/// What the instance is, in a line: version, nodes, snapshots, ways in. What has no room is left out, the last first.
fn what(see: &See<'_>, view: &InstanceView<'_>, columns: usize) -> Vec<Piece> {
    let dragonfly = &view.dragonfly.value;
    let mut words: Vec<String> = Vec::new();
    words.extend(versions(view));
    if let Some(wanted) = view.wanted() {
        let noun = if wanted == 1 { "node" } else { "nodes" };
        words.push(format!("{wanted} {noun} wanted"));
    }
    if let Some(limit) = dragonfly.memory_limit {
        words.push(format!("memory limit {}", text::bytes(limit)));
    }
    if let Some(snapshot) = &dragonfly.snapshot {
        words.push(match &snapshot.cron {
            Some(cron) => format!("snapshots {cron}"),
            None => "snapshots without a schedule".to_owned(),
        });
    }
    if dragonfly.password_secret.is_some() {
        words.push("password".to_owned());
    }
    if dragonfly.tls {
        words.push("TLS".to_owned());
    }
    if dragonfly.meta.deleting.is_some() {
        words.push("being deleted".to_owned());
    }
    if let Some(at) = dragonfly.meta.created {
        words.push(format!("made {} ago", see.age_in(view.context, at)));
    }
    let dot = format!(" {} ", see.sign(Glyph::Dot));
    while words.len() > 1 && draw::width(&words.join(&dot)) + 1 > columns {
        words.pop();
    }
    vec![Piece::muted(format!(" {}", words.join(&dot)))]
}

/// `v1.39.0`, or `v1.39.0, wanted v1.40.1`: what runs before what is only wanted.
fn versions(view: &InstanceView<'_>) -> Option<String> {
    let image = view.dragonfly.value.image.as_deref();
    let image = image.or_else(|| view.stateful_set.map(|held| held.value.image.as_str()));
    let Ok(servers) = servers(view) else {
        return image_tag(image?).map(str::to_owned);
    };
    let (run, wanted): (Vec<Server>, Vec<Server>) = servers.into_iter().partition(|one| one.runs);
    let words = |all: Vec<Server>| {
        let words: Vec<String> = all.into_iter().map(|one| one.word).collect();
        words.join(" and ")
    };
    Some(match (run.is_empty(), wanted.is_empty()) {
        (_, true) => words(run),
        (true, false) => format!("{} wanted", words(wanted)),
        (false, false) => format!("{}, wanted {}", words(run), words(wanted)),
    })
}

/// The instance is not there (any more).
pub(in crate::screens) fn gone(see: &See<'_>, id: &InstanceId, area: Rect, buf: &mut Buffer) {
    let title = format!("{}  {id}", id.context);
    let inner = Panel::new(title).render(&see.look, area, buf);
    let (text, tone) = match see.world.context(&id.context) {
        None => (format!("context {} is not open", id.context), Tone::Unknown),
        Some(context) if !context.is_live() => {
            let standing = standing(see, context);
            let text = format!("{} is {}: {}", id.context, standing.word, standing.why);
            (text, standing.tone)
        }
        Some(context) if !context.has_listed(Kind::Dragonfly) => (
            "Dragonfly objects are being listed".to_owned(),
            Tone::Syncing,
        ),
        Some(_) => (
            format!("there is no Dragonfly {id} in {} (any more)", id.context),
            Tone::Broken,
        ),
    };
    let line = [Piece::new(format!(" {text}"), tone)];
    let lines = draw::wrap_pieces(&line, usize::from(inner.width), 1);
    draw::lines(&lines, &see.look, inner, buf);
}
