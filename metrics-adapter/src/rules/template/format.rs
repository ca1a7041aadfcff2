//! `printf` and `print`: what Go's fmt writes for strings, integers, booleans, lists and maps.
//!
//! Formats are read before anything is written. What Go would turn into `%!d(string=x)` is an
//! error here, because nobody wants that in a query.

use super::value::Data;
use super::{MAX_LENGTH, quote};

/// Wider output serves nobody.
const MAX_WIDTH: usize = 1000;

/// A piece of a format.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'f> {
    Text(&'f str),
    Verb(Verb),
}

/// One conversion, for instance `%-5q`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Verb {
    letter: char,
    width: Option<usize>,
    precision: Option<usize>,
    plus: bool,
    minus: bool,
    space: bool,
    zero: bool,
}

/// Reads a format.
pub(super) fn pieces(format: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        let start = &rest[at..];
        rest = &start[1..];
        let mut verb = Verb::default();
        while let Some(flag) = rest.chars().next() {
            match flag {
                '+' => verb.plus = true,
                '-' => verb.minus = true,
                ' ' => verb.space = true,
                '0' => verb.zero = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        verb.width = number(&mut rest)?;
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            verb.precision = Some(number(&mut rest)?.unwrap_or(0));
        }
        let Some(letter) = rest.chars().next() else {
            return Err(format!("the format ends inside {start:?}"));
        };
        rest = &rest[letter.len_utf8()..];
        let whole = &start[..start.len() - rest.len()];
        match letter {
            '%' => pieces.push(Piece::Text("%")),
            's' | 'q' | 'v' | 'd' | 't' => {
                verb.letter = letter;
                pieces.push(Piece::Verb(verb));
            }
            _ => {
                return Err(format!(
                    "{whole:?} is not supported in a format; %s, %q, %v, %d and %t are"
                ));
            }
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

fn number(rest: &mut &str) -> Result<Option<usize>, String> {
    let length = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    if length == 0 {
        return Ok(None);
    }
    let (digits, after) = rest.split_at(length);
    *rest = after;
    match digits.parse() {
        Ok(number) if number <= MAX_WIDTH => Ok(Some(number)),
        _ => Err(format!(
            "a width or precision of {digits} is more than {MAX_WIDTH}"
        )),
    }
}

/// How many arguments the pieces take.
pub(super) fn arguments(pieces: &[Piece<'_>]) -> usize {
    let is_verb = |piece: &&Piece<'_>| matches!(piece, Piece::Verb(_));
    pieces.iter().filter(is_verb).count()
}

/// `printf`.
pub(super) fn printf(format: &str, arguments: &[Data<'_>]) -> Result<String, String> {
    let pieces = pieces(format)?;
    let wanted = self::arguments(&pieces);
    if wanted != arguments.len() {
        return Err(wrong_count(wanted, arguments.len()));
    }
    let mut arguments = arguments.iter();
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Verb(verb) => {
                if let Some(argument) = arguments.next() {
                    verb.print(argument, &mut out)?;
                }
            }
        }
    }
    Ok(out)
}

/// The message for a format that takes another number of arguments.
pub(super) fn wrong_count(wanted: usize, given: usize) -> String {
    format!("the format takes {wanted} arguments, not {given}")
}

/// `print`: a space between two operands of which neither is a string.
pub(super) fn print(arguments: &[Data<'_>]) -> Result<String, String> {
    let mut out = String::new();
    let mut after_text = true;
    for argument in arguments {
        let is_text = matches!(argument, Data::Text(_));
        if !is_text && !after_text {
            out.push(' ');
        }
        plain(argument, &mut out)?;
        after_text = is_text;
    }
    Ok(out)
}

/// `println`: spaces always.
pub(super) fn println(arguments: &[Data<'_>]) -> Result<String, String> {
    let mut out = String::new();
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        plain(argument, &mut out)?;
    }
    out.push('\n');
    Ok(out)
}

/// As `%v` without flags.
pub(super) fn plain(value: &Data<'_>, out: &mut String) -> Result<(), String> {
    let verb = Verb {
        letter: 'v',
        ..Verb::default()
    };
    verb.print(value, out)
}

impl Verb {
    fn print(self, value: &Data<'_>, out: &mut String) -> Result<(), String> {
        match (value, self.letter) {
            (Data::Text(text), 's' | 'v' | 'q') => self.text(text, out),
            (Data::Int(number), 'd' | 'v') => self.integer(*number, out),
            (Data::Byte(number), 'd' | 'v') => self.integer(i64::from(*number), out),
            (Data::Int(number), 'q') => self.pad(&quote::character(*number, self.plus), out),
            (Data::Byte(byte), 'q') => {
                self.pad(&quote::character(i64::from(*byte), self.plus), out);
            }
            (Data::Bool(truth), 't' | 'v') => self.pad(&truth.to_string(), out),
            (Data::Nil, 'v') => self.pad("<nil>", out),
            (Data::List(list), 's' | 'v' | 'q') => {
                out.push('[');
                for (index, item) in list.items().iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    self.text(item, out);
                }
                out.push(']');
            }
            (Data::Map(map), 's' | 'v' | 'q') => {
                out.push_str("map[");
                for (index, (key, value)) in map.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    self.text(key, out);
                    out.push(':');
                    self.text(value, out);
                }
                out.push(']');
            }
            (Data::Root, _) => {
                return Err("the whole data cannot be printed, only its fields".to_owned());
            }
            _ => return Err(format!("%{} does not print {}", self.letter, value.kind())),
        }
        if out.len() > MAX_LENGTH {
            return Err(format!("the text is longer than {MAX_LENGTH} bytes"));
        }
        Ok(())
    }

    fn text(self, text: &str, out: &mut String) {
        let end = match self.precision {
            Some(precision) => text
                .char_indices()
                .nth(precision)
                .map_or(text.len(), |(at, _)| at),
            None => text.len(),
        };
        let text = &text[..end];
        match self.letter {
            'q' => self.pad(&quote::string(text, self.plus), out),
            _ => self.pad(text, out),
        }
    }

    fn integer(self, number: i64, out: &mut String) {
        let without_zeros = Self {
            zero: false,
            ..self
        };
        if self.precision == Some(0) && number == 0 {
            return without_zeros.pad("", out);
        }
        // For %v the plus sign means something else, which integers do not have.
        let sign = match (number < 0, self.plus && self.letter != 'v', self.space) {
            (true, _, _) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        let zeros = match (self.precision, self.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if self.zero && !self.minus => width.saturating_sub(sign.len()),
            _ => 0,
        };
        let digits = format!("{sign}{:0zeros$}", number.unsigned_abs());
        without_zeros.pad(&digits, out);
    }

    /// Strings too are padded with zeros if the flag says so.
    fn pad(self, text: &str, out: &mut String) {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        let fill = if self.zero && !self.minus { "0" } else { " " };
        if self.minus {
            out.push_str(text);
            out.push_str(&fill.repeat(missing));
        } else {
            out.push_str(&fill.repeat(missing));
            out.push_str(text);
        }
    }
}
