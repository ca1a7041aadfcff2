//! The grammar of `k8s.io/apimachinery/pkg/labels.Parse`, token by token.

use std::collections::BTreeSet;

use super::{Operator, Requirement};

/// Why a selector cannot be read; apimachinery's wording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(String);

/// Parses requirements in the order in which they stand.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, ParseError> {
    let mut parser = Parser {
        tokens: scan(text),
        position: 0,
    };
    let mut requirements = Vec::new();
    loop {
        match parser.peek() {
            Token::Word(_) | Token::Not => {
                let requirement = parser
                    .requirement()
                    .map_err(|error| fail(format!("unable to parse requirement: {}", error.0)))?;
                requirements.push(requirement);
                match parser.next() {
                    Token::End => return Ok(requirements),
                    Token::Comma => {
                        if !matches!(parser.peek(), Token::Word(_) | Token::Not) {
                            let found = parser.peek().literal();
                            return Err(fail(format!(
                                "found '{found}', expected: identifier after ','"
                            )));
                        }
                    }
                    other => {
                        return Err(fail(format!(
                            "found '{}', expected: ',' or 'end of string'",
                            other.literal()
                        )));
                    }
                }
            }
            Token::End => return Ok(requirements),
            other => {
                return Err(fail(format!(
                    "found '{}', expected: !, identifier, or 'end of string'",
                    other.literal()
                )));
            }
        }
    }
}

fn fail(message: impl Into<String>) -> ParseError {
    ParseError(message.into())
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Comma,
    Open,
    Close,
    Not,
    Equals,
    DoubleEquals,
    NotEquals,
    Greater,
    Less,
    End,
    Bad(String),
}

impl Token {
    fn symbol(text: &str) -> Option<Self> {
        Some(match text {
            "," => Self::Comma,
            "(" => Self::Open,
            ")" => Self::Close,
            "!" => Self::Not,
            "=" => Self::Equals,
            "==" => Self::DoubleEquals,
            "!=" => Self::NotEquals,
            ">" => Self::Greater,
            "<" => Self::Less,
            _ => return None,
        })
    }

    fn literal(&self) -> &str {
        match self {
            Self::Word(text) | Self::Bad(text) => text,
            Self::Comma => ",",
            Self::Open => "(",
            Self::Close => ")",
            Self::Not => "!",
            Self::Equals => "=",
            Self::DoubleEquals => "==",
            Self::NotEquals => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::End => "",
        }
    }
}

