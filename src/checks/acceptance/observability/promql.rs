//! What an expression of PromQL or MetricsQL reads: its selectors, the functions around them, the bounds that it compares
//! with. It is no parser: what it does not understand it passes over, so that it never fails on odd text.

/// What an expression reads.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::checks) struct Reads {
    /// Its selectors, in their order.
    pub(in crate::checks) selectors: Vec<Selector>,
    /// Functions, aggregations and modifiers that it names: `changes`, `rate`, `offset`.
    pub(in crate::checks) functions: Vec<String>,
    /// Numbers that it compares with: the comparison, and the number.
    pub(in crate::checks) bounds: Vec<(String, f64)>,
}

/// A selector: `metric{label="value"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::checks) struct Selector {
    /// Name of the metric; empty where only labels select.
    pub(in crate::checks) metric: String,
    /// Its matchers, without that of the name.
    pub(in crate::checks) matchers: Vec<Matcher>,
}

/// One matcher of a selector.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::checks) struct Matcher {
    /// The label.
    pub(in crate::checks) label: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub(in crate::checks) operator: String,
    /// The value, or the regular expression.
    pub(in crate::checks) value: String,
}

impl Selector {
    /// The selector as PromQL writes it.
    pub(in crate::checks) fn written(&self) -> String {
        let matchers: Vec<String> = self
            .matchers
            .iter()
            .map(|one| {
                let value = one.value.replace('\\', "\\\\").replace('"', "\\\"");
                let value = value.replace('\n', "\\n");
                format!("{}{}\"{value}\"", one.label, one.operator)
            })
            .collect();
        match matchers.is_empty() {
            true => self.metric.clone(),
            false => format!("{}{{{}}}", self.metric, matchers.join(",")),
        }
    }
}

impl Reads {
    /// It names that function or modifier.
    pub(in crate::checks) fn calls(&self, names: &[&str]) -> bool {
        self.functions
            .iter()
            .any(|function| names.contains(&function.as_str()))
    }

