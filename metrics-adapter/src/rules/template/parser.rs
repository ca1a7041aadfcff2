//! From tokens to the tree, by the rules of Go's text/template/parse.

use std::collections::BTreeSet;

use super::Fault;
use super::lexer::{Token, TokenKind, lex};
use super::literal;
use super::syntax::{Body, Branch, Command, Function, Operand, Pipeline, Statement, Term};

/// Parentheses and control structures inside each other; the parser and the evaluation recurse.
const MAX_DEPTH: usize = 64;

/// The tree, and the variables that `=` changes somewhere.
pub(super) fn parse(source: &str) -> Result<(Body, BTreeSet<String>), Fault> {
    let mut parser = Parser {
        tokens: lex(source)?,
        next: 0,
        variables: vec!["$".to_owned()],
        assigned: BTreeSet::new(),
        loops: 0,
        depth: 0,
    };
    match parser.body()? {
        (body, Ended::Source) => Ok((body, parser.assigned)),
        (_, Ended::End(at)) => Err(Fault::new(at, "unexpected `end`")),
        (_, Ended::Else(at)) => Err(Fault::new(at, "unexpected `else`")),
    }
}

/// What closed a body, and where.
enum Ended {
    End(usize),
    Else(usize),
    Source,
}

#[derive(Clone, Copy, PartialEq)]
enum Control {
    If,
    With,
    Range,
}

