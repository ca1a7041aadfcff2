//! What goes wrong on demand.

use std::time::Duration;

use serde::Deserialize;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// This HTTP status, and nothing is done.
    Status(u16),
    /// 429 with `Retry-After`, in seconds.
    Limited(u64),
    /// So many milliseconds late.
    Slow(u64),
    /// 200 with something that is no JSON.
    Garbage,
    /// What was asked for is done, but the answer is a 504.
    LostAnswer,
}

/// On which requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// Reading ones.
    Get,
    /// Changing ones.
    Put,
}

/// Something that goes wrong so many times, or until it is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// On which requests.
    #[serde(default)]
    pub scope: Scope,
    /// How many times; always if it is not given.
    pub times: Option<u32>,
}

/// The faults there are, used up one by one.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Fault {
    /// This on every request, until it is cleared.
    #[must_use]
    pub fn always(kind: Kind) -> Self {
        Self {
            kind,
            scope: Scope::All,
            times: None,
        }
    }
}

impl Kind {
    /// How late the answer is.
    #[must_use]
    pub fn delay(self) -> Duration {
        match self {
            Self::Slow(milliseconds) => Duration::from_millis(milliseconds),
            _ => Duration::ZERO,
        }
    }
}

impl Faults {
    /// One more, after those that are there.
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// None any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with this request.
    pub fn take(&mut self, method: &str) -> Option<Kind> {
        let hits = |fault: &Fault| match fault.scope {
            Scope::All => true,
            Scope::Get => method == "GET",
            Scope::Put => method == "PUT",
        };
        let index = self.0.iter().position(hits)?;
        let kind = self.0[index].kind;
        match &mut self.0[index].times {
            Some(0 | 1) => drop(self.0.remove(index)),
            Some(times) => *times -= 1,
            None => {}
        }
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_used_up_in_their_scope() {
        let mut faults = Faults::default();
        let text = r#"{"kind":{"status":503},"scope":"put","times":2}"#;
        faults.add(serde_json::from_str(text).unwrap());
        assert_eq!(faults.take("GET"), None);
        assert_eq!(faults.take("PUT"), Some(Kind::Status(503)));
        assert_eq!(faults.take("PUT"), Some(Kind::Status(503)));
        assert_eq!(faults.take("PUT"), None);
        faults.add(Fault::always(Kind::Garbage));
        assert_eq!(faults.take("GET"), Some(Kind::Garbage));
        faults.clear();
        assert_eq!(faults.take("GET"), None);
    }
}