    /// It reads one of those metrics.
    pub(in crate::checks) fn reads(&self, metrics: &[&str]) -> bool {
        self.selectors
            .iter()
            .any(|selector| metrics.contains(&selector.metric.as_str()))
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A name: of a metric, a function, a label or a keyword.
    Name(String),
    Number(f64),
    Text(String),
    /// A comparison or a matcher's operator.
    Sign(String),
    /// Any other sign.
    Other(char),
}

/// Reads an expression.
pub(in crate::checks) fn reads(expression: &str) -> Reads {
    let tokens = tokens(expression);
    let mut found = Reads::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        match token {
            Token::Name(name) => match next {
                // A list of labels: `by (pod)`, `on (pod)`.
                Some(Token::Other('(')) if LISTS.contains(&lower(name).as_str()) => {
                    at = after(&tokens, at + 2, ')');
                    continue;
                }
                Some(Token::Other('(')) if !SETS.contains(&lower(name).as_str()) => {
                    found.functions.push(lower(name));
                }
                Some(Token::Other('{')) if !WORDS.contains(&lower(name).as_str()) => {
                    let (selector, end) = selector(name.clone(), &tokens, at + 2);
                    found.selectors.push(selector);
                    at = end;
                    continue;
                }
                _ if lower(name) == "bool" => {}
                _ if WORDS.contains(&lower(name).as_str()) => {
                    found.functions.push(lower(name));
                }
                // `sum by (pod) (...)`: an aggregation whose labels come first.
                Some(Token::Name(word)) if LISTS.contains(&lower(word).as_str()) => {
                    found.functions.push(lower(name));
                }
                _ => found.selectors.push(Selector {
                    metric: name.clone(),
                    matchers: Vec::new(),
                }),
            },
            Token::Other('{') => {
                let (selector, end) = selector(String::new(), &tokens, at + 1);
                found.selectors.push(selector);
                at = end;
                continue;
            }
            // A range, or an inner query's: `[5m:1m]`.
            Token::Other('[') => {
                at = after(&tokens, at + 1, ']');
                continue;
            }
            Token::Sign(sign) if COMPARISONS.contains(&sign.as_str()) => {
                let skipped =
                    usize::from(matches!(next, Some(Token::Name(word)) if lower(word) == "bool"));
                if let Some(Token::Number(number)) = tokens.get(at + 1 + skipped) {
                    found.bounds.push((sign.clone(), *number));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Words before a list of labels.
const LISTS: &[&str] = &[
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
/// Words between expressions, which may stand before a parenthesis and are no functions.
const SETS: &[&str] = &[
    "and", "or", "unless", "bool", "default", "if", "ifnot", "offset",
];
/// Words that are no metrics.
const WORDS: &[&str] = &[
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "inf",
    "nan",
    "atan2",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "default",
    "if",
    "ifnot",
    "keep_metric_names",
    "limit",
    "start",
    "end",
    "with",
];
const COMPARISONS: &[&str] = &["==", "!=", ">", "<", ">=", "<="];

fn lower(word: &str) -> String {
    word.to_ascii_lowercase()
}

/// The place after the next closing sign, or the end.
fn after(tokens: &[Token], from: usize, sign: char) -> usize {
    let rest = tokens.get(from..).unwrap_or_default();
    let inside = rest.iter().position(|token| *token == Token::Other(sign));
    inside.map_or(tokens.len(), |inside| from + inside + 1)
}

/// A selector whose matchers begin there, and the place after it. Alternatives of MetricsQL (`{a="b" or c="d"}`) are taken
/// as one.
fn selector(metric: String, tokens: &[Token], from: usize) -> (Selector, usize) {
    let mut found = Selector {
        metric,
        matchers: Vec::new(),
    };
    let mut at = from;
    loop {
        match tokens.get(at) {
            None => return (found, at),
            Some(Token::Other('}')) => return (found, at + 1),
            Some(Token::Name(label) | Token::Text(label)) => {
                match (tokens.get(at + 1), tokens.get(at + 2)) {
                    (Some(Token::Sign(operator)), Some(Token::Text(value))) => {
                        if label == "__name__" && operator == "=" {
                            found.metric.clone_from(value);
                        } else {
                            found.matchers.push(Matcher {
                                label: label.clone(),
                                operator: operator.clone(),
                                value: value.clone(),
                            });
                        }
                        at += 3;
                        continue;
                    }
                    // `{"metric", ...}`: a name in quotes.
                    _ if matches!(tokens.get(at), Some(Token::Text(_)))
                        && found.metric.is_empty() =>
                    {
                        found.metric.clone_from(label);
                    }
                    _ => {}
                }
                at += 1;
            }
            Some(_) => at += 1,
        }
    }
}

fn tokens(expression: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = expression.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '#' => while chars.next().is_some_and(|c| c != '\n') {},
            '"' | '\'' | '`' => tokens.push(Token::Text(quoted(c, &mut chars))),
            c if c.is_whitespace() => {}
            c if c.is_ascii_digit()
                || c == '.' && chars.peek().is_some_and(char::is_ascii_digit) =>
            {
                tokens.push(number(c, &mut chars));
            }
            c if c.is_alphabetic() || matches!(c, '_' | ':') => {
                let mut name = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
                {
                    name.push(c);
                }
                tokens.push(Token::Name(name));
            }
            '=' | '!' | '<' | '>' => {
                let mut sign = String::from(c);
                let follows: &[char] = match c {
                    '=' | '!' => &['=', '~'],
                    _ => &['='],
                };
                sign.extend(chars.next_if(|c| follows.contains(c)));
                tokens.push(Token::Sign(sign));
            }
            other => tokens.push(Token::Other(other)),
        }
    }
    tokens
}

fn quoted(quote: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => break,
            '\\' if quote != '`' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => {}
            },
            c => text.push(c),
        }
    }
    text
}

/// A number; a duration (`5m`, `1h30m`) and whatever else begins with a digit is none that compares, and is passed over as a
/// sign.
fn number(first: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Token {
    let mut text = String::from(first);
    while let Some(c) = chars.peek().copied() {
        let after_e = text.ends_with(['e', 'E']) && !text.starts_with("0x");
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || matches!(c, '+' | '-') && after_e
        {
            text.push(c);
            chars.next();
        } else {
            break;
        }
    }
    // MetricsQL knows sizes: `80Mi`, `1e3`, `0.5K`.
    text.parse().map_or(Token::Other('0'), Token::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(expression: &str) -> String {
        let reads = reads(expression);
        let selectors: Vec<String> = reads.selectors.iter().map(Selector::written).collect();
        let bounds: Vec<String> = reads
            .bounds
            .iter()
            .map(|(sign, number)| format!("{sign}{number}"))
            .collect();
        format!(
            "{} | {} | {}",
            selectors.join(" "),
            reads.functions.join(" "),
            bounds.join(" ")
        )
    }

    #[test]
    fn selectors_functions_and_bounds_are_read() {
        for (expression, wanted) in [
            ("up == 0", "up |  | ==0"),
            (
                "absent(dragonfly_master{namespace=\"shop\", pod=~'orders-.*'} == 1)",
                "dragonfly_master{namespace=\"shop\",pod=~\"orders-.*\"} | absent | ==1",
            ),
            (
                "sum by (namespace, pod) (rate(dragonfly_commands_total[5m])) < 0.5",
                "dragonfly_commands_total | sum rate | <0.5",
            ),
            (
                "max(a) without (pod) / on(namespace) group_left(role) b > bool 1",
                "a b | max | >1",
            ),
            (
                "changes(dragonfly_master[10m:1m] offset 5m) > 0",
                "dragonfly_master | changes offset | >0",
            ),
            (
                "dragonfly_memory_used_bytes / dragonfly_memory_max_bytes >= 0.8 # most\n and up",
                "dragonfly_memory_used_bytes dragonfly_memory_max_bytes up | and | >=0.8",
            ),
            (
                "{__name__=\"x\", a!~\"b\\\"c\"} unless {\"y.z\", d=\"`\"}",
                "x{a!~\"b\\\"c\"} y.z{d=\"`\"} | unless | ",
            ),
            ("100 * (a / b) > 1e2", "a b |  | >100"),
            ("time() - x > 3600 and on() y", "x y | time and | >3600"),
            (
                "job:dragonfly_ops:rate5m < 1",
                "job:dragonfly_ops:rate5m |  | <1",
            ),
            ("a != b", "a b |  | "),
            ("", " |  | "),
        ] {
            assert_eq!(told(expression), wanted, "{expression}");
        }
    }

    #[test]
    fn odd_text_is_no_trouble() {
        for text in [
            "{",
            "}",
            "a{",
            "a{b",
            "a{b=",
            "a{b=\"",
            "[",
            "sum(",
            "by (",
            "\"\\",
            "#",
            "=",
            "!",
            "a[5m",
            "0x",
            "1e",
            "é{ü=\"ß\"}",
            "(((((((",
            "))))",
            "{}{}{}",
            "a{b or c=\"d\"}",
            "\u{0}",
            "1.2.3.4",
            "..",
            "'",
            "`",
        ] {
            let _ = reads(text);
            for end in 0..text.len() {
                if let Some(part) = text.get(..end) {
                    let _ = reads(part);
                }
            }
        }
        let deep = "a{b=\"c\"}+".repeat(10_000);
        assert_eq!(reads(&deep).selectors.len(), 10_000);
    }
}
