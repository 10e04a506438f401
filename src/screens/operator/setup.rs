//! What it is set up with: image, arguments that matter, CRD, rights.

use crate::checks::{pairs, rights, schema};
use crate::domain::object::Deployment;
use crate::domain::world::ContextWorld;
use crate::domain::{Kind, Version};
use crate::screens::parts::{Section, See, as_of, denied};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

struct Line {
    what: &'static str,
    sign: Glyph,
    tone: Tone,
    text: String,
}

fn plain(what: &'static str, text: impl Into<String>) -> Line {
    Line {
        what,
        sign: Glyph::Dot,
        tone: Tone::Text,
        text: text.into(),
    }
}

fn said(what: &'static str, sign: Glyph, tone: Tone, text: impl Into<String>) -> Line {
    Line {
        what,
        sign,
        tone,
        text: text.into(),
    }
}

/// The pane.
pub(super) fn section<'a>(see: &See<'_>, context: &ContextWorld) -> Section<'a> {
    let deployment = context.operators.iter().next().map(|held| &*held.value);
    let version = deployment.and_then(|deployment| Version::parse(deployment.version()?));
    let mut lines = Vec::new();
    if let Some(deployment) = deployment {
        lines.extend(of_deployment(deployment, version));
    }
    lines.push(crd(context, version));
    if let Some(deployment) = deployment {
        lines.push(given(context, deployment, version));
    }
    let rows = lines
        .into_iter()
        .map(|line| {
            // What is as of before the connection was lost is well no more, nor ill.
            let sign = match (line.sign, context.is_live()) {
                (Glyph::Healthy, false) => Glyph::Unknown,
                (sign, _) => sign,
            };
            let cells = vec![
                Piece::muted(line.what),
                Piece::new(format!("{} {}", see.sign(sign), line.text), line.tone),
            ];
            (
                line.what.to_owned(),
                Row::new(cells).stale(!context.is_live()),
            )
        })
        .collect();
    Section {
        right: as_of(see, context),
        columns: vec![
            Column::new("what", "WHAT").width(13, 13),
            Column::new("how", "HOW").width(30, 60).fill(),
        ],
        headless: true,
        lines: super::SENTENCE,
        ..Section::of("set-up", "Set-up", rows)
    }
}

fn of_deployment(deployment: &Deployment, version: Option<Version>) -> Vec<Line> {
    let args = &deployment.args;
    let value = |flag: &str| {
        args.iter().find_map(|arg| {
            let rest = arg.trim_start_matches('-').strip_prefix(flag)?;
            match rest.strip_prefix('=') {
                Some(value) => Some(value),
                None => rest.is_empty().then_some("true"),
            }
        })
    };
    let image = deployment.images.iter().find(|(name, _)| name == "manager");
    let image = image.or_else(|| deployment.images.first());
    let mut lines = Vec::new();
    if let Some((_, image)) = image {
        lines.push(plain("image", image.clone()));
    }
    lines.push(match (value("dragonfly-image"), version) {
        (Some(image), _) => plain("default image", format!("{image} (--dragonfly-image)")),
        (None, Some(version)) => {
            let built = pairs::built_in(version);
            let text = match built {
                Some(server) => format!("server {server}, built in; a new operator version rolls instances that name no image"),
                None => "built in; a new operator version rolls instances that name no image".to_owned(),
            };
            plain("default image", text)
        }
        (None, None) => plain("default image", "built in"),
    });
    lines.push(match value("leader-elect") {
        Some("true") => plain("leader", "elected among its pods (--leader-elect)"),
        _ if deployment.replicas > 1 => said(
            "leader",
            Glyph::Warning,
            Tone::Degraded,
            format!(
                "not elected: {} pods act at the same time",
                deployment.replicas
            ),
        ),
        _ => plain("leader", "not elected: it has one pod"),
    });
    if value("watch-current-namespace") == Some("true") {
        lines.push(plain(
            "watches",
            format!(
                "namespace {} only (--watch-current-namespace)",
                deployment.meta.namespace
            ),
        ));
    }
    lines
}

fn crd(context: &ContextWorld, version: Option<Version>) -> Line {
    let Some(held) = context.crds.iter().next() else {
        return match denied(context, Kind::Crd) {
            Some(fault) => said(
                "CRD",
                Glyph::Unknown,
                Tone::Unknown,
                fault.in_full(&context.id),
            ),
            None if !context.has_listed(Kind::Crd) && !context.is_live() => said(
                "CRD",
                Glyph::Unknown,
                Tone::Unknown,
                format!("not known: {} is not followed", context.id),
            ),
            None if !context.has_listed(Kind::Crd) => {
                said("CRD", Glyph::Syncing, Tone::Syncing, "not listed yet")
            }
            None => said(
                "CRD",
                Glyph::Broken,
                Tone::Broken,
                "dragonflies.dragonflydb.io is not there",
            ),
        };
    };
    let crd = &held.value;
    let established = if crd.established {
        "established"
    } else {
        "not established"
    };
    let serves = format!("{established}, serves {}", crd.served.join(", "));
    if !crd.established {
        return said("CRD", Glyph::Broken, Tone::Broken, serves);
    }
    let Some(version) = version else {
        return said(
            "CRD",
            Glyph::Unknown,
            Tone::Unknown,
            format!("{serves}; whether it is of the operator's version cannot be told"),
        );
    };
    match schema::compare(crd, version) {
        schema::Schema::Fits => said(
            "CRD",
            Glyph::Healthy,
            Tone::Text,
            format!("{serves}, of the operator's version"),
        ),
        schema::Schema::Older(lacks) => said(
            "CRD",
            Glyph::Warning,
            Tone::Degraded,
            format!(
                "{serves}, older than the operator: it lacks {}, and what is written there is dropped in silence",
                lacks.join(", ")
            ),
        ),
        schema::Schema::Newer(ignored) => said(
            "CRD",
            Glyph::Warning,
            Tone::Degraded,
            format!(
                "{serves}, newer than the operator, which ignores {}",
                ignored.join(", ")
            ),
        ),
        schema::Schema::Untold => said(
            "CRD",
            Glyph::Unknown,
            Tone::Unknown,
            format!("{serves}; its schema names no fields"),
        ),
    }
}

fn given(context: &ContextWorld, deployment: &Deployment, version: Option<Version>) -> Line {
    let account = deployment.service_account.as_deref().unwrap_or("default");
    let version = version.unwrap_or(Version(1, 6, 1));
    match rights::of(context, deployment, version) {
        rights::Rights::Unread if !context.is_live() => said(
            "rights",
            Glyph::Unknown,
            Tone::Unknown,
            format!("not known: {} is not followed", context.id),
        ),
        rights::Rights::Unread => said("rights", Glyph::Syncing, Tone::Syncing, "being read"),
        rights::Rights::Untold(what, fault) => said(
            "rights",
            Glyph::Unknown,
            Tone::Unknown,
            format!(
                "not known: {what} cannot be read: {}",
                fault.in_full(&context.id)
            ),
        ),
        rights::Rights::Complete => said(
            "rights",
            Glyph::Healthy,
            Tone::Text,
            format!("all that {version} needs is given to its service account {account}"),
        ),
        rights::Rights::Lacks(lacks) => said(
            "rights",
            Glyph::Broken,
            Tone::Broken,
            format!("its service account {account} lacks {}", lacks.join("; ")),
        ),
    }
}
