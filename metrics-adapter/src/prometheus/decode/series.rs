//! The list of series, decoded while it comes.
//!
//! Law: what is kept of it grows with its shapes, not with its series. serde_json takes a stream byte by
//! byte, and is several times as fast in memory: each series is decoded from a buffer that holds it whole.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::super::{SeriesSet, SeriesShape};
use super::{BEGINNING, Envelope, PrometheusError, Text, judge};

/// Bytes that are read at once, unless one value is longer.
const BUFFER: usize = 64 << 10;
/// Labels of a series that need no second allocation.
const LABELS: usize = 16;

/// Decodes the answer of `/api/v1/series` while it is read.
///
/// # Errors
/// [`PrometheusError::Api`] and [`PrometheusError::Decode`].
pub fn series(status: u16, body: impl Read) -> Result<SeriesSet, PrometheusError> {
    let mut stream = Stream::new(body);
    let parsed = stream.envelope();
    judge(status, parsed, &stream.source.beginning)
}

/// JSON of which only a piece is in memory.
struct Stream<R> {
    source: Remembered<R>,
    buffer: Vec<u8>,
    /// What the buffer has before it is decoded.
    at: usize,
    /// Bytes that were in the buffer before its beginning.
    gone: usize,
    /// Whether the source has no more.
    ended: bool,
}

impl<R: Read> Stream<R> {
    const fn new(source: R) -> Self {
        Self {
            source: Remembered::new(source),
            buffer: Vec::new(),
            at: 0,
            gone: 0,
            ended: false,
        }
    }

    fn envelope(&mut self) -> Result<Envelope<'static, SeriesSet>, String> {
        let mut envelope = Envelope::default();
        self.expect(b'{')?;
        if !self.accept(b'}')? {
            loop {
                let key: String = self.owned()?;
                self.expect(b':')?;
                match key.as_str() {
                    "status" => envelope.status = Cow::Owned(self.owned()?),
                    "data" => envelope.data = self.data()?,
                    "errorType" => envelope.error_type = self.owned()?,
                    "error" => envelope.error = self.owned()?,
                    _ => _ = self.owned::<IgnoredAny>()?,
                }
                if !self.accept(b',')? {
                    break;
                }
            }
            self.expect(b'}')?;
        }
        match self.peek()? {
            None => Ok(envelope),
            Some(_) => Err(self.told("trailing characters")),
        }
    }

    /// The list itself; `null` is none.
    fn data(&mut self) -> Result<Option<SeriesSet>, String> {
        if self.peek()? == Some(b'n') {
            return self.owned().map(|()| None);
        }
        let mut shapes = Shapes::default();
        self.expect(b'[')?;
        if !self.accept(b']')? {
            loop {
                self.value(|text| {
                    let (shape, length) = first::<Shape<'_>>(text)?;
                    shapes.add(shape);
                    Ok(((), length))
                })?;
                if !self.accept(b',')? {
                    break;
                }
            }
            self.expect(b']')?;
        }
        Ok(Some(shapes.set))
    }

    fn owned<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        self.value(|text| first(text))
    }

    /// What `decode` makes of the text, and of how much of it. It is called again while the value's end
    /// is not in memory; never again once it took an object.
    fn value<T>(
        &mut self,
        mut decode: impl FnMut(&[u8]) -> serde_json::Result<(T, usize)>,
    ) -> Result<T, String> {
        loop {
            match decode(&self.buffer[self.at..]) {
                Ok((value, length)) if self.ended || self.is_over(length) => {
                    self.at += length;
                    return Ok(value);
                }
                Err(error) if self.ended || !error.is_eof() => return Err(self.told(error)),
                Ok(_) | Err(_) => self.fill()?,
            }
        }
    }

    /// Whether a value so long is over: a number at the end of the buffer may go on.
    fn is_over(&self, length: usize) -> bool {
        let end = self.at + length;
        end < self.buffer.len() || !self.buffer[end - 1].is_ascii_digit()
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Result<Option<u8>, String> {
        loop {
            let rest = &self.buffer[self.at..];
            let space = rest.iter().take_while(|byte| b" \n\r\t".contains(byte));
            self.at += space.count();
            match self.buffer.get(self.at) {
                Some(byte) => return Ok(Some(*byte)),
                None if self.ended => return Ok(None),
                None => self.fill()?,
            }
        }
    }

    fn accept(&mut self, byte: u8) -> Result<bool, String> {
        let found = self.peek()? == Some(byte);
        self.at += usize::from(found);
        Ok(found)
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.accept(byte)? {
            return Ok(());
        }
        let problem = if self.ended && self.at == self.buffer.len() {
            "EOF".to_owned()
        } else {
            format!("no `{}`", char::from(byte))
        };
        Err(self.told(problem))
    }

    /// Reads more: as much again as there is to be decoded, so that a long value is not decoded often.
    fn fill(&mut self) -> Result<(), String> {
        self.buffer.drain(..self.at);
        self.gone += self.at;
        self.at = 0;
        let more = self.buffer.len().max(BUFFER) as u64;
        let read = self
            .source
            .by_ref()
            .take(more)
            .read_to_end(&mut self.buffer);
        let read = read.map_err(|error| self.told(error))?;
        self.ended = read == 0;
        Ok(())
    }

    /// A problem, and where it is.
    fn told(&self, problem: impl fmt::Display) -> String {
        format!("{problem}, from byte {}", self.gone + self.at)
    }
}

