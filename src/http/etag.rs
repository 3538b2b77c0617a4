//! Entity tags that a caller has already.

/// The tags of `If-None-Match`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfNoneMatch {
    any: bool,
    tags: Vec<String>,
}

/// Tags that are compared; the rest is left out, which costs a body and nothing else.
const TAGS_MAX: usize = 64;

impl IfNoneMatch {
    /// Names every tag: for who wants tags and no bodies.
    pub fn any() -> Self {
        Self { any: true, tags: Vec::new() }
    }

    /// Reads one value of the header. What is no tag is passed over.
    pub fn add(&mut self, value: &str) {
        let mut rest = value;
        while let Some(start) = rest.find(|c: char| c != ',' && !c.is_ascii_whitespace()) {
            rest = &rest[start..];
            // GET compares weakly, so a mark of weakness makes no difference.
            let opening = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"');
            let quoted = opening.and_then(|tag| tag.split_once('"'));
            if let Some((tag, after)) = quoted {
                if self.tags.len() < TAGS_MAX {
                    self.tags.push(tag.to_owned());
                }
                rest = after;
            } else {
                let (word, after) = rest.split_once(',').unwrap_or((rest, ""));
                self.any |= word.trim_end() == "*";
                rest = after;
            }
        }
    }

    /// Whether the caller has what this tag names. The tag comes without quotes.
    pub fn names(&self, etag: &str) -> bool {
        self.any || self.tags.iter().any(|tag| tag == etag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_weak_tags_and_stars_are_read() {
        for (header, names) in [
            ("\"a1\"", true),
            ("W/\"a1\"", true),
            ("\"x\", W/\"y\" ,\"a1\"", true),
            ("\"x\",,\"a1\",", true),
            ("*", true),
            (" * ", true),
            ("\"x, y\", \"a1\"", true),
            ("junk, \"a1\"", true),
            ("", false),
            ("a1", false),
            ("\"a1", false),
            ("w/\"a1\"", false),
            ("\"A1\"", false),
            ("\"x,\"a1", false),
            ("\"*\"", false),
            ("**", false),
        ] {
            let mut tags = IfNoneMatch::default();
            tags.add(header);
            assert_eq!(tags.names("a1"), names, "{header}");
        }
    }

    #[test]
    fn several_headers_add_up_to_a_bound() {
        let mut tags = IfNoneMatch::default();
        tags.add("\"x\"");
        tags.add("\"a1\"");
        assert!(tags.names("x") && tags.names("a1") && !tags.names("b"));
        let mut tags = IfNoneMatch::default();
        tags.add(&"\"x\",".repeat(TAGS_MAX));
        tags.add("\"a1\"");
        assert!(tags.names("x") && !tags.names("a1"));
    }
}