fn is_special(character: char) -> bool {
    matches!(character, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn scan(text: &str) -> Vec<Token> {
    let mut rest = text.trim_start_matches(is_space);
    let mut tokens = Vec::new();
    while !rest.is_empty() {
        let (token, length) = if rest.starts_with(is_special) {
            scan_symbol(rest)
        } else {
            scan_word(rest)
        };
        tokens.push(token);
        rest = rest[length..].trim_start_matches(is_space);
    }
    tokens.push(Token::End);
    tokens
}

fn scan_word(rest: &str) -> (Token, usize) {
    let length = rest
        .find(|c| is_special(c) || is_space(c))
        .unwrap_or(rest.len());
    (Token::Word(rest[..length].to_owned()), length)
}

/// The longest operator at the start: `!=` before `!`. Every special character is one byte, and
/// each is an operator of its own, so there is always a match.
fn scan_symbol(rest: &str) -> (Token, usize) {
    for length in [2, 1] {
        if let Some(token) = rest.get(..length).and_then(Token::symbol) {
            return (token, length);
        }
    }
    (Token::Bad(rest[..1].to_owned()), 1)
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.position).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.position += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, ParseError> {
        let negated = *self.peek() == Token::Not;
        if negated {
            self.position += 1;
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => {
                return Err(fail(format!(
                    "found '{}', expected: identifier",
                    other.literal()
                )));
            }
        };
        check_key(&key)?;
        if negated {
            // apimachinery only looks for the end of the requirement in its caller, which then
            // reports what stands there instead.
            return Ok(Requirement {
                key,
                operator: Operator::DoesNotExist,
                values: BTreeSet::new(),
            });
        }
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok(Requirement {
                key,
                operator: Operator::Exists,
                values: BTreeSet::new(),
            });
        }
        let (operator, values) = match self.next() {
            Token::Word(word) if word == "in" => (Operator::In, self.value_set()?),
            Token::Word(word) if word == "notin" => (Operator::NotIn, self.value_set()?),
            Token::Equals | Token::DoubleEquals => (Operator::Equals, self.exact_value()?),
            Token::NotEquals => (Operator::NotEquals, self.exact_value()?),
            Token::Greater => (Operator::GreaterThan, self.exact_value()?),
            Token::Less => (Operator::LessThan, self.exact_value()?),
            other => {
                return Err(fail(format!(
                    "found '{}', expected: in, notin, =, ==, !=, gt, lt",
                    other.literal()
                )));
            }
        };
        check_values(&key, operator, &values)?;
        Ok(Requirement {
            key,
            operator,
            values,
        })
    }

    fn exact_value(&mut self) -> Result<BTreeSet<String>, ParseError> {
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok(BTreeSet::from([String::new()]));
        }
        match self.next() {
            Token::Word(value) => Ok(BTreeSet::from([value])),
            other => Err(fail(format!(
                "found '{}', expected: identifier",
                other.literal()
            ))),
        }
    }

    fn value_set(&mut self) -> Result<BTreeSet<String>, ParseError> {
        match self.next() {
            Token::Open => {}
            other => return Err(fail(format!("found '{}' expected: '('", other.literal()))),
        }
        let mut values = BTreeSet::new();
        // An empty place between parentheses and commas is the empty value.
        let mut value = String::new();
        let mut open = true;
        loop {
            match self.next() {
                Token::Word(word) if open => {
                    value = word;
                    open = false;
                }
                Token::Comma => {
                    values.insert(std::mem::take(&mut value));
                    open = true;
                }
                Token::Close => {
                    values.insert(value);
                    return Ok(values);
                }
                other => {
                    let expected = if open {
                        "',', ')' or identifier"
                    } else {
                        "',' or ')'"
                    };
                    return Err(fail(format!(
                        "found '{}', expected: {expected}",
                        other.literal()
                    )));
                }
            }
        }
    }
}

/// Refuses what cannot be a requirement, as apimachinery's `NewRequirement` does.
pub(super) fn check(requirement: &Requirement) -> Result<(), ParseError> {
    let Requirement {
        key,
        operator,
        values,
    } = requirement;
    check_key(key)?;
    let expected = match operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            "for 'in', 'notin' operators, values set can't be empty"
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            "values set must be empty for exists and does not exist"
        }
        _ => return check_values(key, *operator, values),
    };
    Err(fail(format!(
        "values: Invalid value: {values:?}: {expected}"
    )))
}

fn check_key(key: &str) -> Result<(), ParseError> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let prefix_ok = prefix.is_none_or(is_dns_subdomain);
    if prefix_ok && !name.is_empty() && is_qualified(name) {
        return Ok(());
    }
    Err(fail(format!(
        "Invalid value: {key:?}: name part must consist of alphanumeric characters, '-', '_' or \
         '.', and must start and end with an alphanumeric character, with an optional DNS \
         subdomain prefix and '/'"
    )))
}

fn check_values(
    key: &str,
    operator: Operator,
    values: &BTreeSet<String>,
) -> Result<(), ParseError> {
    for value in values {
        if matches!(operator, Operator::GreaterThan | Operator::LessThan)
            && value.parse::<i64>().is_err()
        {
            return Err(fail(format!(
                "values[0][{key}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value \
                 must be an integer"
            )));
        }
        if !value.is_empty() && !is_qualified(value) {
            return Err(fail(format!(
                "values[0][{key}]: Invalid value: {value:?}: a valid label must be an empty \
                 string or consist of alphanumeric characters, '-', '_' or '.', and must start \
                 and end with an alphanumeric character, at most 63 characters"
            )));
        }
    }
    Ok(())
}

/// At most 63 of `[A-Za-z0-9._-]`, first and last alphanumeric.
fn is_qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// RFC 1123: at most 253 characters, lower-case labels of `[a-z0-9-]` joined by dots.
fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            let bytes = label.as_bytes();
            let ends =
                |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            ends(bytes.first())
                && ends(bytes.last())
                && bytes
                    .iter()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        })
}
