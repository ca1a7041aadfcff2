//! Answers that are ready together leave together.
//!
//! An HTTP/2 connection flushes after each answer, though it has more requests to look at: a TLS
//! record and a system call for each. What it writes while it is polled gathers here. The first
//! answer leaves at once, for its reader has work to do meanwhile; then twice as many each time; and
//! the rest at the end of the poll. A full record leaves in any case.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that gather at most: those of a TLS record.
const LIMIT: usize = 16 * 1024;
/// Room for some answers, so that it seldom has to grow.
const ROOM: usize = 4 * 1024;

/// A stream that its writer shares with whoever polls that. Law: what was flushed has left when
/// [`Self::around`] returns, or the task is woken when it can.
#[derive(Debug)]
pub(super) struct Corked<I>(Arc<Mutex<State<I>>>);

#[derive(Debug)]
struct State<I> {
    io: I,
    gathered: Vec<u8>,
    /// How many of them have left.
    left: usize,
    /// How many there were at the last flush.
    flushed: usize,
    /// Flushes that wait, and how many of them leave together.
    waiting: usize,
    together: usize,
    /// What went wrong when the writer was not there to be told.
    error: Option<io::Error>,
}

impl<I> Clone for Corked<I> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<I: AsyncWrite + Unpin> Corked<I> {
    pub(super) fn new(io: I) -> Self {
        Self(Arc::new(Mutex::new(State {
            io,
            gathered: Vec::new(),
            left: 0,
            flushed: 0,
            waiting: 0,
            together: 1,
            error: None,
        })))
    }

    /// Polls who writes, and sends what was written.
    pub(super) fn around<F: Future>(
        &self,
        writer: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Poll<F::Output> {
        self.lock().together = 1;
        let polled = writer.poll(context);
        let mut state = self.lock();
        match state.poll_send(context) {
            // Idle connections are to be small.
            Poll::Ready(Ok(())) => state.gathered = Vec::new(),
            Poll::Ready(Err(error)) => {
                state.error = Some(error);
                context.waker().wake_by_ref();
            }
            Poll::Pending => {}
        }
        polled
    }
}

impl<I> Corked<I> {
    fn lock(&self) -> MutexGuard<'_, State<I>> {
        // Streams that panic are closed, whatever they hold.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I: AsyncWrite + Unpin> State<I> {
    /// Sends all that has gathered.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left < self.gathered.len() {
            let rest = &self.gathered[self.left..];
            match ready!(Pin::new(&mut self.io).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.left += written,
            }
        }
        self.gathered.clear();
        (self.left, self.flushed, self.waiting) = (0, 0, 0);
        Pin::new(&mut self.io).poll_flush(context)
    }

    /// Something is to leave.
    fn poll_leave(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.flushed == self.gathered.len() {
            return Poll::Ready(Ok(()));
        }
        self.flushed = self.gathered.len();
        self.waiting += 1;
        if self.waiting < self.together {
            return Poll::Ready(Ok(()));
        }
        self.together *= 2;
        self.poll_send(context)
    }

    /// Waits for room; how much there is.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Err(error));
        }
        if self.gathered.len() >= LIMIT {
            ready!(self.poll_send(context))?;
        }
        Poll::Ready(Ok(LIMIT - self.gathered.len()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Corked<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().io).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Corked<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        let room = ready!(state.poll_room(context))?;
        let before = state.gathered.len();
        if before == 0 {
            state.gathered.reserve(ROOM);
        }
        for slice in slices {
            let rest = room - (state.gathered.len() - before);
            let taken = slice.len().min(rest);
            state.gathered.extend_from_slice(&slice[..taken]);
        }
        Poll::Ready(Ok(state.gathered.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        match state.error.take() {
            Some(error) => Poll::Ready(Err(error)),
            None => state.poll_leave(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        ready!(state.poll_send(context))?;
        Pin::new(&mut state.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// Remembers each write.
    #[derive(Default)]
    struct Writes(Vec<String>);

    impl AsyncWrite for Writes {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.push(String::from_utf8(bytes.to_vec()).unwrap());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn more_and_more_leave_together() {
        let corked = Corked::new(Writes::default());
        let writes = || std::mem::take(&mut corked.lock().io.0);
        let write = async |words: &[&str]| {
            let mut io = corked.clone();
            let mut writer = pin!(async move {
                for word in words {
                    io.write_all(word.as_bytes()).await.unwrap();
                    io.flush().await.unwrap();
                    // Nothing new.
                    io.flush().await.unwrap();
                }
            });
            poll_fn(|context| corked.around(writer.as_mut(), context)).await;
        };
        write(&["a", "b", "c", "d", "e"]).await;
        assert_eq!(writes(), ["a", "bc", "de"]);
        write(&["f", "g"]).await;
        assert_eq!(writes(), ["f", "g"]);
        let long = "long".repeat(LIMIT / 4);
        write(&["h", "i", &long]).await;
        assert_eq!(
            writes(),
            ["h", &format!("i{}", &long[..LIMIT - 1]), &long[LIMIT - 1..]]
        );
    }

    #[tokio::test]
    async fn a_reader_that_stands_still_stops_the_writer() {
        let (near, mut far) = duplex(1000);
        let corked = Corked::new(near);
        let mut io = corked.clone();
        let mut text = Vec::new();
        for number in 0..20_000 {
            text.extend_from_slice(format!("{number} ").as_bytes());
        }
        let sent = text.clone();
        let mut writer = pin!(async move {
            let slices = sent.chunks(7_000).map(IoSlice::new).collect::<Vec<_>>();
            let mut done = 0;
            while done < sent.len() {
                let rest = &slices[done / 7_000..];
                // Not from the middle of a slice: from its beginning, or that slice alone.
                done += match done % 7_000 {
                    0 => io.write_vectored(rest).await.unwrap(),
                    at => io.write(&rest[0][at..]).await.unwrap(),
                };
            }
            io.shutdown().await.unwrap();
        });
        let mut around = poll_fn(|context| corked.around(writer.as_mut(), context));
        assert_eq!((&mut around).now_or_never(), None);
        assert_eq!(corked.lock().gathered.len(), LIMIT);
        let mut read = Vec::new();
        let (_, result) = tokio::join!(around, far.read_to_end(&mut read));
        result.unwrap();
        assert_eq!(read, text);
    }

    #[tokio::test]
    async fn a_writer_hears_that_its_bytes_could_not_leave() {
        let (near, far) = duplex(1000);
        drop(far);
        let corked = Corked::new(near);
        let mut io = corked.clone();
        let mut writer = pin!(async move {
            io.write_all(b"lost").await.unwrap();
            tokio::task::yield_now().await;
            io.flush().await
        });
        let outcome = poll_fn(|context| corked.around(writer.as_mut(), context)).await;
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