impl Control {
    fn name(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

struct Parser<'s> {
    tokens: Vec<Token<'s>>,
    next: usize,
    /// Those in scope, the dollar first.
    variables: Vec<String>,
    assigned: BTreeSet<String>,
    loops: usize,
    depth: usize,
}

impl<'s> Parser<'s> {
    fn peek(&self) -> &Token<'s> {
        // The last token is `End`, and nobody goes past it.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token<'s> {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == TokenKind::Space {
            self.next += 1;
        }
    }

    fn take_visible(&mut self) -> Token<'s> {
        self.skip_space();
        self.take()
    }

    fn peek_visible(&mut self) -> TokenKind<'s> {
        self.skip_space();
        self.peek().kind.clone()
    }

    fn expect_close(&mut self, after: &str) -> Result<(), Fault> {
        let token = self.take_visible();
        match token.kind {
            TokenKind::Close => Ok(()),
            kind => Err(unexpected(&kind, token.at, after)),
        }
    }

    fn enter(&mut self, at: usize) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new(
                at,
                format!("nested more than {MAX_DEPTH} levels deep"),
            ));
        }
        Ok(())
    }

    /// Statements up to `end`, `else` or the end of the source.
    fn body(&mut self) -> Result<(Body, Ended), Fault> {
        let mut body = Body::new();
        loop {
            let token = self.take();
            match token.kind {
                TokenKind::Text(text) => body.push(Statement::Text(text.to_owned())),
                TokenKind::End => return Ok((body, Ended::Source)),
                TokenKind::Open => match self.action(token.at)? {
                    Ok(statement) => body.push(statement),
                    Err(ended) => return Ok((body, ended)),
                },
                kind => return Err(unexpected(&kind, token.at, "text")),
            }
        }
    }

    /// The inside of `<< >>`: a statement, or the end of the body.
    fn action(&mut self, at: usize) -> Result<Result<Statement, Ended>, Fault> {
        let keyword = match self.peek_visible() {
            TokenKind::Word(word) => word,
            _ => "",
        };
        let control = match keyword {
            "if" => Control::If,
            "with" => Control::With,
            "range" => Control::Range,
            "break" | "continue" => {
                self.next += 1;
                self.expect_close(keyword)?;
                if self.loops == 0 {
                    return Err(Fault::new(at, format!("`{keyword}` outside of `range`")));
                }
                return Ok(Ok(match keyword {
                    "break" => Statement::Break,
                    _ => Statement::Continue,
                }));
            }
            "end" => {
                self.next += 1;
                self.expect_close("end")?;
                return Ok(Err(Ended::End(at)));
            }
            "else" => {
                self.next += 1;
                // `else if` and `else with`: whoever opened the body looks at the next word.
                if !matches!(self.peek_visible(), TokenKind::Word("if" | "with")) {
                    self.expect_close("else")?;
                }
                return Ok(Err(Ended::Else(at)));
            }
            "define" | "template" | "block" => {
                return Err(Fault::new(at, format!("`{keyword}` is not supported")));
            }
            _ => {
                let pipeline = self.pipeline("the action", &TokenKind::Close)?;
                return Ok(Ok(Statement::Action(pipeline)));
            }
        };
        self.next += 1;
        self.control(control, at).map(Ok)
    }

    fn control(&mut self, control: Control, at: usize) -> Result<Statement, Fault> {
        self.enter(at)?;
        let scope = self.variables.len();
        let pipeline = self.pipeline(control.name(), &TokenKind::Close)?;
        let in_loop = usize::from(control == Control::Range);
        self.loops += in_loop;
        let (body, ended) = self.body()?;
        self.loops -= in_loop;
        let otherwise = match ended {
            Ended::End(_) => Body::new(),
            Ended::Else(_) => self.otherwise(control, at)?,
            Ended::Source => return Err(never_ended(control, at)),
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        let branch = Branch {
            pipeline,
            body,
            otherwise,
        };
        Ok(match control {
            Control::If => Statement::If(branch),
            Control::With => Statement::With(branch),
            Control::Range => Statement::Range(branch),
        })
    }

    fn otherwise(&mut self, control: Control, at: usize) -> Result<Body, Fault> {
        let chained = match (control, &self.peek().kind) {
            (Control::If, TokenKind::Word("if")) | (Control::With, TokenKind::Word("with")) => true,
            (_, TokenKind::Word(word @ ("if" | "with"))) => {
                let place = self.peek().at;
                let message = format!("`else {word}` does not belong to `{}`", control.name());
                return Err(Fault::new(place, message));
            }
            _ => false,
        };
        if chained {
            let place = self.take().at;
            return Ok(vec![self.control(control, place)?]);
        }
        match self.body()? {
            (body, Ended::End(_)) => Ok(body),
            (_, Ended::Else(at)) => Err(Fault::new(at, "a second `else`")),
            (_, Ended::Source) => Err(never_ended(control, at)),
        }
    }

    /// `$x := command | command`, up to `end`, which is consumed.
    fn pipeline(&mut self, context: &str, end: &TokenKind<'_>) -> Result<Pipeline, Fault> {
        self.skip_space();
        let mut pipeline = Pipeline {
            at: self.peek().at,
            variables: Vec::new(),
            assign: false,
            commands: Vec::new(),
        };
        self.declarations(&mut pipeline, context)?;
        loop {
            let token = self.take_visible();
            match token.kind {
                kind if kind == *end => break,
                TokenKind::Open
                | TokenKind::Text(_)
                | TokenKind::Close
                | TokenKind::Space
                | TokenKind::Assign
                | TokenKind::Declare
                | TokenKind::Pipe
                | TokenKind::RightParen
                | TokenKind::Other(_)
                | TokenKind::End => return Err(unexpected(&token.kind, token.at, context)),
                _ => {
                    self.next -= 1;
                    pipeline.commands.push(self.command()?);
                }
            }
        }
        if pipeline.commands.is_empty() {
            return Err(Fault::new(
                pipeline.at,
                format!("missing value for {context}"),
            ));
        }
        for command in &pipeline.commands[1..] {
            let first = &command.first;
            let constant = match first.term {
                Term::Dot => first.fields.is_empty(),
                Term::Nil | Term::Bool(_) | Term::Int(_) | Term::Text(_) => true,
                Term::Variable(_) | Term::Function(_) | Term::Pipeline(_) => false,
            };
            if constant {
                return Err(Fault::new(
                    first.at,
                    "only a function can take a piped value",
                ));
            }
        }
        Ok(pipeline)
    }

    fn declarations(&mut self, pipeline: &mut Pipeline, context: &str) -> Result<(), Fault> {
        while let TokenKind::Variable(name) = self.peek_visible() {
            let before = self.next;
            self.next += 1;
            let separator = self.peek_visible();
            match separator {
                TokenKind::Assign | TokenKind::Declare => {
                    self.next += 1;
                    pipeline.assign = separator == TokenKind::Assign;
                    pipeline.variables.push(name.to_owned());
                    break;
                }
                TokenKind::Other(',') => {
                    self.next += 1;
                    pipeline.variables.push(name.to_owned());
                    if context != "range" || pipeline.variables.len() > 1 {
                        return Err(Fault::new(
                            pipeline.at,
                            format!("too many declarations in {context}"),
                        ));
                    }
                    if !matches!(
                        self.peek_visible(),
                        TokenKind::Variable(_) | TokenKind::Close | TokenKind::RightParen
                    ) {
                        return Err(Fault::new(self.peek().at, "`range` can only set variables"));
                    }
                }
                _ => {
                    self.next = before;
                    break;
                }
            }
        }
        if pipeline.assign
            && let Some(name) = pipeline
                .variables
                .iter()
                .find(|name| !self.variables.contains(name))
        {
            return Err(Fault::new(
                pipeline.at,
                format!("{name} was never declared (`:=`)"),
            ));
        }
        let names = pipeline.variables.iter().cloned();
        if pipeline.assign {
            self.assigned.extend(names);
        } else {
            self.variables.extend(names);
        }
        Ok(())
    }

    /// Operands up to a pipe, which is consumed, or the end of the pipeline, which is not.
    fn command(&mut self) -> Result<Command, Fault> {
        let start = self.peek().at;
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            operands.extend(self.operand()?);
            let token = self.take();
            match token.kind {
                TokenKind::Space => {}
                TokenKind::Close | TokenKind::RightParen => {
                    self.next -= 1;
                    break;
                }
                TokenKind::Pipe => break,
                kind => return Err(unexpected(&kind, token.at, "an operand")),
            }
        }
        let mut operands = operands.into_iter();
        let first = operands
            .next()
            .ok_or_else(|| Fault::new(start, "empty command"))?;
        Ok(Command {
            first,
            arguments: operands.collect(),
        })
    }

    /// A term and the fields behind it; nothing when no term stands here.
    fn operand(&mut self) -> Result<Option<Operand>, Fault> {
        let at = self.peek().at;
        let Some((term, mut fields)) = self.term()? else {
            return Ok(None);
        };
        let bare = matches!(
            term,
            Term::Nil | Term::Bool(_) | Term::Int(_) | Term::Text(_)
        ) || (matches!(term, Term::Dot) && fields.is_empty());
        while let TokenKind::Field(name) = self.peek().kind {
            if bare {
                return Err(Fault::new(self.peek().at, "this has no fields"));
            }
            fields.push(name.to_owned());
            self.next += 1;
        }
        Ok(Some(Operand { at, term, fields }))
    }

    fn term(&mut self) -> Result<Option<(Term, Vec<String>)>, Fault> {
        let token = self.take();
        let fault = |message| Fault::new(token.at, message);
        let term = match token.kind {
            TokenKind::Dot => Term::Dot,
            TokenKind::Field(name) => return Ok(Some((Term::Dot, vec![name.to_owned()]))),
            TokenKind::Variable(name) => {
                if !self.variables.iter().any(|known| known == name) {
                    return Err(fault(format!("undefined variable {name}")));
                }
                Term::Variable(name.to_owned())
            }
            TokenKind::Word("true") => Term::Bool(true),
            TokenKind::Word("false") => Term::Bool(false),
            TokenKind::Word("nil") => Term::Nil,
            TokenKind::Word(name) => match Function::named(name) {
                Some(function) => Term::Function(function),
                None => return Err(fault(unknown_function(name))),
            },
            TokenKind::Number(text) => Term::Int(literal::number(text).map_err(fault)?),
            TokenKind::Char(text) => Term::Int(literal::character(text).map_err(fault)?),
            TokenKind::Quoted(text) => Term::Text(literal::string(text).map_err(fault)?),
            // Go leaves carriage returns out of raw strings.
            TokenKind::Raw(text) => Term::Text(text.replace('\r', "")),
            TokenKind::LeftParen => {
                self.enter(token.at)?;
                let pipeline = self.pipeline("parentheses", &TokenKind::RightParen)?;
                self.depth -= 1;
                Term::Pipeline(Box::new(pipeline))
            }
            _ => {
                self.next -= 1;
                return Ok(None);
            }
        };
        Ok(Some((term, Vec::new())))
    }
}

