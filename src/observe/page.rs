//! One page of a list, read item by item: an odd item never fails the page, and never are all items of a page in memory
//! as JSON trees at once.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;

/// What a page says beside its items.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Revision of the list, from which a watch goes on.
    pub(super) revision: String,
    /// Token of the next page; empty on the last.
    pub(super) next: String,
}

/// Reads a page and hands each item over.
///
/// # Errors
/// When the text is no JSON list as Kubernetes writes it; items before the trouble have been handed over by then.
pub(super) fn read(text: &[u8], mut each: impl FnMut(Value)) -> Result<Page, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let page = PageSeed { each: &mut each }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(page)
}

struct PageSeed<'a, F> {
    each: &'a mut F,
}

impl<'de, F: FnMut(Value)> DeserializeSeed<'de> for PageSeed<'_, F> {
    type Value = Page;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Page, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, F: FnMut(Value)> Visitor<'de> for PageSeed<'_, F> {
    type Value = Page;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page, A::Error> {
        let (mut page, mut seen) = (None, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "metadata" => {
                    let meta: Metadata = map.next_value()?;
                    page = Some(Page {
                        revision: meta.revision.unwrap_or_default(),
                        next: meta.next.unwrap_or_default(),
                    });
                }
                "items" => {
                    map.next_value_seed(ItemsSeed { each: self.each })?;
                    seen = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match page {
            Some(page) if seen && !page.revision.is_empty() => Ok(page),
            _ => Err(A::Error::custom(
                "not a list: items or metadata.resourceVersion is missing",
            )),
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "resourceVersion")]
    revision: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

struct ItemsSeed<'a, F> {
    each: &'a mut F,
}

impl<'de, F: FnMut(Value)> DeserializeSeed<'de> for ItemsSeed<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, F: FnMut(Value)> Visitor<'de> for ItemsSeed<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Value>()? {
            (self.each)(item);
        }
        Ok(())
    }

    /// An empty list of some servers is `null`.
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_page_is_read_item_by_item() {
        let names = |text: &str| {
            let mut names = Vec::new();
            let page = read(text.as_bytes(), |item| names.push(item.to_string()));
            page.map(|page| (page.revision, page.next, names)).ok()
        };
        let found = |revision: &str, next: &str, names: &[&str]| {
            Some((
                revision.to_owned(),
                next.to_owned(),
                names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(),
            ))
        };
        for (text, wanted) in [
            (
                r#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"t"},"items":[{"a":1},3,"x"]}"#,
                found("7", "t", &[r#"{"a":1}"#, "3", r#""x""#]),
            ),
            (
                r#"{"items":null,"metadata":{"resourceVersion":"9"}}"#,
                found("9", "", &[]),
            ),
            (
                r#"{"items":[],"metadata":{"resourceVersion":"9","continue":null}}"#,
                found("9", "", &[]),
            ),
            (r#"{"items":[]}"#, None),
            (r#"{"metadata":{"resourceVersion":"9"}}"#, None),
            (
                r#"{"metadata":{"resourceVersion":"9"},"items":[{"a":1}"#,
                None,
            ),
            (r#"{"metadata":{"resourceVersion":"9"},"items":{}}"#, None),
            ("<html>", None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(names(text), wanted, "{text}");
        }
    }
}
