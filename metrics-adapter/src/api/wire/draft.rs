//! JSON of an item with gaps: what many items share is written once, and copied.

use std::cell::RefCell;
use std::io;

use serde::{Serialize, Serializer};

/// An item in the making. Its slots tell it where they are.
#[derive(Debug)]
pub(in crate::api) struct Draft {
    text: RefCell<Vec<u8>>,
    gaps: RefCell<Vec<usize>>,
}

/// A field that is filled, or left open in a draft.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot<'a, T> {
    Filled(T),
    Open(&'a Draft),
}

impl<T: Copy> Slot<'_, T> {
    /// What it is filled with.
    pub(super) const fn get(&self) -> Option<T> {
        match self {
            Self::Filled(value) => Some(*value),
            Self::Open(_) => None,
        }
    }
}

/// What is written in an open slot, in order to be cut out.
const NOTHING: &str = "null";

impl<T: Serialize> Serialize for Slot<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Filled(value) => value.serialize(serializer),
            Self::Open(draft) => {
                draft.gaps.borrow_mut().push(draft.text.borrow().len());
                serializer.serialize_none()
            }
        }
    }
}

impl io::Write for &Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An item without what is in its gaps.
#[derive(Debug)]
pub(super) struct Template {
    text: Vec<u8>,
    gaps: Vec<usize>,
}

/// Bytes of most items.
const USUAL: usize = 512;

impl Default for Draft {
    fn default() -> Self {
        Self {
            text: RefCell::new(Vec::with_capacity(USUAL)),
            gaps: RefCell::new(Vec::with_capacity(2)),
        }
    }
}

impl Draft {
    /// Writes the item, whose open slots are this draft's.
    pub(super) fn write(&self, item: &impl Serialize) -> serde_json::Result<()> {
        serde_json::to_writer(self, item)
    }

    /// What was written, without the gaps.
    pub(super) fn finish(self) -> Template {
        let (mut text, mut gaps) = (self.text.into_inner(), self.gaps.into_inner());
        for (number, gap) in gaps.iter_mut().enumerate() {
            // Those before it are gone.
            *gap -= number * NOTHING.len();
            text.drain(*gap..*gap + NOTHING.len());
        }
        Template { text, gaps }
    }
}

impl Template {
    /// Bytes of the item without its gaps.
    pub(super) const fn len(&self) -> usize {
        self.text.len()
    }

    /// Appends the item; `fill` writes into the gap of that number.
    pub(super) fn fill<E>(
        &self,
        out: &mut Vec<u8>,
        mut fill: impl FnMut(usize, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut from = 0;
        for (number, &gap) in self.gaps.iter().enumerate() {
            out.extend_from_slice(&self.text[from..gap]);
            fill(number, out)?;
            from = gap;
        }
        out.extend_from_slice(&self.text[from..]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pair<'a> {
        first: Slot<'a, &'a str>,
        between: &'a str,
        second: Slot<'a, Option<u8>>,
    }

    #[test]
    fn filled_gaps_are_what_serde_writes() {
        let between = "null \" \u{0}";
        let draft = Draft::default();
        let open = Pair {
            first: Slot::Open(&draft),
            between,
            second: Slot::Open(&draft),
        };
        draft.write(&open).unwrap();
        let template = draft.finish();
        let mut out = Vec::new();
        for (first, second) in [("a", Some(7)), ("\"\n", None)] {
            let pair = Pair {
                first: Slot::Filled(first),
                between,
                second: Slot::Filled(second),
            };
            out.clear();
            let filled = template.fill(&mut out, |number, out| match number {
                0 => serde_json::to_writer(out, first),
                _ => serde_json::to_writer(out, &second),
            });
            filled.unwrap();
            assert_eq!(out, serde_json::to_vec(&pair).unwrap());
        }
    }
}
