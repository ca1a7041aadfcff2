//! `<< >>` templates: Go's text/template as far as metric queries use it.
//!
//! Fields (`<<.Series>>`, `<<.LabelValuesByName.pod>>`), `index`, comments and trim markers.
//! Whatever else Go would accept is refused when the rule is compiled, with its position;
//! nothing is ever rendered that was not understood.

use std::collections::BTreeMap;

/// Why a template cannot be read or rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Refused when the rule is compiled.
    #[error("template, character {position}: {message}")]
    Parse {
        /// Position in characters, counted from 1.
        position: usize,
        /// What is wrong.
        message: String,
    },
    /// Only a request could tell.
    #[error("template: {0}")]
    Render(String),
    /// Nothing was rendered.
    #[error("template: the result is empty")]
    Empty,
}

/// A value that a template can refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
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

impl Value {
    /// As Go prints it with `%v`.
    fn print(&self, into: &mut String) {
        match self {
            Self::Text(text) => into.push_str(text),
            Self::List(items) => {
                into.push('[');
                into.push_str(&items.join(" "));
                into.push(']');
            }
            Self::Map(map) => {
                into.push_str("map[");
                let pairs: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{v}")).collect();
                into.push_str(&pairs.join(" "));
                into.push(']');
            }
        }
    }
}

/// The fields of a template's data.
pub(super) type Scope = BTreeMap<&'static str, Value>;

#[derive(Debug)]
enum Node {
    Text(String),
    Field {
        name: &'static str,
        key: Option<String>,
    },
    Index {
        name: &'static str,
        key: Key,
    },
}

#[derive(Debug)]
enum Key {
    Name(String),
    Position(usize),
}

/// A parsed template.
#[derive(Debug)]
pub(super) struct Template {
    nodes: Vec<Node>,
}

impl Template {
    /// Parses a template over the given field names.
    pub(super) fn parse(
        source: &str,
        fields: &'static [&'static str],
    ) -> Result<Self, TemplateError> {
        let mut nodes = Vec::new();
        let mut rest = source;
        let mut trim_next = false;
        while let Some(start) = rest.find("<<") {
            let at = source.len() - rest.len() + start;
            let fail = |message: String| TemplateError::Parse {
                position: source[..at].chars().count() + 1,
                message,
            };
            let body = &rest[start + 2..];
            let end = body
                .find(">>")
                .ok_or_else(|| fail("`<<` is never closed".to_owned()))?;
            let action = &body[..end];
            let (trim_before, action) = match action.strip_prefix("- ") {
                Some(action) => (true, action),
                None => (false, action),
            };
            let (trim_after, action) = match action.strip_suffix(" -") {
                Some(action) => (true, action),
                None => (false, action),
            };
            push_text(&mut nodes, &rest[..start], trim_next, trim_before);
            if !(action.starts_with("/*") && action.ends_with("*/")) {
                nodes.push(parse_action(action.trim(), fields).map_err(fail)?);
            }
            trim_next = trim_after;
            rest = &body[end + 2..];
        }
        push_text(&mut nodes, rest, trim_next, false);
        Ok(Self { nodes })
    }

    /// Whether the template refers to a field.
    pub(super) fn uses(&self, field: &str) -> bool {
        self.nodes.iter().any(|node| match node {
            Node::Text(_) => false,
            Node::Field { name, .. } | Node::Index { name, .. } => *name == field,
        })
    }

    /// Renders the template; every field that it may name must be in `scope`.
    pub(super) fn render(&self, scope: &Scope) -> Result<String, TemplateError> {
        let mut out = String::new();
        for node in &self.nodes {
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Field { name, key: None } => lookup(scope, name)?.print(&mut out),
                Node::Field {
                    name,
                    key: Some(key),
                } => match lookup(scope, name)? {
                    // Go prints this for a missing key of a map.
                    Value::Map(map) => {
                        out.push_str(map.get(key).map_or("<no value>", String::as_str));
                    }
                    _ => return Err(no_key(name, key)),
                },
                Node::Index { name, key } => match (lookup(scope, name)?, key) {
                    (Value::Map(map), Key::Name(key)) => {
                        out.push_str(map.get(key).map_or("", String::as_str));
                    }
                    (Value::List(items), Key::Position(position)) => {
                        let item = items.get(*position).ok_or_else(|| {
                            TemplateError::Render(format!(
                                "index {position} of .{name} is out of range"
                            ))
                        })?;
                        out.push_str(item);
                    }
                    (_, Key::Name(key)) => return Err(no_key(name, key)),
                    (_, Key::Position(position)) => {
                        return Err(no_key(name, &position.to_string()));
                    }
                },
            }
        }
        if out.is_empty() {
            Err(TemplateError::Empty)
        } else {
            Ok(out)
        }
    }
}

fn lookup<'a>(scope: &'a Scope, name: &str) -> Result<&'a Value, TemplateError> {
    scope
        .get(name)
        .ok_or_else(|| TemplateError::Render(format!("there is no .{name} here")))
}

fn no_key(name: &str, key: &str) -> TemplateError {
    TemplateError::Render(format!(".{name} has no element {key:?}"))
}

fn push_text(nodes: &mut Vec<Node>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        nodes.push(Node::Text(text.to_owned()));
    }
}

fn parse_action(action: &str, fields: &'static [&'static str]) -> Result<Node, String> {
    let field = |text: &str| -> Result<(&'static str, Option<String>), String> {
        let path = text.strip_prefix('.').ok_or_else(|| unsupported(action))?;
        let (name, key) = match path.split_once('.') {
            Some((name, key)) => (name, Some(key)),
            None => (path, None),
        };
        let name = fields.iter().find(|known| **known == name).ok_or_else(|| {
            format!(
                "there is no field .{name}; there are .{}",
                fields.join(", .")
            )
        })?;
        match key {
            Some(key) if key.is_empty() || !key.chars().all(is_identifier) => {
                Err(unsupported(action))
            }
            key => Ok((name, key.map(str::to_owned))),
        }
    };
    if let Some(arguments) = action.strip_prefix("index ") {
        let (place, key) = arguments
            .trim()
            .split_once(' ')
            .ok_or_else(|| unsupported(action))?;
        let (name, None) = field(place)? else {
            return Err(unsupported(action));
        };
        return Ok(Node::Index {
            name,
            key: parse_key(key.trim(), action)?,
        });
    }
    if action.contains(char::is_whitespace) || action.contains(['|', '(', '"', '$']) {
        return Err(unsupported(action));
    }
    let (name, key) = field(action)?;
    Ok(Node::Field { name, key })
}

fn parse_key(key: &str, action: &str) -> Result<Key, String> {
    if let Ok(position) = key.parse() {
        return Ok(Key::Position(position));
    }
    for quote in ['"', '`'] {
        if let Some(name) = key
            .strip_prefix(quote)
            .and_then(|key| key.strip_suffix(quote))
        {
            if name.contains(['\\', quote]) {
                return Err(unsupported(action));
            }
            return Ok(Key::Name(name.to_owned()));
        }
    }
    Err(unsupported(action))
}

fn is_identifier(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn unsupported(action: &str) -> String {
    format!("`<<{action}>>` is not supported")
}

#[cfg(test)]
mod tests;
