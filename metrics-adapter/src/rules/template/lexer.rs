//! From text to tokens, by the rules of Go's text/template/parse with `<<` and `>>`.
//!
//! Trim markers and comments end here; the parser never sees them. White space inside actions is
//! a token, because `.a.b` and `.a .b` differ.

use super::Fault;
use crate::rules::pattern::is_word;

const OPEN: &str = "<<";
const CLOSE: &str = ">>";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// A token and the byte offset at which it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind<'s>,
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind<'s> {
    /// Text outside actions.
    Text(&'s str),
    Open,
    Close,
    Space,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    /// The comma, and what has no meaning.
    Other(char),
    Dot,
    /// Without the dot.
    Field(&'s str),
    /// With the dollar.
    Variable(&'s str),
    /// A function or a keyword.
    Word(&'s str),
    /// As it stands in the source; numbers are read by the parser.
    Number(&'s str),
    /// With its quotes: `'x'`.
    Char(&'s str),
    /// With its quotes.
    Quoted(&'s str),
    /// Without its back quotes.
    Raw(&'s str),
    End,
}

/// Splits a template into tokens; the last one is [`TokenKind::End`].
pub(super) fn lex(source: &str) -> Result<Vec<Token<'_>>, Fault> {
    let mut lexer = Lexer {
        source,
        at: 0,
        tokens: Vec::new(),
    };
    while let Some(length) = lexer.rest().find(OPEN) {
        lexer.text(length);
        lexer.action()?;
    }
    lexer.text(lexer.rest().len());
    lexer.push(TokenKind::End, lexer.at);
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    tokens: Vec<Token<'s>>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, kind: TokenKind<'s>, at: usize) {
        self.tokens.push(Token { kind, at });
    }

    /// Text of that length before the next action or the end, trimmed if the action says so.
    fn text(&mut self, length: usize) {
        let (text, after) = self.rest().split_at(length);
        let trimmed = match after.strip_prefix(OPEN) {
            Some(action) if has_left_marker(action) => text.trim_end_matches(SPACES),
            _ => text,
        };
        if !trimmed.is_empty() {
            self.push(TokenKind::Text(trimmed), self.at);
        }
        self.at += length;
    }

    fn action(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.at += OPEN.len();
        let marker = if has_left_marker(self.rest()) { 2 } else { 0 };
        if self.rest()[marker..].starts_with("/*") {
            self.at += marker;
            return self.comment(start);
        }
        self.push(TokenKind::Open, start);
        self.at += marker;
        let mut depth = 0_usize;
        loop {
            if let Some(length) = right_delimiter(self.rest()) {
                if depth > 0 {
                    return Err(Fault::new(self.at, "a `(` is not closed"));
                }
                self.push(TokenKind::Close, self.at);
                self.close(length);
                return Ok(());
            }
            let Some(character) = self.peek() else {
                return Err(Fault::new(start, "`<<` is never closed"));
            };
            match character {
                '(' => depth += 1,
                ')' if depth == 0 => return Err(Fault::new(self.at, "unexpected `)`")),
                ')' => depth -= 1,
                _ => {}
            }
            self.token(character)?;
        }
    }

    fn comment(&mut self, start: usize) -> Result<(), Fault> {
        let Some(end) = self.rest()[2..].find("*/") else {
            return Err(Fault::new(start, "the comment is never closed"));
        };
        self.at += 2 + end + 2;
        let Some(length) = right_delimiter(self.rest()) else {
            return Err(Fault::new(
                self.at,
                "a comment must be followed by `>>` at once",
            ));
        };
        self.close(length);
        Ok(())
    }

    /// Leaves the action; with a trim marker the white space behind it goes as well.
    fn close(&mut self, length: usize) {
        self.at += length;
        if length > CLOSE.len() {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(SPACES).len();
        }
    }

    /// One token inside an action.
    fn token(&mut self, character: char) -> Result<(), Fault> {
        let at = self.at;
        let kind = match character {
            c if SPACES.contains(&c) => self.space(),
            '=' => self.single(TokenKind::Assign),
            ':' => {
                if !self.rest().starts_with(":=") {
                    return Err(Fault::new(at, "expected `:=`"));
                }
                self.at += 2;
                TokenKind::Declare
            }
            '|' => self.single(TokenKind::Pipe),
            '(' => self.single(TokenKind::LeftParen),
            ')' => self.single(TokenKind::RightParen),
            '"' => TokenKind::Quoted(self.quoted('"')?),
            '\'' => TokenKind::Char(self.quoted('\'')?),
            '`' => self.raw()?,
            '$' => {
                self.at += 1;
                self.name(TokenKind::Variable)?
            }
            '.' if !self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                self.at += 1;
                self.name(TokenKind::Field)?
            }
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            c if is_word(c) => self.name(TokenKind::Word)?,
            c if c.is_ascii_graphic() => self.single(TokenKind::Other(c)),
            c => {
                return Err(Fault::new(at, format!("unrecognised character {c:?}")));
            }
        };
        self.push(kind, at);
        Ok(())
    }

    fn single(&mut self, kind: TokenKind<'s>) -> TokenKind<'s> {
        self.at += 1;
        kind
    }

    /// A run of white space, but not the space that belongs to ` ->>`.
    fn space(&mut self) -> TokenKind<'s> {
        loop {
            self.at += 1;
            let next_is_space = self.peek().is_some_and(|c| SPACES.contains(&c));
            if !next_is_space || right_delimiter(self.rest()).is_some() {
                return TokenKind::Space;
            }
        }
    }

    /// An identifier behind what has been read; nothing at all makes it `.` or `$`.
    fn name(&mut self, kind: fn(&'s str) -> TokenKind<'s>) -> Result<TokenKind<'s>, Fault> {
        let rest = self.rest();
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let name = &rest[..length];
        let after = &rest[length..];
        let ends =
            after.chars().next().is_none_or(|c| {
                SPACES.contains(&c) || matches!(c, '.' | ',' | '|' | ':' | ')' | '(')
            }) || after.starts_with(CLOSE);
        if !ends {
            let character = after.chars().next().unwrap_or_default();
            return Err(Fault::new(
                self.at + length,
                format!("unexpected character {character:?}"),
            ));
        }
        let start = self.at;
        self.at += length;
        Ok(match kind(name) {
            TokenKind::Field("") => TokenKind::Dot,
            TokenKind::Variable(_) => TokenKind::Variable(&self.source[start - 1..self.at]),
            kind => kind,
        })
    }

    /// A constant between quotes, with them; a backslash hides the next character.
    fn quoted(&mut self, quote: char) -> Result<&'s str, Fault> {
        let rest = self.rest();
        let mut characters = rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' if !matches!(characters.next(), None | Some((_, '\n'))) => {}
                '\\' | '\n' => break,
                c if c == quote => {
                    self.at += at + 1;
                    return Ok(&rest[..=at]);
                }
                _ => {}
            }
        }
        Err(Fault::new(self.at, format!("{quote} is never closed")))
    }

    fn raw(&mut self) -> Result<TokenKind<'s>, Fault> {
        let body = &self.rest()[1..];
        let Some(length) = body.find('`') else {
            return Err(Fault::new(self.at, "` is never closed"));
        };
        self.at += length + 2;
        Ok(TokenKind::Raw(&body[..length]))
    }

    /// Whatever looks like a number; the parser judges it.
    fn number(&mut self) -> Result<TokenKind<'s>, Fault> {
        let rest = self.rest();
        let unsigned = rest.trim_start_matches(['+', '-']);
        let sign = rest.len() - unsigned.len();
        let body = unsigned
            .find(|c: char| !(is_word(c) || c == '.'))
            .unwrap_or(unsigned.len());
        if sign > 1 || body == 0 {
            return Err(Fault::new(self.at, "this is not a number"));
        }
        self.at += sign + body;
        Ok(TokenKind::Number(&rest[..sign + body]))
    }
}

fn has_left_marker(action: &str) -> bool {
    action
        .strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(SPACES))
}

/// The length of the right delimiter, a trim marker included, if it stands here.
fn right_delimiter(rest: &str) -> Option<usize> {
    if rest.starts_with(CLOSE) {
        return Some(CLOSE.len());
    }
    let marked = rest.strip_prefix(SPACES)?.strip_prefix('-')?;
    marked.starts_with(CLOSE).then_some(2 + CLOSE.len())
}
