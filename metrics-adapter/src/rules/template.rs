//! `<< >>` templates: Go's text/template as far as rules use it.
//!
//! A template is read, checked and kept as a tree when its rule is compiled; whatever can be
//! known to be wrong then is refused then, with its position. Rendering follows Go's rules and
//! borrows from the request's scope. Both are bounded: nesting, length and steps.

mod check;
mod eval;
mod format;
mod function;
mod lexer;
mod literal;
mod mention;
mod parser;
mod position;
pub(super) mod quote;
mod syntax;
mod value;

use std::collections::{BTreeMap, BTreeSet};

pub use position::Position;

/// Bytes of the result, and of each text on the way to it. Real queries have a few KiB.
const MAX_LENGTH: usize = 1 << 20;

/// Why a template cannot be read or rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Refused when the rule is compiled.
    #[error("template, {position}: {message}")]
    Parse {
        /// Where.
        position: Position,
        /// What is wrong.
        message: String,
    },
    /// Only a request could tell.
    #[error("template, {position}: {message}")]
    Render {
        /// Where.
        position: Position,
        /// What is wrong.
        message: String,
    },
    /// Nothing was rendered.
    #[error("template: the result is empty")]
    Empty,
}

/// A value that a template can refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A list of strings.
    List(Vec<String>),
    /// Strings by name.
    Map(BTreeMap<String, String>),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// The fields of a template's data.
pub type Scope = BTreeMap<&'static str, Value>;

/// The type of a field, known before any request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// [`Value::Text`].
    Text,
    /// [`Value::List`].
    List,
    /// [`Value::Map`].
    Map,
}

/// The fields that a template may refer to, in the order in which messages tell them.
pub type Fields = &'static [(&'static str, FieldType)];

/// What is wrong, at a byte offset of the source.
#[derive(Debug)]
struct Fault {
    at: usize,
    message: String,
}

impl Fault {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

/// A parsed template.
#[derive(Debug)]
pub struct Template {
    /// Kept for the positions in messages.
    source: String,
    body: syntax::Body,
    used: BTreeSet<&'static str>,
}

impl Template {
    /// Parses a template over the given fields.
    ///
    /// # Errors
    /// [`TemplateError::Parse`] for what Go's parser refuses, and for what no request can
    /// make right.
    pub fn parse(source: &str, fields: Fields) -> Result<Self, TemplateError> {
        let parsed = parser::parse(source).and_then(|(body, assigned)| {
            let used = check::check(&body, fields, assigned)?;
            Ok((body, used))
        });
        match parsed {
            Ok((body, used)) => Ok(Self {
                source: source.to_owned(),
                body,
                used,
            }),
            Err(Fault { at, message }) => Err(TemplateError::Parse {
                position: Position::of(source, at),
                message,
            }),
        }
    }

    /// Whether the template refers to a field.
    pub fn uses(&self, field: &str) -> bool {
        self.used.contains(field)
    }

    /// Whether the template does nothing with a field but print it, if it refers to it at all.
    pub(super) fn only_prints(&self, field: &str) -> bool {
        mention::only_printed(&self.body, field)
    }

    /// Renders the template; every field that it may name must be in `scope`.
    ///
    /// # Errors
    /// [`TemplateError::Render`], or [`TemplateError::Empty`] when nothing was rendered.
    pub fn render(&self, scope: &Scope) -> Result<String, TemplateError> {
        match eval::render(&self.body, scope) {
            Ok(text) if text.is_empty() => Err(TemplateError::Empty),
            Ok(text) => Ok(text),
            Err(Fault { at, message }) => Err(TemplateError::Render {
                position: Position::of(&self.source, at),
                message,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
