//! Credential plugins in the course of a context's life.
#![cfg(unix)]

use std::path::Path;

use tempfile::TempDir;

use super::api::{Act, Api, empty};
use super::*;
use crate::domain::Link;

/// A user whose plugin hands out the lines of the file `tokens` one after the other and notes each run.
fn plugin(dir: &TempDir) -> String {
    let script = r#"
        echo run >> "$1/runs"
        token=$(head -n 1 "$1/tokens")
        [ -n "$token" ] || { echo "please log in" >&2; exit 4; }
        if [ "$(wc -l < "$1/tokens")" -gt 1 ]; then tail -n +2 "$1/tokens" > "$1/rest"; mv "$1/rest" "$1/tokens"; fi
        printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"%s}}' "$token" "$2"
    "#;
    let file = dir.path().join("plugin.sh");
    std::fs::write(&file, script).unwrap();
    let dir = dir.path().display();
    format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: ['{}', '{dir}', ''], interactiveMode: IfAvailable}}}}",
        file.display()
    )
}

fn tokens(dir: &TempDir, lines: &str) {
    let new = dir.path().join("new");
    std::fs::write(&new, lines).unwrap();
    std::fs::rename(new, dir.path().join("tokens")).unwrap();
}

fn runs(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("runs")).map_or(0, |text| text.lines().count())
}

/// Lets in whoever has that token.
fn guarded(token: &'static str) -> impl Fn(&api::Asked) -> Act + Send + Sync {
    let wanted = format!("Bearer {token}");
    move |asked| match asked.headers.get("authorization") {
        Some(given) if *given == wanted => empty(asked),
        _ => Act::status(401, "Unauthorized"),
    }
}

#[tokio::test]
async fn a_plugin_runs_once_for_all_and_only_when_its_context_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    tokens(&dir, "one\n");
    let api = Api::start(guarded("one")).await;
    let plan = ContextPlan::paced(entry("c", &api.url, &plugin(&dir)), quick());
    assert_eq!(runs(dir.path()), 0);
    let mut it = Followed::plan(plan);
    it.until("listed", |c| {
        Kind::ALL.iter().filter(|k| c.has_listed(**k)).count() == 10
    })
    .await;
    assert_eq!(runs(dir.path()), 1);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_then_a_login_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    tokens(&dir, "old\nnew\n");
    let api = Api::start(guarded("old")).await;
    let mut it = Followed::plan(ContextPlan::paced(
        entry("c", &api.url, &plugin(&dir)),
        quick(),
    ));
    it.until("live", |c| c.is_live()).await;
    assert_eq!(runs(dir.path()), 1);
    // The server forgets the old token; the plugin's next one is good. The link never breaks.
    api.play(guarded("new"));
    it.during(api.wait_for(|a| {
        a.path == "/version"
            && a.headers
                .get("authorization")
                .is_some_and(|h| h == "Bearer new")
    }))
    .await;
    it.until("live", |c| c.is_live()).await;
    assert_eq!(runs(dir.path()), 2);
    assert!(!it.facts.iter().any(|f| matches!(
        f,
        Fact::Linked {
            link: Link::LoginNeeded { .. },
            ..
        }
    )));
    // Now the plugin has nothing better to offer.
    api.play(guarded("other"));
    it.until("login needed", |c| {
        matches!(c.link, Link::LoginNeeded { .. })
    })
    .await;
    tokens(&dir, "other\n");
    it.until("live again", |c| c.is_live()).await;
}

#[tokio::test]
async fn a_plugin_that_wants_a_login_is_asked_again_and_quoted() {
    let dir = tempfile::tempdir().unwrap();
    tokens(&dir, "");
    let api = Api::start(guarded("one")).await;
    let mut it = Followed::plan(ContextPlan::paced(
        entry("c", &api.url, &plugin(&dir)),
        quick(),
    ));
    it.until("login needed", |c| {
        matches!(c.link, Link::LoginNeeded { .. })
    })
    .await;
    let Link::LoginNeeded { fault, .. } = &it.context().link else {
        panic!("no login");
    };
    assert_eq!(
        fault.message,
        "credential plugin sh: exit status 4: please log in"
    );
    assert!(api.log().is_empty());
    tokens(&dir, "one\n");
    it.until("live", |c| c.is_live()).await;
}

#[tokio::test]
async fn an_end_in_the_past_does_not_make_the_plugin_run_without_pause() {
    let dir = tempfile::tempdir().unwrap();
    tokens(&dir, "one\ntwo\n");
    let api = Api::start(empty).await;
    let user = plugin(&dir).replace("''", r#"',"expirationTimestamp":"2020-01-01T00:00:00Z"'"#);
    let entry = entry("c", &api.url, &user);
    let patience = crate::connect::client::Patience {
        connect: Duration::from_secs(2),
        plugin: Duration::from_secs(5),
    };
    let door = crate::connect::client::Door::new(entry, patience);
    door.client().await.unwrap();
    door.client().await.unwrap();
    assert_eq!(runs(dir.path()), 1);
}

#[tokio::test]
async fn however_many_ask_at_once_the_plugin_runs_once() {
    let dir = tempfile::tempdir().unwrap();
    tokens(&dir, "one\n");
    let entry = entry("c", "http://127.0.0.1:1", &plugin(&dir));
    let patience = crate::connect::client::Patience {
        connect: Duration::from_secs(2),
        plugin: Duration::from_secs(5),
    };
    let door = crate::connect::client::Door::new(entry, patience);
    let all = futures::future::join_all((0..8).map(|_| door.client())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(runs(dir.path()), 1);
}