/// The first value of a text, and its length.
fn first<'a, T: Deserialize<'a>>(text: &'a [u8]) -> serde_json::Result<(T, usize)> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = T::deserialize(&mut json)?;
    Ok((value, json.into_iter::<IgnoredAny>().byte_offset()))
}

/// Collects the shapes.
#[derive(Default)]
struct Shapes {
    set: SeriesSet,
    /// Prometheus sorts series: most have the shape of the one before.
    last: Option<SeriesShape>,
}

impl Shapes {
    fn add(&mut self, mut shape: Shape<'_>) {
        self.set.count += 1;
        shape.labels.sort_unstable();
        shape.labels.dedup();
        if self.last.as_ref().is_some_and(|last| shape.is(last)) {
            return;
        }
        let name: Arc<str> = shape.name.as_ref().into();
        let least = SeriesShape {
            name: Arc::clone(&name),
            labels: BTreeSet::new(),
        };
        let alike = self.set.shapes.range(least..);
        let known = alike
            .take_while(|known| known.name == name)
            .find(|known| shape.is(known));
        self.last = Some(match known {
            Some(known) => known.clone(),
            None => {
                let labels = shape.labels.iter().map(|label| Arc::from(label.as_ref()));
                let labels = labels.collect();
                let shape = SeriesShape { name, labels };
                self.set.shapes.insert(shape.clone());
                shape
            }
        });
    }
}

/// One series: its name and label names; the values are passed over.
struct Shape<'a> {
    name: Cow<'a, str>,
    labels: Vec<Cow<'a, str>>,
}

impl Shape<'_> {
    /// With its labels sorted, each once.
    fn is(&self, known: &SeriesShape) -> bool {
        let labels = self.labels.iter().map(AsRef::as_ref);
        *known.name == *self.name && known.labels.iter().map(AsRef::as_ref).eq(labels)
    }
}

impl<'de> Deserialize<'de> for Shape<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Shape<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the labels of a series")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape<'de>, A::Error> {
                let mut shape = Shape {
                    name: Cow::Borrowed(""),
                    labels: Vec::with_capacity(LABELS),
                };
                while let Some(Text(key)) = map.next_key()? {
                    if key == "__name__" {
                        let Text(name) = map.next_value()?;
                        shape.name = name;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                        shape.labels.push(key);
                    }
                }
                Ok(shape)
            }
        }
        deserializer.deserialize_map(One)
    }
}

/// Keeps the beginning of what is read.
struct Remembered<R> {
    inner: R,
    beginning: Vec<u8>,
}

impl<R> Remembered<R> {
    const fn new(inner: R) -> Self {
        let beginning = Vec::new();
        Self { inner, beginning }
    }
}

