//! Which instances a rule is about: its matchers may leave some out.

use super::promql::{Matcher, Reads};
use crate::checks::Instance;

/// Whether what that reads may be series of that instance: no matcher of a selector leaves it out. What a label of unknown
/// meaning holds is not known, so it leaves nothing out.
pub(in crate::checks) fn covers(reads: &Reads, instance: &Instance<'_>) -> bool {
    reads
        .selectors
        .iter()
        .flat_map(|selector| &selector.matchers)
        .all(|matcher| holds(matcher, instance))
}

fn holds(matcher: &Matcher, instance: &Instance<'_>) -> bool {
    let id = &instance.view.id;
    match matcher.label.as_str() {
        "namespace" | "kubernetes_namespace" | "exported_namespace" => {
            matches(matcher, &id.namespace)
        }
        "app" | "statefulset" => matches(matcher, &id.name),
        "pod" | "kubernetes_pod_name" | "pod_name" => {
            let mut nodes = instance.nodes.iter().map(|node| node.name()).peekable();
            nodes.peek().is_none() || nodes.any(|pod| matches(matcher, pod))
        }
        "persistentvolumeclaim" => {
            let mut claims = instance.view.pvcs.iter().peekable();
            claims.peek().is_none() || claims.any(|pvc| matches(matcher, &pvc.value.meta.name))
        }
        _ => true,
    }
}

/// Whether a matcher holds for a value.
pub(super) fn matches(matcher: &Matcher, value: &str) -> bool {
    match matcher.operator.as_str() {
        "=" => matcher.value == value,
        "!=" => matcher.value != value,
        "=~" => fits(&matcher.value, value).unwrap_or(true),
        "!~" => !fits(&matcher.value, value).unwrap_or(false),
        _ => true,
    }
}

/// Whether a value fits a regular expression, as a whole; `None` for one of more than names, `|` and `.*`, which is not
/// understood here.
fn fits(pattern: &str, value: &str) -> Option<bool> {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let pattern = pattern.strip_suffix('$').unwrap_or(pattern);
    let inner = pattern
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .filter(|rest| !rest.contains(['(', ')']));
    let mut any = false;
    for alternative in inner.unwrap_or(pattern).split('|') {
        any |= one_fits(alternative, value)?;
    }
    Some(any)
}

/// One alternative: pieces of names with `.*` and `.+` between them.
fn one_fits(pattern: &str, value: &str) -> Option<bool> {
    // Each piece, and how many characters at least stand before it.
    let mut pieces: Vec<(String, Option<usize>)> = vec![(String::new(), None)];
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '.' => match chars.next() {
                Some('*') => pieces.push((String::new(), Some(0))),
                Some('+') => pieces.push((String::new(), Some(1))),
                _ => return None,
            },
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_alphanumeric() => {
                    pieces.last_mut()?.0.push(escaped);
                }
                _ => return None,
            },
            '*' | '+' | '?' | '[' | ']' | '(' | ')' | '{' | '}' | '^' | '$' => return None,
            c => pieces.last_mut()?.0.push(c),
        }
    }
    let (first, rest) = pieces.split_first()?;
    let Some((last, middle)) = rest.split_last() else {
        return Some(first.0 == value);
    };
    let Some(mut left) = value.strip_prefix(first.0.as_str()) else {
        return Some(false);
    };
    for (piece, least) in middle {
        let Some(after) = skip(left, least.unwrap_or(0)) else {
            return Some(false);
        };
        match after.split_once(piece.as_str()) {
            Some((_, after)) => left = after,
            None => return Some(false),
        }
    }
    let after = skip(left, last.1.unwrap_or(0));
    Some(after.is_some_and(|after| after.ends_with(last.0.as_str())))
}

fn skip(text: &str, characters: usize) -> Option<&str> {
    let mut chars = text.chars();
    for _ in 0..characters {
        chars.next()?;
    }
    Some(chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_expressions_of_names_are_understood_and_others_are_not() {
        for (pattern, value, wanted) in [
            ("shop", "shop", Some(true)),
            ("shop", "shops", Some(false)),
            ("shop|harbor", "harbor", Some(true)),
            ("(shop|harbor)", "shop", Some(true)),
            ("^orders-.+$", "orders-0", Some(true)),
            ("orders-.+", "orders-", Some(false)),
            ("orders-.*", "orders-", Some(true)),
            (".*", "", Some(true)),
            (".+", "", Some(false)),
            ("df-.+-0", "df-orders-0", Some(true)),
            ("df-.+-0", "df-orders-1", Some(false)),
            ("a.*b.*c", "axxbyyc", Some(true)),
            ("a.*b.*c", "acb", Some(false)),
            ("a\\.b", "a.b", Some(true)),
            ("orders-[0-9]", "orders-1", None),
            ("a\\d", "a1", None),
            ("", "", Some(true)),
            ("é.+", "éa", Some(true)),
        ] {
            assert_eq!(fits(pattern, value), wanted, "{pattern} {value}");
        }
    }
}
