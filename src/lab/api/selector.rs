//! Label and field selectors.

use crate::lab::resources::Resource;
use crate::lab::status::Status;
use crate::lab::store::Object;

/// Which objects of a kind are meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
    Above(i64),
    Below(i64),
}

impl Selector {
    /// Reads the two query parameters.
    ///
    /// # Errors
    /// 400 for a selector that cannot be read, or a field this kind cannot be selected by.
    pub(super) fn parse(labels: &str, fields: &str, resource: &Resource) -> Result<Self, Status> {
        let mut selector = Self {
            labels: requirements(labels)?,
            fields: Vec::new(),
        };
        for term in fields
            .split(',')
            .map(str::trim)
            .filter(|term| !term.is_empty())
        {
            let (key, equal, value) = if let Some((key, value)) = term.split_once("!=") {
                (key, false, value)
            } else if let Some((key, value)) = term.split_once("==") {
                (key, true, value)
            } else if let Some((key, value)) = term.split_once('=') {
                (key, true, value)
            } else {
                return Err(Status::bad_request(format!(
                    "invalid selector: '{term}'; can't understand '{term}'"
                )));
            };
            let key = core_name(resource, key);
            let known = key == "metadata.name"
                || key == "metadata.namespace"
                || resource.fields.contains(&key);
            if !known {
                return Err(Status::bad_request(format!(
                    "field label not supported: {key}"
                )));
            }
            selector
                .fields
                .push((key.to_owned(), equal, value.to_owned()));
        }
        Ok(selector)
    }

    /// Whether everything is selected.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is meant.
    pub(super) fn matches(&self, object: &Object) -> bool {
        self.labels
            .iter()
            .all(|one| one.holds(object.label(&one.key)))
            && self.fields.iter().all(|(path, equal, value)| {
                let is = object.field(path).unwrap_or_default();
                // A boolean that is not set is false.
                let is = if is.is_empty() && value == "false" {
                    "false"
                } else {
                    is
                };
                (is == value) == *equal
            })
    }
}

/// `events.k8s.io` names the same fields otherwise.
fn core_name<'a>(resource: &Resource, key: &'a str) -> &'a str {
    if resource.group != "events.k8s.io" {
        return key;
    }
    match key {
        "regarding.kind" => "involvedObject.kind",
        "regarding.namespace" => "involvedObject.namespace",
        "regarding.name" => "involvedObject.name",
        "regarding.uid" => "involvedObject.uid",
        "reportingController" => "reportingComponent",
        other => other,
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        match (&self.test, value) {
            (Test::In(values), Some(value)) => values.iter().any(|one| one == value),
            (Test::NotIn(values), Some(value)) => !values.iter().any(|one| one == value),
            (Test::NotIn(_) | Test::Missing, None) | (Test::Exists, Some(_)) => true,
            (Test::Above(than), Some(value)) => {
                value.parse::<i64>().is_ok_and(|value| value > *than)
            }
            (Test::Below(than), Some(value)) => {
                value.parse::<i64>().is_ok_and(|value| value < *than)
            }
            _ => false,
        }
    }
}

