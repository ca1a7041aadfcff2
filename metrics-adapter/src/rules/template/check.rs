//! What can be known about a template before any request: unknown fields, functions with the
//! wrong arguments, loops over what has no elements.
//!
//! prometheus-adapter starts with such a rule and then fails at every request. The check walks
//! branches that a request might never take, so it is stricter than Go there; it refuses nothing
//! whose type only a request decides.

use std::collections::BTreeSet;

use super::eval::check_arity;
use super::syntax::{Branch, Command, Function, Operand, Pipeline, Statement, Term};
use super::{Fault, FieldType, Fields, format};

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    Unknown,
    Nil,
    Root,
    Text,
    /// Integers and the bytes of strings.
    Number,
    Bool,
    List,
    Map,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "something",
            Self::Nil => "nil",
            Self::Root => "the whole data",
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::List => "a list",
            Self::Map => "a map",
        }
    }

    /// Whether it is, or may turn out to be, one of these.
    fn may_be(self, types: &[Self]) -> bool {
        self == Self::Unknown || types.contains(&self)
    }
}

/// Checks a template; `assigned` are the variables that `=` changes somewhere, whose types are
/// therefore unknown. Returns the fields it refers to.
pub(super) fn check(
    body: &[Statement],
    fields: Fields,
    assigned: BTreeSet<String>,
) -> Result<BTreeSet<&'static str>, Fault> {
    let mut checker = Checker {
        fields,
        assigned,
        used: BTreeSet::new(),
        variables: vec![("$".to_owned(), Type::Root)],
    };
    checker.walk(body, Type::Root)?;
    Ok(checker.used)
}

struct Checker {
    fields: Fields,
    assigned: BTreeSet<String>,
    used: BTreeSet<&'static str>,
    variables: Vec<(String, Type)>,
}

impl Checker {
    fn walk(&mut self, body: &[Statement], dot: Type) -> Result<(), Fault> {
        for statement in body {
            match statement {
                Statement::Text(_) | Statement::Break | Statement::Continue => {}
                Statement::Action(pipeline) => {
                    let found = self.pipeline(pipeline, dot)?;
                    if found == Type::Root && pipeline.variables.is_empty() {
                        let message = "the whole data cannot be printed, only its fields";
                        return Err(Fault::new(pipeline.at, message));
                    }
                }
                Statement::If(branch) => self.branch(branch, dot, |_| Ok(dot))?,
                Statement::With(branch) => self.branch(branch, dot, Ok)?,
                Statement::Range(branch) => self.range(branch, dot)?,
            }
        }
        Ok(())
    }

    fn branch(
        &mut self,
        branch: &Branch,
        dot: Type,
        inside: impl Fn(Type) -> Result<Type, Fault>,
    ) -> Result<(), Fault> {
        let mark = self.variables.len();
        let found = self.pipeline(&branch.pipeline, dot)?;
        self.walk(&branch.body, inside(found)?)?;
        self.walk(&branch.otherwise, dot)?;
        self.variables.truncate(mark);
        Ok(())
    }

    fn range(&mut self, branch: &Branch, dot: Type) -> Result<(), Fault> {
        let mark = self.variables.len();
        let at = branch.pipeline.at;
        let elements = self.pipeline(&branch.pipeline, dot)?;
        let variables = branch.pipeline.variables.len();
        let (index, element) = match elements {
            Type::Unknown | Type::Nil => (Type::Unknown, Type::Unknown),
            Type::List => (Type::Number, Type::Text),
            Type::Map => (Type::Text, Type::Text),
            Type::Number if variables > 1 => {
                return Err(Fault::new(at, "range over a number sets one variable only"));
            }
            Type::Number => (Type::Nil, Type::Number),
            other => return Err(Fault::new(at, format!("range over {}", other.name()))),
        };
        if !branch.pipeline.assign {
            let first = self.variables.len().saturating_sub(variables);
            let types = match variables {
                1 => vec![element],
                _ => vec![index, element],
            };
            for ((name, variable), found) in self.variables[first..].iter_mut().zip(types) {
                if !self.assigned.contains(name) {
                    *variable = found;
                }
            }
        }
        self.walk(&branch.body, element)?;
        self.walk(&branch.otherwise, dot)?;
        self.variables.truncate(mark);
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: Type) -> Result<Type, Fault> {
        let mut found = None;
        for command in &pipeline.commands {
            found = Some(self.command(command, dot, found)?);
        }
        let found = found.unwrap_or(Type::Unknown);
        if !pipeline.assign {
            for name in &pipeline.variables {
                let known = !self.assigned.contains(name);
                let kind = if known { found } else { Type::Unknown };
                self.variables.push((name.clone(), kind));
            }
        }
        Ok(found)
    }

    fn command(
        &mut self,
        command: &Command,
        dot: Type,
        piped: Option<Type>,
    ) -> Result<Type, Fault> {
        let first = &command.first;
        match first.term {
            Term::Function(function) if first.fields.is_empty() => {
                self.call(function, first.at, &command.arguments, dot, piped)
            }
            Term::Nil => Err(Fault::new(first.at, "nil is not a command")),
            _ if command.arguments.is_empty() && piped.is_none() => self.operand(first, dot),
            _ => Err(Fault::new(first.at, "only functions take arguments")),
        }
    }

