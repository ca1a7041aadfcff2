//! Cache keys of fixed size, whatever a caller sends, that do not give credentials away.

use sha2::{Digest as _, Sha256};

/// A finished key.
pub(super) type Fingerprint = [u8; 32];

/// The key of one text where there is nothing else: it is copied nowhere, for it may be a credential.
pub(super) fn of(text: &str) -> Fingerprint {
    Sha256::digest(text).into()
}

/// Builds a key out of fields. Lengths go in as well, so that moving a character from one field
/// to the next makes another key.
pub(super) struct Fingerprinter(Vec<u8>);

/// Bytes that most keys are made of, at most.
const USUAL: usize = 256;
/// Stands before a number that does not fit into a byte.
const LARGE: u8 = u8::MAX;

impl Default for Fingerprinter {
    fn default() -> Self {
        Self(Vec::with_capacity(USUAL))
    }
}

impl Fingerprinter {
    pub(super) fn field(self, text: &str) -> Self {
        let mut this = self.count(text.len());
        this.0.extend_from_slice(text.as_bytes());
        this
    }

    /// A finished key, whose length is always the same.
    pub(super) fn key(mut self, key: &Fingerprint) -> Self {
        self.0.extend_from_slice(key);
        self
    }

    pub(super) fn list<'a>(self, items: impl ExactSizeIterator<Item = &'a String>) -> Self {
        let start = self.count(items.len());
        items.fold(start, |this, item| this.field(item))
    }

    pub(super) fn count(mut self, number: usize) -> Self {
        match u8::try_from(number) {
            Ok(small) if small != LARGE => self.0.push(small),
            _ => {
                self.0.push(LARGE);
                self.0.extend_from_slice(&number.to_le_bytes());
            }
        }
        self
    }

    pub(super) fn finish(self) -> Fingerprint {
        Sha256::digest(&self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_begins_with_another() {
        let numbers = [0, 1, 254, 255, 256, 257, 511, usize::MAX];
        let written = numbers.map(|number| Fingerprinter::default().count(number).0);
        for (place, one) in written.iter().enumerate() {
            let rest = &written[place + 1..];
            assert!(
                rest.iter()
                    .all(|other| !other.starts_with(one) && !one.starts_with(other))
            );
        }
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let of = |a: &str, b: &str| Fingerprinter::default().field(a).field(b).finish();
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_eq!(of("ab", "c"), of("ab", "c"));
        let (one, two) = (vec!["a".to_owned()], vec![]);
        assert_ne!(
            Fingerprinter::default()
                .list(one.iter())
                .list(two.iter())
                .finish(),
            Fingerprinter::default()
                .list(two.iter())
                .list(one.iter())
                .finish(),
        );
    }
}