fn requirements(text: &str) -> Result<Vec<Requirement>, Status> {
    let bad = |why: &str| Status::bad_request(format!("unable to parse requirement: {why}"));
    let mut out = Vec::new();
    for term in terms(text) {
        let term = term.trim();
        if term.is_empty() {
            if text.trim().is_empty() {
                continue;
            }
            return Err(bad("found ',', expected: identifier after ','"));
        }
        let (key, test) = if let Some(key) = term.strip_prefix('!') {
            (key.trim(), Test::Missing)
        } else if let Some((head, list)) =
            term.strip_suffix(')').and_then(|term| term.split_once('('))
        {
            let mut words = head.split_whitespace();
            let (key, operator) = (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            );
            let values = list
                .split(',')
                .map(|value| value.trim().to_owned())
                .collect();
            match operator {
                "in" => (key, Test::In(values)),
                "notin" => (key, Test::NotIn(values)),
                other => {
                    return Err(bad(&format!(
                        "found '{other}', expected: in, notin, =, ==, !=, gt, lt"
                    )));
                }
            }
        } else if let Some((key, value)) = term.split_once("!=") {
            (key.trim(), Test::NotIn(vec![value.trim().to_owned()]))
        } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (key.trim(), Test::In(vec![value.trim().to_owned()]))
        } else if let Some((key, value)) = term.split_once('>') {
            let than = value
                .trim()
                .parse()
                .map_err(|_| bad("for 'Gt', 'Lt' operators, the value must be an integer"))?;
            (key.trim(), Test::Above(than))
        } else if let Some((key, value)) = term.split_once('<') {
            let than = value
                .trim()
                .parse()
                .map_err(|_| bad("for 'Gt', 'Lt' operators, the value must be an integer"))?;
            (key.trim(), Test::Below(than))
        } else {
            (term, Test::Exists)
        };
        let plain_value = |value: &String| !value.contains(['=', '!', '>', '<', '(', ')', ' ']);
        let values = match &test {
            Test::In(values) | Test::NotIn(values) => values.as_slice(),
            _ => &[],
        };
        if let Some(value) = values.iter().find(|value| !plain_value(value)) {
            let found: String = value.chars().take(1).collect();
            return Err(bad(&format!("found '{found}', expected: identifier")));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if key.is_empty() || !key.chars().all(plain) {
            return Err(bad(&format!(
                "<nil>: Invalid value: \"{key}\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
            )));
        }
        out.push(Requirement {
            key: key.to_owned(),
            test,
        });
    }
    Ok(out)
}

/// Splits at commas outside of brackets.
fn terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut depth = 0_i32;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => (),
        }
        if c == ',' && depth <= 0 {
            terms.push(String::new());
        } else if let Some(last) = terms.last_mut() {
            last.push(c);
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::lab::clock::Clock;
    use crate::lab::resources::{NAMESPACES, PODS};
    use crate::lab::store::Store;

    #[test]
    fn selectors_select() {
        let store = Store::new(1, Clock::default());
        store
            .create(NAMESPACES, "", json!({"metadata": {"name": "n"}}), "t")
            .unwrap();
        let pod = json!({"metadata": {"name": "a", "labels": {"app": "df", "role": "master", "n": "5"}},
            "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}});
        let object = store.create(PODS, "n", pod, "t").unwrap();
        let resource = store.resource(PODS).unwrap();
        let table = [
            ("", "", true),
            ("app=df", "", true),
            ("app==df,role=master", "", true),
            ("app=df,role=replica", "", false),
            ("app!=df", "", false),
            ("missing!=x", "", true),
            ("role in (master, replica)", "", true),
            ("role notin (master,replica)", "", false),
            ("app,!missing", "", true),
            ("!app", "", false),
            ("n>4,n<6", "", true),
            ("n>5", "", false),
            ("", "metadata.name=a", true),
            ("", "metadata.name!=a", false),
            (
                "",
                "spec.nodeName=n1,status.phase!=Succeeded,status.phase!=Failed",
                true,
            ),
            ("", "status.phase=Pending", false),
            ("", "spec.hostNetwork=false", true),
            ("app=df", "metadata.namespace=n", true),
        ];
        for (labels, fields, expected) in table {
            let selector = Selector::parse(labels, fields, &resource).unwrap();
            assert_eq!(selector.matches(&object), expected, "{labels} {fields}");
        }
        for (labels, fields) in [
            ("a b c", ""),
            ("a===b", ""),
            ("a,,b", ""),
            ("a of (b)", ""),
            ("n>x", ""),
            ("", "spec.foo=x"),
            ("", "x"),
        ] {
            assert_eq!(
                Selector::parse(labels, fields, &resource).unwrap_err().code,
                400,
                "{labels} {fields}"
            );
        }
        let error = Selector::parse("", "spec.foo=x", &resource).unwrap_err();
        assert_eq!(error.message, "field label not supported: spec.foo");
    }
}
