//! The page that lists the scenarios for people.

use super::{Lasts, SCENARIOS, Use};

/// `docs/reference/scenarios.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Scenarios of the lab\n\n\
         Generated from the lab's own list; a test fails when it is stale. `darner lab --scenario NAME` starts a lab in \
         one, `darner lab fault NAME` lets it befall a lab that runs, `darner lab fault heal` takes all of them away. The \
         same seed tells the same story.\n\n\
         *Follows* names the recorded situation of a real server (v1.39.0) whose durations, states and texts the engines \
         show; where it says nothing, nothing was recorded, and what is shown comes from the sources of operator and \
         server or is what a client must survive.\n\n\
         | name | use | what it is | by what it is recognised | follows | lasts |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for scenario in SCENARIOS {
        let when = match scenario.when {
            Use::Start => "start",
            Use::Running => "running",
            Use::Both => "both",
        };
        let lasts = match (scenario.lasts, scenario.when) {
            (Lasts::Seconds(seconds), _) => format!("about {seconds} s"),
            (Lasts::UntilHealed, Use::Start) => "as long as the lab".to_owned(),
            (Lasts::UntilHealed, Use::Running) => "at once".to_owned(),
            (Lasts::UntilHealed, Use::Both) => "until healed".to_owned(),
        };
        let (name, about, shows) = (scenario.name, scenario.about, scenario.shows);
        let follows = match scenario.follows {
            "" => "",
            follows => follows,
        };
        page.push_str(&format!(
            "| `{name}` | {when} | {about} | {shows} | {follows} | {lasts} |\n"
        ));
    }
    page
}
