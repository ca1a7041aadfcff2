//! Shared flights: equal queries that overlap in time are asked once.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{Shared, WeakShared};

use crate::model::QueryValue;

/// A failure that every passenger gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whether the deadline passed.
    pub(super) timeout: bool,
    /// For the log.
    pub(super) reason: String,
}

type Outcome = Result<Arc<QueryValue>, Failure>;
type Flight = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The queries under way, by their text. An entry keeps nothing alive: when the last passenger
/// goes, the query is cancelled with it.
#[derive(Default)]
pub(super) struct Flights {
    board: Arc<Mutex<Board>>,
}

#[derive(Default)]
struct Board {
    by_query: HashMap<Arc<str>, (u64, WeakShared<Flight>)>,
    /// Number of the next flight: tells a flight from a later one for the same query.
    next: u64,
}

impl Flights {
    /// Joins the query under way, or starts it.
    pub(super) async fn join<F>(&self, promql: String, start: impl FnOnce(Arc<str>) -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let promql: Arc<str> = promql.into();
        let flight = {
            let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
            match board
                .by_query
                .get(&promql)
                .and_then(|(_, flight)| flight.upgrade())
            {
                Some(flight) => flight,
                None => {
                    let number = board.next;
                    board.next += 1;
                    let landing = Landing {
                        board: Arc::clone(&self.board),
                        promql: Arc::clone(&promql),
                        number,
                    };
                    let query = start(Arc::clone(&promql));
                    let flight: Shared<Flight> = async move {
                        let _landing = landing;
                        query.await
                    }
                    .boxed()
                    .shared();
                    // A flight that has not been polled yet can always be downgraded.
                    if let Some(weak) = flight.downgrade() {
                        board.by_query.insert(promql, (number, weak));
                    }
                    flight
                }
            }
        };
        flight.await
    }
}

/// Takes a flight off the board when it has landed or was cancelled.
struct Landing {
    board: Arc<Mutex<Board>>,
    promql: Arc<str>,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        if board
            .by_query
            .get(&self.promql)
            .is_some_and(|(number, _)| *number == self.number)
        {
            board.by_query.remove(&self.promql);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn answer() -> Outcome {
        Ok(Arc::new(QueryValue::Vector(Vec::new())))
    }

    async fn slow(started: Arc<AtomicUsize>) -> Outcome {
        started.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
        answer()
    }

    #[tokio::test(start_paused = true)]
    async fn equal_queries_share_a_flight_and_later_ones_start_anew() {
        let flights = Flights::default();
        let started = Arc::new(AtomicUsize::new(0));
        let ask = |q: &str| flights.join(q.to_owned(), |_| slow(Arc::clone(&started)));
        let (a, b, c) = tokio::join!(ask("x"), ask("x"), ask("y"));
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(started.load(Ordering::Relaxed), 2);
        assert!(ask("x").await.is_ok());
        assert_eq!(started.load(Ordering::Relaxed), 3);
        assert!(flights.board.lock().unwrap().by_query.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_passenger_may_leave_without_harm() {
        let flights = Flights::default();
        let started = Arc::new(AtomicUsize::new(0));
        let ask = || flights.join("x".to_owned(), |_| slow(Arc::clone(&started)));
        let impatient = tokio::time::timeout(Duration::from_millis(10), ask());
        let (left, stayed) = tokio::join!(impatient, ask());
        assert!(left.is_err() && stayed.is_ok());
        assert_eq!(started.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_ends_with_its_last_passenger() {
        let flights = Flights::default();
        let started = Arc::new(AtomicUsize::new(0));
        let ask = || flights.join("x".to_owned(), |_| slow(Arc::clone(&started)));
        assert!(
            tokio::time::timeout(Duration::from_millis(10), ask())
                .await
                .is_err()
        );
        assert!(flights.board.lock().unwrap().by_query.is_empty());
        assert!(ask().await.is_ok());
        assert_eq!(started.load(Ordering::Relaxed), 2);
    }
}
