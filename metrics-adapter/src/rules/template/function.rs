//! Go's built-in template functions, except those that escape and those that call.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::format;
use super::syntax::Function;
use super::value::Data;

/// Calls a function; its number of arguments has been checked. `and` and `or` are evaluated
/// elsewhere, because they leave arguments alone.
pub(super) fn call<'a>(function: Function, arguments: &[Data<'a>]) -> Result<Data<'a>, String> {
    let text = |text: Result<String, String>| Ok(Data::Text(Cow::Owned(text?)));
    match (function, arguments) {
        (Function::Print, _) => text(format::print(arguments)),
        (Function::Println, _) => text(format::println(arguments)),
        (Function::Printf, [Data::Text(format), rest @ ..]) => text(format::printf(format, rest)),
        (Function::Printf, _) => Err("the format of printf must be a string".to_owned()),
        (Function::Not, [value]) => Ok(Data::Bool(!value.truth())),
        (Function::Len, [value]) => len(value),
        (Function::Index, [item, keys @ ..]) => index(item, keys),
        (Function::Slice, [item, bounds @ ..]) => slice(item, bounds),
        (Function::Eq, [first, others @ ..]) => any_equal(first, others).map(Data::Bool),
        (Function::Ne, [a, b]) => Ok(Data::Bool(!equal(a, b)?)),
        (Function::Lt, [a, b]) => Ok(Data::Bool(order(a, b)?.is_lt())),
        (Function::Le, [a, b]) => Ok(Data::Bool(order(a, b)?.is_le())),
        (Function::Gt, [a, b]) => Ok(Data::Bool(order(a, b)?.is_gt())),
        (Function::Ge, [a, b]) => Ok(Data::Bool(order(a, b)?.is_ge())),
        (function, _) => Err(format!("{function:?} cannot be called like this")),
    }
}

fn len<'a>(value: &Data<'_>) -> Result<Data<'a>, String> {
    let length = match value {
        // In bytes, as in Go.
        Data::Text(text) => text.len(),
        Data::List(list) => list.items().len(),
        Data::Map(map) => map.len(),
        _ => return Err(format!("len of {}", value.kind())),
    };
    i64::try_from(length)
        .map(Data::Int)
        .map_err(|_| "the length does not fit into 64 bits".to_owned())
}

fn index<'a>(item: &Data<'a>, keys: &[Data<'a>]) -> Result<Data<'a>, String> {
    if matches!(item, Data::Nil) {
        return Err("index of nil".to_owned());
    }
    let mut item = item.clone();
    for key in keys {
        item = match (&item, key) {
            (Data::Map(map), Data::Text(key)) => {
                Data::Text(map.get(key.as_ref()).map_or("", String::as_str).into())
            }
            (Data::Map(_), _) => {
                return Err(format!("a map has no {} as key", key.kind()));
            }
            (Data::List(list), _) => {
                let at = place(key, list.items().len())?;
                let found = list.items().get(at).ok_or_else(|| out_of_range(at))?;
                Data::Text(Cow::Borrowed(found))
            }
            (Data::Text(text), _) => {
                let at = place(key, text.len())?;
                let found = text.as_bytes().get(at).ok_or_else(|| out_of_range(at))?;
                Data::Byte(*found)
            }
            _ => return Err(format!("index of {}", item.kind())),
        };
    }
    Ok(item)
}

/// A number between 0 and the limit.
fn place(key: &Data<'_>, limit: usize) -> Result<usize, String> {
    let Some(number) = key.integer() else {
        return Err(format!("{} as index of a list or string", key.kind()));
    };
    match usize::try_from(number) {
        Ok(at) if at <= limit => Ok(at),
        _ => Err(out_of_range(number)),
    }
}

fn out_of_range(index: impl std::fmt::Display) -> String {
    format!("index {index} is out of range")
}

fn slice<'a>(item: &Data<'a>, bounds: &[Data<'a>]) -> Result<Data<'a>, String> {
    let (length, capacity) = match item {
        Data::Text(_) if bounds.len() == 3 => {
            return Err("slice of a string takes two indexes at most".to_owned());
        }
        Data::Text(text) => (text.len(), text.len()),
        Data::List(list) => (list.items().len(), list.capacity()),
        _ => return Err(format!("slice of {}", item.kind())),
    };
    let mut places = [0, length, capacity];
    for (place, bound) in places.iter_mut().zip(bounds) {
        *place = self::place(bound, capacity)?;
    }
    let [from, to, limit] = places;
    if from > to || to > limit {
        return Err("the indexes of slice are not in order".to_owned());
    }
    match item {
        Data::List(list) => Ok(Data::List(list.cut(from, to, limit))),
        Data::Text(text) => {
            let cut = text
                .get(from..to)
                .ok_or("slice would cut a character in two")?;
            Ok(Data::Text(Cow::Owned(cut.to_owned())))
        }
        _ => Err(format!("slice of {}", item.kind())),
    }
}

fn any_equal(first: &Data<'_>, others: &[Data<'_>]) -> Result<bool, String> {
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(a: &Data<'_>, b: &Data<'_>) -> Result<bool, String> {
    if let (Some(a), Some(b)) = (a.integer(), b.integer()) {
        return Ok(a == b);
    }
    match (a, b) {
        (Data::Bool(a), Data::Bool(b)) => Ok(a == b),
        (Data::Text(a), Data::Text(b)) => Ok(a == b),
        (Data::Nil, other) | (other, Data::Nil) => Ok(matches!(other, Data::Nil)),
        _ => Err(incomparable(a, b)),
    }
}

fn order(a: &Data<'_>, b: &Data<'_>) -> Result<Ordering, String> {
    if let (Some(a), Some(b)) = (a.integer(), b.integer()) {
        return Ok(a.cmp(&b));
    }
    match (a, b) {
        (Data::Text(a), Data::Text(b)) => Ok(a.cmp(b)),
        _ => Err(incomparable(a, b)),
    }
}

fn incomparable(a: &Data<'_>, b: &Data<'_>) -> String {
    format!("{} and {} cannot be compared", a.kind(), b.kind())
}