impl<R: Read> Read for Remembered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let missing = BEGINNING - self.beginning.len();
        self.beginning
            .extend_from_slice(&buffer[..length.min(missing)]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With everything that JSON allows: space, escapes, other fields, any order.
    const ANSWER: &str = r#" { "took" : 12345 , "data":[
        {"__name__":"up","pod":"a","ns":"x"} , {"ns":"y","__name__":"u\u0070","pod":"b"},
        {"__name__":"up","node":"n"},{ },{"__name__":"up","pod":"é\"}]","ns":"z"}
        ],"warnings":["w",{"at":[1,2]}],"status":"success"}
        "#;
    const SHAPES: [&str; 3] = ["{}", r#"up{"node"}"#, r#"up{"ns", "pod"}"#];

    /// Gives so many bytes at a time.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(buffer.len());
            (&mut self.0).take(most as u64).read(buffer)
        }
    }

    fn shapes(set: &SeriesSet) -> Vec<String> {
        let shapes = set.shapes.iter();
        shapes
            .map(|shape| format!("{}{:?}", shape.name, shape.labels))
            .collect()
    }

    #[test]
    fn shapes_are_kept_and_series_counted() {
        let set = series(200, ANSWER.as_bytes()).unwrap();
        assert_eq!(
            (set.count, shapes(&set)),
            (5, SHAPES.map(str::to_owned).to_vec())
        );
        let none = series(200, &br#"{"status":"success","data":[]}"#[..]).unwrap();
        assert_eq!(none, SeriesSet::default());
    }

    #[test]
    fn it_does_not_matter_where_the_buffer_ends() {
        let whole = series(200, ANSWER.as_bytes()).unwrap();
        for before in 0..ANSWER.len() {
            // Space before the answer moves it over the end of the buffer.
            let moved = " ".repeat(BUFFER - before) + ANSWER;
            let set = series(200, Pieces(moved.as_bytes(), 1 + before)).unwrap();
            assert_eq!(set, whole, "{before}");
        }
    }

    #[test]
    fn a_series_may_be_longer_than_the_buffer() {
        let long = "v".repeat(3 * BUFFER);
        let one = format!(r#"{{"__name__":"up","pod":"{long}"}}"#);
        let body = format!(r#"{{"status":"success","data":[{one},{one}]}}"#);
        let set = series(200, Pieces(body.as_bytes(), 4096)).unwrap();
        assert_eq!(
            (set.count, shapes(&set)),
            (2, vec![r#"up{"pod"}"#.to_owned()])
        );
    }

    #[test]
    fn what_is_cut_off_or_malformed_is_an_error() {
        let answer = ANSWER.trim_end();
        for end in 0..answer.len() {
            if let Some(cut) = answer.get(..end) {
                let error = series(200, cut.as_bytes()).unwrap_err();
                assert!(error.to_string().contains("EOF"), "{cut}: {error}");
            }
        }
        for (body, text) in [
            (
                r#"{"status":"success","data":[{"a":"b"},]}"#,
                "expected value",
            ),
            (
                r#"{"status":"success","data":[{"a":"b"}{"a":"b"}]}"#,
                "no `]`",
            ),
            (
                r#"{"status":"success","data":[{"a":"b",}]}"#,
                "trailing comma",
            ),
            (
                r#"{"status":"success","data":[["a"]]}"#,
                "the labels of a series",
            ),
            (
                r#"{"status":"success","data":[{"__name__":1}]}"#,
                "a string",
            ),
            (
                r#"{"status":"success","data":{"a":"b"}}"#,
                "no `[`, from byte 27",
            ),
            (r#"{"status":"success","data":nil}"#, "expected ident"),
            (r#"{"status":"success","data":null}"#, "no data"),
            (r#"{"status":"success","data":[]} x"#, "trailing characters"),
            (r#"{"data":[]}"#, "no data"),
            (r#"{"status" "success"}"#, "no `:`"),
            (
                r#"{"status":"error","errorType":"bad_data","error":"parse"}"#,
                "bad_data: parse",
            ),
            (
                "<html>login</html>",
                "no `{`, from byte 0 in \"<html>login</html>\"",
            ),
        ] {
            let error = series(200, body.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(text), "{body}: {error}");
        }
    }

    #[test]
    fn a_stream_that_breaks_is_an_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let error = series(200, ANSWER.as_bytes()[..40].chain(Broken)).unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }
}