fn unknown_function(name: &str) -> String {
    match name {
        "html" | "js" | "urlquery" | "call" => format!("the function {name} is not supported"),
        "if" | "with" | "range" | "end" | "else" | "break" | "continue" | "define" | "template"
        | "block" => format!("unexpected `{name}`"),
        _ => format!("there is no function {name}"),
    }
}

fn never_ended(control: Control, at: usize) -> Fault {
    Fault::new(at, format!("`{}` has no `end`", control.name()))
}

fn unexpected(kind: &TokenKind<'_>, at: usize, context: &str) -> Fault {
    let found = match kind {
        TokenKind::Text(_) | TokenKind::Open => "text",
        TokenKind::Close => "`>>`",
        TokenKind::Space => "white space",
        TokenKind::Assign => "`=`",
        TokenKind::Declare => "`:=`",
        TokenKind::Pipe => "`|`",
        TokenKind::LeftParen => "`(`",
        TokenKind::RightParen => "`)`",
        TokenKind::Other(character) => {
            return Fault::new(at, format!("unexpected {character:?} in {context}"));
        }
        TokenKind::Dot => "`.`",
        TokenKind::Field(name) | TokenKind::Variable(name) | TokenKind::Word(name) => {
            return Fault::new(at, format!("unexpected `{name}` in {context}"));
        }
        TokenKind::Number(text) | TokenKind::Char(text) | TokenKind::Quoted(text) => {
            return Fault::new(at, format!("unexpected {text} in {context}"));
        }
        TokenKind::Raw(_) => "a raw string",
        TokenKind::End => "the end",
    };
    Fault::new(at, format!("unexpected {found} in {context}"))
}