    fn operand(&mut self, operand: &Operand, dot: Type) -> Result<Type, Fault> {
        let mut found = match &operand.term {
            Term::Dot => dot,
            Term::Variable(name) => {
                let variable = self.variables.iter().rev().find(|(n, _)| n == name);
                variable.map_or(Type::Unknown, |(_, kind)| *kind)
            }
            Term::Function(function) => self.call(*function, operand.at, &[], dot, None)?,
            Term::Pipeline(pipeline) => {
                let outer = self.variables.len();
                let found = self.pipeline(pipeline, dot)?;
                // `and` and `or` may leave parentheses alone, and what they would declare.
                for (_, kind) in &mut self.variables[outer..] {
                    *kind = Type::Unknown;
                }
                found
            }
            Term::Nil => Type::Nil,
            Term::Bool(_) => Type::Bool,
            Term::Int(_) => Type::Number,
            Term::Text(_) => Type::Text,
        };
        for name in &operand.fields {
            found = self.field(found, name, operand.at)?;
        }
        Ok(found)
    }

    fn field(&mut self, of: Type, name: &str, at: usize) -> Result<Type, Fault> {
        match of {
            Type::Nil => Ok(Type::Nil),
            Type::Unknown | Type::Map => Ok(Type::Unknown),
            Type::Root => {
                let Some((known, kind)) = self.fields.iter().find(|(known, _)| *known == name)
                else {
                    let names: Vec<&str> = self.fields.iter().map(|(known, _)| *known).collect();
                    let names = names.join(", .");
                    let message = format!("there is no field .{name}; there are .{names}");
                    return Err(Fault::new(at, message));
                };
                self.used.insert(known);
                Ok(match kind {
                    FieldType::Text => Type::Text,
                    FieldType::List => Type::List,
                    FieldType::Map => Type::Map,
                })
            }
            other => {
                let message = format!("{} has no field .{name}", other.name());
                Err(Fault::new(at, message))
            }
        }
    }

    fn call(
        &mut self,
        function: Function,
        at: usize,
        operands: &[Operand],
        dot: Type,
        piped: Option<Type>,
    ) -> Result<Type, Fault> {
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(piped);
        check_arity(function, arguments.len()).map_err(|text| Fault::new(at, text))?;
        if function == Function::Printf
            && let Some(Term::Text(format)) = operands.first().map(|operand| &operand.term)
        {
            check_format(format, &arguments[1..]).map_err(|text| Fault::new(at, text))?;
        }
        result(function, &arguments).map_err(|text| Fault::new(at, text))
    }
}

fn check_format(format: &str, arguments: &[Type]) -> Result<(), String> {
    let pieces = format::pieces(format)?;
    let wanted = format::arguments(&pieces);
    if wanted == arguments.len() {
        Ok(())
    } else {
        Err(format::wrong_count(wanted, arguments.len()))
    }
}

/// The type of a function's result, or why it cannot have one. The number of arguments is right.
fn result(function: Function, arguments: &[Type]) -> Result<Type, String> {
    let whole = || "the whole data cannot be printed, only its fields".to_owned();
    match (function, arguments) {
        (Function::Print | Function::Println | Function::Printf, _)
            if arguments.contains(&Type::Root) =>
        {
            Err(whole())
        }
        (Function::Printf, [format, ..]) if !format.may_be(&[Type::Text]) => {
            Err("the format of printf must be a string".to_owned())
        }
        (Function::Print | Function::Println | Function::Printf, _) => Ok(Type::Text),
        (Function::Len, [item]) if !item.may_be(&[Type::Text, Type::List, Type::Map]) => {
            Err(format!("len of {}", item.name()))
        }
        (Function::Len, _) => Ok(Type::Number),
        (Function::Index, [item, keys @ ..]) => index(*item, keys),
        (Function::Slice, [item, bounds @ ..]) => {
            if !item.may_be(&[Type::Text, Type::List]) {
                return Err(format!("slice of {}", item.name()));
            }
            match bounds.iter().find(|bound| !bound.may_be(&[Type::Number])) {
                Some(bound) => Err(format!("{} as index of slice", bound.name())),
                None => Ok(*item),
            }
        }
        // Only the first comparison is sure to happen.
        (Function::Eq | Function::Ne, [a, b, ..]) => {
            let comparable = [Type::Text, Type::Number, Type::Bool];
            let known = *a != Type::Unknown && *b != Type::Unknown;
            let nil = *a == Type::Nil || *b == Type::Nil;
            if known && !nil && (a != b || !comparable.contains(a)) {
                return Err(incomparable(*a, *b));
            }
            Ok(Type::Bool)
        }
        (Function::Lt | Function::Le | Function::Gt | Function::Ge, [a, b]) => {
            let ordered = [Type::Text, Type::Number];
            let differ = *a != Type::Unknown && *b != Type::Unknown && a != b;
            if differ || !a.may_be(&ordered) || !b.may_be(&ordered) {
                return Err(incomparable(*a, *b));
            }
            Ok(Type::Bool)
        }
        (Function::Not, _) => Ok(Type::Bool),
        _ => Ok(Type::Unknown),
    }
}

fn incomparable(a: Type, b: Type) -> String {
    format!("{} and {} cannot be compared", a.name(), b.name())
}

fn index(item: Type, keys: &[Type]) -> Result<Type, String> {
    if item == Type::Nil {
        return Err("index of nil".to_owned());
    }
    let mut item = item;
    for key in keys {
        let (key_type, element) = match item {
            Type::Unknown => return Ok(Type::Unknown),
            Type::Map => (Type::Text, Type::Text),
            Type::List => (Type::Number, Type::Text),
            Type::Text => (Type::Number, Type::Number),
            other => return Err(format!("index of {}", other.name())),
        };
        if !key.may_be(&[key_type]) {
            return Err(format!(
                "{} needs {} as index, not {}",
                item.name(),
                key_type.name(),
                key.name()
            ));
        }
        item = element;
    }
    Ok(item)
}
