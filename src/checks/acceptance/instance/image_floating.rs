//! The image is named without a version: what runs is whatever that name meant on the day each pod was started.

use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::object::image_tag;

/// The check.
pub const CHECK: Check = Check {
    id: "image-floating",
    area: Area::Instance,
    title: "Image not pinned",
    why: "Nodes of one instance come to run different versions, and nobody can go back to the one before.",
    reads: "spec.image of the Dragonfly object, images of the pods",
    next: "Name a version in spec.image of the Dragonfly object, or better its digest. See what runs.\n\
           $ {kubectl} get pods -l app={name} -o jsonpath='{range .items[*]}{.metadata.name}{\"\\t\"}{.status.containerStatuses[*].imageID}{\"\\n\"}{end}'",
    situations: &[&FLOATING, &OPERATORS],
    needs: Check::NOTHING,
    run,
};

const FLOATING: Situation = Situation {
    id: "image-floating",
    word: "image not pinned",
    rule: "an image has no digest, and no tag or one without a number, such as latest",
    meaning: "A pod that starts anew may run another version than its instance.",
    ..ACCEPTED
};

const OPERATORS: Situation = Situation {
    id: "image-of-the-operator",
    word: "operator's image",
    rule: "the Dragonfly object names no image, so that the operator's built-in one is taken",
    meaning: "The next upgrade of the operator starts every pod of it anew, with another version.",
    ..ACCEPTED
};

/// It names one version, and that one for ever.
fn is_pinned(image: &str) -> bool {
    let by_tag = image_tag(image).is_some_and(|tag| tag.contains(|c: char| c.is_ascii_digit()));
    image.contains("@sha256:") || by_tag
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let held = instance.view.dragonfly;
    let name = &instance.view.id;
    let floating = |image: &str, whose: String| {
        case.finding(
            &CHECK,
            &FLOATING,
            Severity::Warning,
            format!("image {image} of {whose} names no version"),
        )
    };
    if let Some(image) = held
        .value
        .image
        .as_deref()
        .filter(|image| !is_pinned(image))
    {
        return floating(image, name.to_string())
            .resting_on(
                format!("spec.image is {image}"),
                format!("Dragonfly {name}"),
                held.changed,
            )
            .since(Since::Seen(held.changed))
            .into();
    }
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let pods = || {
        let nodes = instance.nodes.iter();
        nodes.filter_map(|node| Some((node, node.container()?.image.as_str())))
    };
    let unpinned: Vec<_> = pods()
        .filter(|(_, image)| !image.is_empty() && !is_pinned(image))
        .collect();
    if let Some((first, image)) = unpinned.first() {
        let names: Vec<&str> = unpinned.iter().map(|(node, _)| node.name()).collect();
        let mut finding = floating(image, list(&names)).about(names);
        if let Some(at) = first.view.pod.value.meta.created {
            finding = finding.since(Since::Exactly(at));
        }
        for (node, image) in &unpinned {
            let source = format!("pod {}", node.name());
            finding =
                finding.resting_on(format!("image is {image}"), source, node.view.pod.changed);
        }
        return finding.into();
    }
    if held.value.image.is_some() {
        return Answer::PASS;
    }
    case.finding(
        &CHECK,
        &OPERATORS,
        Severity::Note,
        format!(
            "{name} names no image, so that an upgrade of the operator starts every pod of it anew"
        ),
    )
    .resting_on(
        "spec.image is absent",
        format!("Dragonfly {name}"),
        held.changed,
    )
    .since(Since::Seen(held.changed))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;

    #[test]
    fn a_version_or_a_digest_pins() {
        for (image, pinned) in [
            ("docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0", true),
            ("dragonfly@sha256:0f00", true),
            ("dragonfly:latest@sha256:0f00", true),
            ("dragonfly:v1", true),
            ("dragonfly", false),
            ("dragonfly:latest", false),
            ("dragonfly:ubuntu", false),
            ("localhost:5000/dragonfly", false),
            ("", false),
        ] {
            assert_eq!(is_pinned(image), pinned, "{image}");
        }
    }

    #[test]
    fn what_is_wanted_and_what_runs_are_judged() {
        let wanting = |image: &'static str| {
            move |f: &mut _| dragonfly(f, |d| d.image = Some(image.to_owned()))
        };
        let running = |image: &'static str| {
            move |f: &mut _| {
                dragonfly(f, |d| d.image = Some("dragonfly:v1.39.0".to_owned()));
                pods(f, |ordinal, pod| {
                    if let Some(container) = pod.containers.first_mut().filter(|_| ordinal == 1) {
                        container.image = image.to_owned();
                    }
                });
            }
        };
        table(
            &CHECK,
            &[
                ("pinned", &wanting("dragonfly:v1.39.0"), "pass"),
                (
                    "latest",
                    &wanting("dragonfly:latest"),
                    "warning healthy: image dragonfly:latest of shop/orders names no version",
                ),
                (
                    "an older pod",
                    &running("dragonfly"),
                    "warning healthy: image dragonfly of orders-1 names no version",
                ),
                (
                    "the operator's",
                    &|_| {},
                    "note healthy: shop/orders names no image, so that an upgrade of the operator starts every pod of it anew",
                ),
            ],
        );
    }
}
