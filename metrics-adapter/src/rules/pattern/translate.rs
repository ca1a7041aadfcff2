//! From Go's regexp language to that of the regex crate.
//!
//! The expression is read as Go's regexp/syntax reads it. Flags are resolved on the way: what is
//! written knows none, except around a piece that ignores case.

use super::class;

/// Groups and repetitions inside each other. Go allows 1000.
pub(super) const MAX_DEPTH: u32 = 200;
/// Go's bound for a repetition count, and for the product of nested ones.
const MAX_REPEAT: u32 = 1000;

/// An expression of the regex crate.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) pattern: String,
    /// Names of the groups; the first one is the whole match.
    pub(super) names: Vec<Option<String>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    swap_greed: bool,
}

/// Something that can be repeated.
struct Atom {
    text: String,
    depth: u32,
    repeats: Vec<Repeat>,
}

impl Atom {
    fn plain(text: String) -> Self {
        Self {
            text,
            depth: 0,
            repeats: Vec::new(),
        }
    }
}

/// A counted repetition and those inside it.
struct Repeat {
    count: u32,
    inside: Vec<Self>,
}

impl Repeat {
    /// Go's `repeatIsValid`: the product of nested counts stays below the bound.
    fn fits(&self, limit: u32) -> bool {
        match self.count {
            0 => true,
            count if count > limit => false,
            count => self.inside.iter().all(|inner| inner.fits(limit / count)),
        }
    }
}

/// An open group: what has been read of it.
struct Group {
    /// `(` or `(?:`; empty for the whole expression.
    open: &'static str,
    /// Flags to return to.
    flags: Flags,
    alternatives: Vec<Vec<Atom>>,
    current: Vec<Atom>,
}

impl Group {
    fn new(open: &'static str, flags: Flags) -> Self {
        Self {
            open,
            flags,
            alternatives: Vec::new(),
            current: Vec::new(),
        }
    }

    fn close(mut self) -> Result<Atom, String> {
        self.alternatives.push(self.current);
        let mut atom = Atom::plain(String::new());
        atom.text.push_str(self.open);
        for (index, alternative) in self.alternatives.into_iter().enumerate() {
            if index > 0 {
                atom.text.push('|');
            }
            for part in alternative {
                atom.text.push_str(&part.text);
                atom.depth = atom.depth.max(part.depth);
                atom.repeats.extend(part.repeats);
            }
        }
        if !self.open.is_empty() {
            atom.text.push(')');
        }
        atom.depth += 1;
        check_depth(atom.depth)?;
        Ok(atom)
    }
}

fn check_depth(depth: u32) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("nested more than {MAX_DEPTH} levels deep"));
    }
    Ok(())
}

pub(super) fn translate(source: &str) -> Result<Translated, String> {
    let mut translator = Translator {
        rest: source,
        flags: Flags::default(),
        groups: Vec::new(),
        group: Group::new("", Flags::default()),
        names: vec![None],
    };
    let mut after_repeat = false;
    while let Some(character) = translator.rest.chars().next() {
        after_repeat = translator.piece(character, after_repeat)?;
    }
    if !translator.groups.is_empty() {
        return Err("unclosed group".to_owned());
    }
    Ok(Translated {
        pattern: translator.group.close()?.text,
        names: translator.names,
    })
}

struct Translator<'s> {
    rest: &'s str,
    flags: Flags,
    /// Those around the current one.
    groups: Vec<Group>,
    group: Group,
    names: Vec<Option<String>>,
}

impl<'s> Translator<'s> {
    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn push(&mut self, text: impl Into<String>) {
        self.group.current.push(Atom::plain(text.into()));
    }

    fn literal(&mut self, code: u32) {
        let text = class::literal(code, self.flags.ignore_case);
        self.push(text);
    }

    /// One piece of the expression; whether it was a repetition operator.
    fn piece(&mut self, character: char, after_repeat: bool) -> Result<bool, String> {
        let flags = self.flags;
        match character {
            '(' if self.rest.starts_with("(?") => self.special_group()?,
            '(' => {
                self.skip(1);
                self.open("(", None)?;
            }
            '|' => {
                self.skip(1);
                let done = std::mem::take(&mut self.group.current);
                self.group.alternatives.push(done);
            }
            ')' => {
                self.skip(1);
                let outer = self.groups.pop().ok_or("unopened group")?;
                let closed = std::mem::replace(&mut self.group, outer);
                self.flags = closed.flags;
                let atom = closed.close()?;
                self.group.current.push(atom);
            }
            '^' => {
                self.skip(1);
                self.push(if flags.multi_line { "(?m:^)" } else { r"\A" });
            }
            '$' => {
                self.skip(1);
                self.push(if flags.multi_line { "(?m:$)" } else { r"\z" });
            }
            '.' => {
                self.skip(1);
                self.push(if flags.dot_all { "(?s:.)" } else { "." });
            }
            '[' => {
                let text = class::bracketed(&mut self.rest, flags.ignore_case)?;
                self.push(text);
            }
            '*' | '+' | '?' => {
                self.skip(1);
                self.repeat(&character.to_string(), after_repeat)?;
                return Ok(true);
            }
            '{' => match counts(self.rest) {
                Some((range, length)) => {
                    let operator = &self.rest[..length];
                    self.skip(length);
                    self.counted(operator, range, after_repeat)?;
                    return Ok(true);
                }
                None => {
                    self.skip(1);
                    self.literal(u32::from('{'));
                }
            },
            '\\' => self.escape()?,
            c => {
                self.skip(c.len_utf8());
                self.literal(u32::from(c));
            }
        }
        Ok(false)
    }

