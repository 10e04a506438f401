//! What is known of one place in which data is kept, worked out once and drawn often.

use jiff::Timestamp;

use crate::checks::stored::{self, Age, Class, Place, Snapshots};
use crate::domain::world::ContextWorld;
use crate::domain::{InstanceId, InstanceView, Kind};
use crate::screens::parts::{Field, Measure, See, Sieved, denied};

/// See the module.
#[derive(Debug)]
pub(super) struct StoreRow {
    pub pod: String,
    pub claim: Option<String>,
    pub is_shared: bool,
    /// `status.phase` of the PVC; `None` where there is none.
    pub phase: Option<String>,
    pub resizing: Option<String>,
    pub volume: Option<String>,
    pub wanted: Option<u64>,
    pub template: Option<u64>,
    pub asked: Option<u64>,
    pub real: Option<u64>,
    pub usage: Usage,
    pub class: Option<String>,
    /// What is known of the class, in words; may be empty.
    pub class_words: String,
    pub class_is_odd: bool,
    pub snapshots: Snapshots,
    pub directory: Option<String>,
    pub piles_up: bool,
    pub drift: Vec<String>,
    pub is_stale: bool,
    text: String,
}

/// How full a volume is.
#[derive(Debug, PartialEq)]
pub(super) enum Usage {
    /// There is no volume.
    None,
    /// It cannot be told, and why.
    Unknown(String),
    /// It was measured.
    Known {
        used: u64,
        capacity: Option<u64>,
        at: Timestamp,
        /// What it held when it was first measured for us, and when that was.
        first: Option<(u64, Timestamp)>,
    },
}

impl StoreRow {
    /// Something is not as it should be.
    pub fn is_ill(&self) -> bool {
        let full = matches!(&self.usage, Usage::Known { used, capacity: Some(capacity), .. } if is_full(*used, *capacity));
        let late = matches!(
            self.snapshots.age,
            Age::Missed | Age::MissedTwice | Age::Unreadable(_)
        );
        let strays = !self.snapshots.strays.is_empty();
        !self.drift.is_empty() || full || late || strays || self.snapshots.failure.is_some()
    }

    /// The name by which a selection is kept.
    pub fn name(&self, id: &InstanceId) -> String {
        let claim = self.claim.as_deref().unwrap_or_default();
        format!("{}/{id} {} {claim}", id.context, self.pod)
    }

    /// The row as the filter sees it.
    pub fn words(&self) -> impl Sieved + '_ {
        Words(&self.text)
    }
}

/// So full that the next snapshots may not fit: nine tenths.
pub(super) fn is_full(used: u64, capacity: u64) -> bool {
    used / 9 >= capacity / 10 && capacity > 0
}

/// Every row of an instance.
pub(super) fn rows(see: &See<'_>, view: &InstanceView<'_>) -> Vec<StoreRow> {
    stored::places(view)
        .into_iter()
        .map(|place| row(see, view, place))
        .collect()
}

fn row(see: &See<'_>, view: &InstanceView<'_>, place: Place<'_>) -> StoreRow {
    let pvc = place.pvc.map(|held| &*held.value);
    let class = pvc.map(|pvc| stored::class(view.context, pvc));
    let snapshot = view.dragonfly.value.snapshot.as_ref();
    let mut row = StoreRow {
        usage: usage(view, &place),
        drift: stored::drift(view.context, &place),
        snapshots: stored::snapshots(view, place.node.as_ref(), see.now),
        phase: pvc.map(|pvc| pvc.phase.to_lowercase()),
        resizing: pvc.and_then(|pvc| {
            let condition = pvc.conditions.iter().find(|c| c.status == "True")?;
            Some(condition.name.clone())
        }),
        volume: pvc.and_then(|pvc| pvc.volume.clone()),
        asked: pvc.and_then(|pvc| pvc.requested),
        real: pvc.and_then(|pvc| pvc.capacity),
        class: pvc.and_then(|pvc| pvc.class.clone()),
        class_words: class
            .as_ref()
            .map(|class| class_words(view.context, class))
            .unwrap_or_default(),
        class_is_odd: matches!(class, Some(Class::Absent)),
        directory: snapshot.and_then(|snapshot| snapshot.dir.clone()),
        piles_up: stored::files_pile_up(view),
        is_stale: !view.context.is_live(),
        is_shared: place.is_shared,
        pod: place.pod,
        claim: place.claim,
        wanted: place.wanted,
        template: place.template,
        text: String::new(),
    };
    row.text = format!(
        "{} {} {} {} {} {} {}",
        view.id.context,
        view.id,
        row.pod,
        row.claim.as_deref().unwrap_or_default(),
        row.phase.as_deref().unwrap_or_default(),
        row.class.as_deref().unwrap_or_default(),
        row.drift.join(" "),
    )
    .to_lowercase();
    row
}

fn class_words(context: &ContextWorld, class: &Class<'_>) -> String {
    match class {
        Class::Unnamed => "of no class".to_owned(),
        Class::Unread if !context.is_live() => {
            format!("of which nothing is known: {} is not followed", context.id)
        }
        Class::Unread => "which is being read".to_owned(),
        Class::Untold(fault) => format!("which cannot be read: {}", fault.in_full(&context.id)),
        Class::Absent => "which is not there (any more)".to_owned(),
        Class::There { expands, reclaim } => {
            let grows = if *expands {
                "which lets volumes grow"
            } else {
                "which does not let volumes grow"
            };
            let end = match reclaim.as_str() {
                "Retain" => "keeps them without their claims",
                _ => "deletes them with their claims",
            };
            format!("{grows} and {end}")
        }
    }
}

/// How full the volume of a place is, or why that is not known.
fn usage(view: &InstanceView<'_>, place: &Place<'_>) -> Usage {
    let context = view.context;
    let (Some(claim), Some(_)) = (place.claim.as_deref(), place.pvc) else {
        let kind = match place.is_shared {
            true => Kind::ExistingPvc,
            false => Kind::Pvc,
        };
        return match (&place.claim, denied(context, kind)) {
            (Some(_), Some(fault)) => Usage::Unknown(fault.message.clone()),
            _ => Usage::None,
        };
    };
    if let Some((volume, at)) = context.on_demand.volume(&view.id.namespace, claim)
        && let Some(used) = volume.now.used
    {
        return Usage::Known {
            used,
            capacity: volume.now.capacity,
            at,
            first: volume.first.as_ref().map(|first| (first.value, first.at)),
        };
    }
    let machine = place
        .node
        .as_ref()
        .and_then(|node| node.pod.value.machine.as_deref());
    let Some(machine) = machine else {
        return Usage::Unknown(
            "only the machine of its pod measures it, and it has none".to_owned(),
        );
    };
    let looked = context
        .on_demand
        .get(&stored::volumes(&context.id, machine));
    match looked {
        None if !context.is_live() => Usage::Unknown(format!(
            "{} is not followed, so no kubelet is asked",
            context.id
        )),
        None => Usage::Unknown(format!("the kubelet of {machine} is being asked")),
        Some(looked) => match &looked.fault {
            Some((fault, _)) => Usage::Unknown(format!(
                "no engine tells it, and the kubelet of {machine} cannot be asked: {}",
                fault.in_full(&context.id)
            )),
            None => Usage::Unknown(format!(
                "the kubelet of {machine} does not measure this volume"
            )),
        },
    }
}

struct Words<'a>(&'a str);

impl Sieved for Words<'_> {
    fn text(&self) -> &str {
        self.0
    }

    fn field(&self, _: Field) -> &str {
        self.0
    }

    fn figure(&self, _: Measure) -> Option<f64> {
        None
    }
}
