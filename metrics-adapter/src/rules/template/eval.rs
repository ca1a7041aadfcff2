//! Rendering: a walk over the tree, by the rules of Go's text/template/exec.

use std::borrow::Cow;

use super::syntax::{Branch, Command, Function, Operand, Pipeline, Statement, Term};
use super::value::Data;
use super::{Fault, MAX_LENGTH, Scope, format, function};

/// Statements, loop rounds and commands of one rendering. Only `range` over a big number comes
/// near it.
const MAX_STEPS: usize = 100_000;

pub(super) fn render(body: &[Statement], scope: &Scope) -> Result<String, Fault> {
    let mut state = State {
        scope,
        out: String::new(),
        variables: vec![("$", Data::Root)],
        steps: 0,
    };
    state.walk(body, &Data::Root)?;
    Ok(state.out)
}

/// Whether the loop around goes on.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct State<'a> {
    scope: &'a Scope,
    out: String,
    variables: Vec<(&'a str, Data<'a>)>,
    steps: usize,
}

impl<'a> State<'a> {
    fn step(&mut self, at: usize) -> Result<(), Fault> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(Fault::new(at, format!("more than {MAX_STEPS} steps")));
        }
        Ok(())
    }

    fn walk(&mut self, body: &'a [Statement], dot: &Data<'a>) -> Result<Flow, Fault> {
        for statement in body {
            let flow = match statement {
                Statement::Text(text) => {
                    self.out.push_str(text);
                    self.check_output(0)?;
                    Flow::Next
                }
                Statement::Action(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.variables.is_empty() {
                        self.print(&value, pipeline.at)?;
                    }
                    Flow::Next
                }
                Statement::If(branch) => self.choose(branch, dot, false)?,
                Statement::With(branch) => self.choose(branch, dot, true)?,
                Statement::Range(branch) => self.range(branch, dot)?,
                Statement::Break => Flow::Break,
                Statement::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn check_output(&self, at: usize) -> Result<(), Fault> {
        if self.out.len() > MAX_LENGTH {
            let message = format!("the result is longer than {MAX_LENGTH} bytes");
            return Err(Fault::new(at, message));
        }
        Ok(())
    }

    fn print(&mut self, value: &Data<'a>, at: usize) -> Result<(), Fault> {
        match value {
            Data::Nil => self.out.push_str("<no value>"),
            value => format::plain(value, &mut self.out).map_err(|text| Fault::new(at, text))?,
        }
        self.check_output(at)
    }

    fn choose(&mut self, branch: &'a Branch, dot: &Data<'a>, with: bool) -> Result<Flow, Fault> {
        let mark = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let flow = match (value.truth(), with) {
            (true, true) => self.walk(&branch.body, &value)?,
            (true, false) => self.walk(&branch.body, dot)?,
            (false, _) => self.walk(&branch.otherwise, dot)?,
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, branch: &'a Branch, dot: &Data<'a>) -> Result<Flow, Fault> {
        let mark = self.variables.len();
        let at = branch.pipeline.at;
        let elements = self.pipeline(&branch.pipeline, dot)?;
        let inner = self.variables.len();
        let integers = elements.integer();
        if integers.is_some() && branch.pipeline.variables.len() > 1 {
            return Err(Fault::new(at, "range over a number sets one variable only"));
        }
        let mut elements: Box<dyn Iterator<Item = (Data<'a>, Data<'a>)>> = match elements {
            Data::Int(count) => Box::new((0..count).map(|n| (Data::Nil, Data::Int(n)))),
            Data::Byte(count) => Box::new((0..count).map(|n| (Data::Nil, Data::Byte(n)))),
            Data::List(list) => Box::new(
                (0..)
                    .map(Data::Int)
                    .zip(list.items())
                    .map(|(index, item)| (index, Data::Text(Cow::Borrowed(item)))),
            ),
            Data::Map(map) => Box::new(map.iter().map(|(key, value)| {
                (
                    Data::Text(Cow::Borrowed(key)),
                    Data::Text(Cow::Borrowed(value)),
                )
            })),
            Data::Nil => Box::new(std::iter::empty()),
            other => return Err(Fault::new(at, format!("range over {}", other.kind()))),
        };
        let mut flow = Flow::Next;
        let mut first = elements.next();
        if first.is_none() {
            flow = self.walk(&branch.otherwise, dot)?;
            // Go's range catches this one as well.
            if flow == Flow::Break {
                flow = Flow::Next;
            }
        }
        while let Some((index, element)) = first.take().or_else(|| elements.next()) {
            self.step(at)?;
            self.set_loop_variables(&branch.pipeline, inner, index, &element)?;
            let inside = self.walk(&branch.body, &element)?;
            self.variables.truncate(inner);
            if inside == Flow::Break {
                break;
            }
        }
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// One variable gets the element, two get index and element. New ones are the topmost of
    /// the stack, below `inner`.
    fn set_loop_variables(
        &mut self,
        pipeline: &'a Pipeline,
        inner: usize,
        index: Data<'a>,
        element: &Data<'a>,
    ) -> Result<(), Fault> {
        let values = match pipeline.variables.len() {
            0 => return Ok(()),
            1 => vec![element.clone()],
            _ => vec![index, element.clone()],
        };
        let first = inner.saturating_sub(values.len());
        for (offset, (name, value)) in pipeline.variables.iter().zip(values).enumerate() {
            if pipeline.assign {
                self.set(name, value, pipeline.at)?;
            } else if let Some(variable) = self.variables.get_mut(first + offset) {
                variable.1 = value;
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Data<'a>, at: usize) -> Result<(), Fault> {
        let found = self.variables.iter_mut().rev().find(|(n, _)| *n == name);
        let (_, variable) = found.ok_or_else(|| undefined(name, at))?;
        *variable = value;
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline, dot: &Data<'a>) -> Result<Data<'a>, Fault> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        // The parser lets no empty pipeline through.
        let value = value.unwrap_or(Data::Nil);
        for name in &pipeline.variables {
            if pipeline.assign {
                self.set(name, value.clone(), pipeline.at)?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &'a Command,
        dot: &Data<'a>,
        piped: Option<Data<'a>>,
    ) -> Result<Data<'a>, Fault> {
        let first = &command.first;
        self.step(first.at)?;
        match first.term {
            Term::Function(function) if first.fields.is_empty() => {
                self.call(function, first.at, &command.arguments, dot, piped)
            }
            Term::Nil => Err(Fault::new(first.at, "nil is not a command")),
            _ if command.arguments.is_empty() && piped.is_none() => self.operand(first, dot),
            _ => Err(Fault::new(first.at, "only functions take arguments")),
        }
    }

    fn call(
        &mut self,
        function: Function,
        at: usize,
        operands: &'a [Operand],
        dot: &Data<'a>,
        piped: Option<Data<'a>>,
    ) -> Result<Data<'a>, Fault> {
        let given = operands.len() + usize::from(piped.is_some());
        check_arity(function, given).map_err(|text| Fault::new(at, text))?;
        if matches!(function, Function::And | Function::Or) {
            let mut value = Data::Nil;
            for operand in operands {
                value = self.operand(operand, dot)?;
                if value.truth() == (function == Function::Or) {
                    return Ok(value);
                }
            }
            return Ok(piped.unwrap_or(value));
        }
        let mut arguments = Vec::with_capacity(given);
        for operand in operands {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(piped);
        function::call(function, &arguments).map_err(|text| Fault::new(at, text))
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Data<'a>) -> Result<Data<'a>, Fault> {
        let mut value = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Variable(name) => {
                let found = self.variables.iter().rev().find(|(n, _)| n == name);
                let (_, value) = found.ok_or_else(|| undefined(name, operand.at))?;
                value.clone()
            }
            Term::Function(function) => self.call(*function, operand.at, &[], dot, None)?,
            Term::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
            Term::Nil => Data::Nil,
            Term::Bool(truth) => Data::Bool(*truth),
            Term::Int(number) => Data::Int(*number),
            Term::Text(text) => Data::Text(Cow::Borrowed(text)),
        };
        for name in &operand.fields {
            value = self.field(&value, name, operand.at)?;
        }
        Ok(value)
    }

    fn field(&self, value: &Data<'a>, name: &str, at: usize) -> Result<Data<'a>, Fault> {
        match value {
            Data::Nil => Ok(Data::Nil),
            Data::Root => match self.scope.get(name) {
                Some(value) => Ok(value.into()),
                None => Err(Fault::new(at, format!("there is no .{name} here"))),
            },
            Data::Map(map) => Ok(map
                .get(name)
                .map_or(Data::Nil, |text| Data::Text(Cow::Borrowed(text)))),
            other => Err(Fault::new(
                at,
                format!("{} has no field .{name}", other.kind()),
            )),
        }
    }
}

/// Whether a function takes so many arguments.
pub(super) fn check_arity(function: Function, given: usize) -> Result<(), String> {
    let (fewest, most) = function.arity();
    if (fewest..=most).contains(&given) {
        return Ok(());
    }
    let bound = match (given < fewest, fewest == most) {
        (_, true) => format!("{fewest}"),
        (true, false) => format!("at least {fewest}"),
        (false, false) => format!("at most {most}"),
    };
    let name = format!("{function:?}").to_ascii_lowercase();
    Err(format!("{name} takes {bound} arguments, not {given}"))
}

fn undefined(name: &str, at: usize) -> Fault {
    Fault::new(at, format!("undefined variable {name}"))
}