    fn open(&mut self, open: &'static str, name: Option<String>) -> Result<(), String> {
        if open == "(" {
            self.names.push(name);
        }
        let group = Group::new(open, self.flags);
        self.groups.push(std::mem::replace(&mut self.group, group));
        check_depth(u32::try_from(self.groups.len()).unwrap_or(u32::MAX))
    }

    /// `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`.
    fn special_group(&mut self) -> Result<(), String> {
        let rest = self.rest;
        let named = rest.strip_prefix("(?P<").or(rest.strip_prefix("(?<"));
        // `(?P<` alone is too short for Go to see a name in it.
        if let Some(named) = named {
            let Some((name, after)) = named.split_once('>') else {
                return Err("invalid named capture".to_owned());
            };
            let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if name.is_empty() || !valid {
                return Err(format!("invalid named capture {name:?}"));
            }
            self.rest = after;
            return self.open("(", Some(name.to_owned()));
        }
        let mut flags = self.flags;
        let mut value = true;
        let mut seen = false;
        for (at, character) in rest.char_indices().skip(2) {
            match character {
                'i' => flags.ignore_case = value,
                'm' => flags.multi_line = value,
                's' => flags.dot_all = value,
                'U' => flags.swap_greed = value,
                '-' if value => {
                    value = false;
                    seen = false;
                    continue;
                }
                ':' | ')' if value || seen => {
                    self.rest = &rest[at + 1..];
                    if character == ':' {
                        self.open("(?:", None)?;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            seen = true;
        }
        Err("invalid or unsupported Perl syntax after `(?`".to_owned())
    }

    /// Applies an operator that has been skipped to the last atom.
    fn repeat(&mut self, operator: &str, after_repeat: bool) -> Result<(), String> {
        let mut lazy = self.flags.swap_greed;
        if self.rest.starts_with('?') {
            self.skip(1);
            lazy = !lazy;
        }
        if after_repeat {
            return Err(format!("invalid nested repetition operator {operator}"));
        }
        let Some(atom) = self.group.current.last_mut() else {
            return Err(format!(
                "missing argument to repetition operator {operator}"
            ));
        };
        let lazy = if lazy { "?" } else { "" };
        atom.text = format!("(?:{}){operator}{lazy}", atom.text);
        atom.depth += 1;
        check_depth(atom.depth)
    }

    fn counted(
        &mut self,
        operator: &str,
        (minimum, maximum): (u32, Option<u32>),
        after_repeat: bool,
    ) -> Result<(), String> {
        let invalid = || format!("invalid repeat count {operator}");
        if minimum > MAX_REPEAT || maximum.is_some_and(|m| m > MAX_REPEAT || m < minimum) {
            return Err(invalid());
        }
        self.repeat(operator, after_repeat)?;
        if let Some(atom) = self.group.current.last_mut() {
            let repeat = Repeat {
                count: maximum.unwrap_or(minimum),
                inside: std::mem::take(&mut atom.repeats),
            };
            let counts = minimum >= 2 || maximum.is_some_and(|maximum| maximum >= 2);
            if counts && !repeat.fits(MAX_REPEAT) {
                return Err(invalid());
            }
            atom.repeats.push(repeat);
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let text = match self.rest.as_bytes().get(1) {
            Some(b'A') => r"\A",
            Some(b'z') => r"\z",
            // ASCII, as `\w`.
            Some(b'b') => r"(?-u:\b)",
            Some(b'B') => r"(?-u:\B)",
            Some(b'Q') => {
                self.skip(2);
                let (literal, after) = self.rest.split_once(r"\E").unwrap_or((self.rest, ""));
                for character in literal.chars() {
                    self.literal(u32::from(character));
                }
                self.rest = after;
                return Ok(());
            }
            _ => {
                if let Some(text) = class::escaped(&mut self.rest, self.flags.ignore_case)? {
                    self.push(text);
                } else {
                    let code = class::escaped_code(&mut self.rest)?;
                    self.literal(code);
                }
                return Ok(());
            }
        };
        self.skip(2);
        self.push(text);
        Ok(())
    }
}

/// Least and greatest number of repetitions.
type Counts = (u32, Option<u32>);

/// `{2}`, `{2,}` or `{2,3}` and its length; anything else is a literal brace.
fn counts(text: &str) -> Option<(Counts, usize)> {
    let (inner, _) = text[1..].split_once('}')?;
    let length = inner.len() + 2;
    let range = match inner.split_once(',') {
        None => {
            let count = count(inner)?;
            (count, Some(count))
        }
        Some((minimum, "")) => (count(minimum)?, None),
        Some((minimum, maximum)) => (count(minimum)?, Some(count(maximum)?)),
    };
    Some((range, length))
}

/// A number without leading zeros; one that is too big is just big.
fn count(text: &str) -> Option<u32> {
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if text.is_empty() || leading_zero || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}
