//! Regular expressions as Go understands them.
//!
//! The files that people have were written for Go's regexp. Its language and that of the regex
//! crate differ in what they accept and in what it means: `\w` is ASCII there, `\Z` and `{1001}`
//! are errors, two groups may have one name. `translate` reads Go's language and writes the
//! crate's; matching itself (leftmost, first alternative) is the same in both. Text that may
//! match is unanchored unless the expression says otherwise, and the compiled size is bounded.

mod class;
mod translate;

use std::sync::LazyLock;

use regex::{Captures, Regex, RegexBuilder};

/// Memory of a compiled expression, in bytes. Go has no such bound below 128 MiB; real rules
/// need a few KiB.
const SIZE_LIMIT: usize = 8 << 20;

/// Why an expression is not valid; Go's reasons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

/// A compiled expression.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    /// Of each group, the whole match first. Names may occur twice.
    names: Vec<Option<String>>,
}

impl Pattern {
    /// Compiles an expression of Go's regexp.
    ///
    /// # Errors
    /// [`PatternError`] for what Go refuses, and for what would compile to too much.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        let translated = translate::translate(source).map_err(PatternError)?;
        let regex = RegexBuilder::new(&translated.pattern)
            .size_limit(SIZE_LIMIT)
            .nest_limit(translate::MAX_DEPTH * 4)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    PatternError("it is too big when compiled".to_owned())
                }
                // The crate draws the pattern over several lines; the last one is the cause.
                error => PatternError(last_line(&error.to_string())),
            })?;
        Ok(Self {
            regex,
            names: translated.names,
        })
    }

    /// Whether the expression matches anywhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The number of capture groups, without the whole match.
    pub fn groups(&self) -> usize {
        self.names.len() - 1
    }

    /// Whether a group has this name.
    pub fn has_group(&self, name: &str) -> bool {
        self.names.iter().flatten().any(|known| known == name)
    }

    /// What the last group of each name caught; `None` when the text does not match, an empty
    /// text for a name that is not there.
    pub fn last_groups<'t, const N: usize>(
        &self,
        text: &'t str,
        names: [&str; N],
    ) -> Option<[&'t str; N]> {
        let captures = self.regex.captures(text)?;
        Some(names.map(|name| {
            let index = self
                .names
                .iter()
                .rposition(|known| known.as_deref() == Some(name));
            index
                .and_then(|index| captures.get(index))
                .map_or("", |found| found.as_str())
        }))
    }

    /// Expands a template (`$1`, `${1}`, `$name`, `$$`) with the first match in the text, as
    /// Go's `Regexp.Expand`; `None` when the text does not match.
    pub fn expand(&self, text: &str, template: &str) -> Option<String> {
        let captures = self.regex.captures(text)?;
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some((name, after)) = reference(rest) {
                out.push_str(self.group(&captures, name));
                rest = after;
            } else {
                // Malformed: the dollar is just a dollar.
                out.push('$');
            }
        }
        out.push_str(rest);
        Some(out)
    }

    /// A group by number or name; of several with one name the first that took part.
    fn group<'t>(&self, captures: &Captures<'t>, name: &str) -> &'t str {
        let leading_zero = name.len() > 1 && name.starts_with('0');
        let found = match name.parse::<usize>() {
            Ok(number) if !leading_zero && name.bytes().all(|b| b.is_ascii_digit()) => {
                captures.get(number)
            }
            _ => self
                .names
                .iter()
                .enumerate()
                .filter(|(_, known)| known.as_deref() == Some(name))
                .find_map(|(index, _)| captures.get(index)),
        };
        found.map_or("", |found| found.as_str())
    }
}

/// The longest `name` or `{name}` at the start, and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('{');
    let from = inner.unwrap_or(text);
    let length = from.find(|c| !is_word(c)).unwrap_or(from.len());
    let (name, after) = from.split_at(length);
    let after = if inner.is_some() {
        after.strip_prefix('}')?
    } else {
        after
    };
    (!name.is_empty()).then_some((name, after))
}

fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// What Go takes for part of a name: a letter, a decimal digit, an underscore.
pub(super) fn is_word(character: char) -> bool {
    /// Rust's `is_alphanumeric` has marks and other numbers as well.
    static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nd}]$").ok());
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    let mut buffer = [0; 4];
    WORD.as_ref()
        .is_some_and(|word| word.is_match(character.encode_utf8(&mut buffer)))
}

#[cfg(test)]
mod tests;
