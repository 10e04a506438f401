//! API servers that do not answer, answer late, forget, or live in another time.

use std::time::Duration;

use jiff::SignedDuration;

use super::{Scenario, Scene};
use crate::lab::api::Effect;

/// How often watch history is lost.
const EXPIRY: Duration = Duration::from_secs(6);
/// By how much a slow API server is late.
const DELAY: Duration = Duration::from_millis(1500);
/// By how many hours the clock of the API server is fast, and that of the engines slow.
const FAST: i64 = 3;
const SLOW: i64 = 2;

pub(super) const UNREACHABLE: Scenario = Scenario {
    name: "context-unreachable",
    about: "the API of lab-apps refuses connections",
    shows: "connection refused for every request to lab-apps",
    play: |scene| {
        Box::pin(async move {
            scene.stage.apps_api.faults().refuse(true);
            Ok("lab-apps refuses connections".into())
        })
    },
    ..Scenario::BASE
};

pub(super) const HANGS: Scenario = Scenario {
    name: "context-hangs",
    about: "the API of lab-apps accepts connections and never answers",
    shows: "requests and watches of lab-apps stand still",
    play: |scene| {
        Box::pin(async move {
            scene.stage.apps_api.faults().add(Effect::Hang);
            Ok("lab-apps answers nothing any more".into())
        })
    },
    ..Scenario::BASE
};

pub(super) const SLOW_API: Scenario = Scenario {
    name: "slow-api",
    about: "both API servers take 1.5 s longer for every request",
    shows: "every answer of an API server 1.5 s late",
    play: |scene| {
        Box::pin(async move {
            for server in [&scene.stage.infra_api, &scene.stage.apps_api] {
                server.faults().add(Effect::Delay(DELAY));
            }
            Ok("both API servers answer 1.5 s later".into())
        })
    },
    ..Scenario::BASE
};

pub(super) const WATCH_EXPIRED: Scenario = Scenario {
    name: "watch-expired",
    about: "both clusters lose their watch history again and again (410 Expired)",
    shows: "watches end with 410 every 6 s",
    play: |scene| Box::pin(async move { watch_expired(scene) }),
    ..Scenario::BASE
};

fn watch_expired(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let stores = [stage.infra.store.clone(), stage.apps.store.clone()];
    lasting.spawn(async move {
        loop {
            stores
                .iter()
                .for_each(crate::lab::store::Store::expire_history);
            tokio::time::sleep(EXPIRY).await;
        }
    });
    Ok("both clusters lose their watch history every 6 s".into())
}

pub(super) const CLOCK_SKEW: Scenario = Scenario {
    name: "clock-skew",
    about: "the clock of lab-infra's API server is three hours fast, those of its engines two hours slow",
    shows: "`Date` headers, Lease renewals and new events lie in the future; `last_success_save`, slow log and TIME lie in \
            the past",
    play: |scene| Box::pin(async move { clock_skew(scene) }),
    ..Scenario::BASE
};

fn clock_skew(Scene { stage, lasting }: Scene<'_>) -> Result<String, String> {
    let (api, engines) = (stage.infra.store.clock().clone(), stage.clock.clone());
    api.advance(SignedDuration::from_hours(FAST));
    engines.skew(-SLOW * 3_600_000);
    lasting.undo(move || {
        api.advance(SignedDuration::from_hours(-FAST));
        engines.skew(0);
    });
    Ok("the clocks of lab-infra differ by hours".into())
}
