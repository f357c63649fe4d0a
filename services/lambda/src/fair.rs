//! Which function gets the next environment when the host has no room for more.
//!
//! Environments are counted places. While there are free ones, whoever asks gets one. When there are none, requests wait by
//! function, and a place that comes free goes to the waiting function that holds the fewest; among equals to the one that
//! got none for longest. So a function that floods the host holds what the others leave, and a function that has a request
//! now and then waits for one place to come free, not for the flood to end. An eighth of the places is beyond any one
//! function's reach: as long as only one floods, others need not wait even for that.
//!
//! Knows nothing of environments, accounts' limits or time.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::Arn;
use tokio::sync::oneshot;

/// Requests of one function that may wait. Ours: as many as an account may run at once.
const WAITING_MAX: usize = 1_000;

/// This share of the places is left by any one function to the others.
const RESERVE_SHARE: usize = 8;

/// See the module. `W` is what a function can hand from one of its requests to the next instead of a place.
#[derive(Debug)]
pub(crate) struct Fair<W> {
    state: Arc<Mutex<State<W>>>,
}

#[derive(Debug)]
struct State<W> {
    places_max: usize,
    taken: usize,
    shares: BTreeMap<Arn, Share<W>>,
    /// Counts places given, to tell who got one last.
    turn: u64,
}

#[derive(Debug)]
struct Share<W> {
    held: usize,
    last_turn: u64,
    waiting: VecDeque<oneshot::Sender<Grant<W>>>,
}

/// What a waiting request is given.
#[derive(Debug)]
pub(crate) enum Grant<W> {
    /// Room for a new environment.
    Place(Place<W>),
    /// An environment of the same function.
    HandedOn(W),
}

/// One of the places, until dropped.
#[derive(Debug)]
pub(crate) struct Place<W> {
    fair: Fair<W>,
    function: Arn,
}

/// Who would get a place that its holder gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heir {
    Nobody,
    Same,
    Other,
}

impl<W> Fair<W> {
    pub(crate) fn new(places_max: usize) -> Self {
        let state = State { places_max, taken: 0, shares: BTreeMap::new(), turn: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A place, if there is a free one.
    pub(crate) fn take(&self, function: &Arn) -> Option<Place<W>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.taken >= state.places_max || !state.may_have_more(function) {
            return None;
        }
        state.hold(function);
        Some(Place { fair: self.clone(), function: function.clone() })
    }

    /// Waits for what comes free. `None`: too many of this function wait already.
    pub(crate) fn wait(&self, function: &Arn) -> Option<oneshot::Receiver<Grant<W>>> {
        let (grant, granted) = oneshot::channel();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = &mut state.share(function).waiting;
            // Those who gave up leave no one behind them waiting.
            waiting.retain(|other| !other.is_closed());
            if waiting.len() >= WAITING_MAX {
                return None;
            }
            waiting.push_back(grant);
        }
        // A place may have come free before we were in the line.
        self.serve();
        Some(granted)
    }

    /// Whether a function holds as many places as one may.
    pub(crate) fn has_its_most(&self, function: &Arn) -> bool {
        !self.state.lock().unwrap_or_else(PoisonError::into_inner).may_have_more(function)
    }

    /// How many places a function holds.
    pub(crate) fn held(&self, function: &Arn) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.shares.get(function).map_or(0, |share| share.held)
    }

    /// Who would get the place that `function` gives back now.
    pub(crate) fn heir(&self, function: &Arn) -> Heir {
        match self.state.lock().unwrap_or_else(PoisonError::into_inner).next(Some(function)) {
            None => Heir::Nobody,
            Some(next) if next == *function => Heir::Same,
            Some(_) => Heir::Other,
        }
    }

    /// Gives what a function has finished with to the next of its requests. It comes back when none waits any more.
    pub(crate) fn hand_on(&self, function: &Arn, mut what: W) -> Result<(), W> {
        loop {
            let next = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.shares.get_mut(function).and_then(|share| share.waiting.pop_front())
            };
            let Some(next) = next else { return Err(what) };
            match next.send(Grant::HandedOn(what)) {
                Err(Grant::HandedOn(back)) => what = back,
                Ok(()) | Err(Grant::Place(_)) => return Ok(()),
            }
        }
    }

    /// Gives free places to those who wait.
    fn serve(&self) {
        loop {
            let (next, place) = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.taken >= state.places_max {
                    return;
                }
                let Some(function) = state.next(None) else { return };
                let Some(next) = state.share(&function).waiting.pop_front() else { return };
                state.hold(&function);
                (next, Place { fair: self.clone(), function })
            };
            // Outside of the lock: where nobody waits any more, the place comes back and is dropped, which serves the next.
            if next.send(Grant::Place(place)).is_err() {
                return;
            }
        }
    }
}

impl<W> State<W> {
    fn share(&mut self, function: &Arn) -> &mut Share<W> {
        let new = || Share { held: 0, last_turn: 0, waiting: VecDeque::new() };
        self.shares.entry(function.clone()).or_insert_with(new)
    }

    fn hold(&mut self, function: &Arn) {
        self.taken += 1;
        self.turn += 1;
        let turn = self.turn;
        let share = self.share(function);
        share.held += 1;
        share.last_turn = turn;
    }

    /// One function has at most seven eighths of the places, and at least one.
    fn may_have_more(&self, function: &Arn) -> bool {
        let most = self.places_max - self.places_max / RESERVE_SHARE;
        self.shares.get(function).is_none_or(|share| share.held < most)
    }

    /// The function whose turn it is, if `giving` gave a place back.
    fn next(&self, giving: Option<&Arn>) -> Option<Arn> {
        let waits = |share: &Share<W>| share.waiting.iter().any(|one| !one.is_closed());
        let of = |(function, share): (&Arn, &Share<W>)| {
            (share.held.saturating_sub(usize::from(giving == Some(function))), share.last_turn)
        };
        // Who gives one back may have it again.
        let may = |function: &Arn| giving == Some(function) || self.may_have_more(function);
        let waiting = self.shares.iter().filter(|(function, share)| waits(share) && may(function));
        waiting.min_by_key(|(function, share)| of((function, share))).map(|(function, _)| function.clone())
    }
}

impl<W> Drop for Place<W> {
    fn drop(&mut self) {
        {
            let mut state = self.fair.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.taken = state.taken.saturating_sub(1);
            let share = state.share(&self.function);
            share.held = share.held.saturating_sub(1);
            if share.held == 0 && share.waiting.is_empty() {
                state.shares.remove(&self.function);
            }
        }
        self.fair.serve();
    }
}

impl<W> Clone for Fair<W> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Waiting = oneshot::Receiver<Grant<u32>>;

    fn arn(name: &str) -> Arn {
        Arn::parse(&["arn:aws:lambda:us-east-1:123456789012:function", name].join(":")).unwrap()
    }

    fn place(waiting: &mut Waiting) -> Option<Place<u32>> {
        match waiting.try_recv() {
            Ok(Grant::Place(place)) => Some(place),
            _ => None,
        }
    }

    #[test]
    fn a_flood_delays_another_function_by_one_place_and_not_by_its_length() {
        let (fair, flood, quiet) = (Fair::<u32>::new(4), arn("flood"), arn("quiet"));
        let mut held: Vec<_> = (0..4).map(|_| fair.take(&flood).unwrap()).collect();
        assert!(fair.take(&quiet).is_none());
        let mut line: Vec<Waiting> = (0..WAITING_MAX).map(|_| fair.wait(&flood).unwrap()).collect();
        let mut late = fair.wait(&quiet).unwrap();
        assert_eq!(fair.heir(&flood), Heir::Other);
        held.pop();
        let got = place(&mut late).expect("the first place that comes free");
        assert!(line.iter_mut().all(|one| place(one).is_none()));
        // Two who both wait without end share evenly.
        let mut quiets: Vec<Waiting> = (0..100).map(|_| fair.wait(&quiet).unwrap()).collect();
        drop(held.pop());
        assert!(quiets.iter_mut().any(|one| place(one).map(|place| held.push(place)).is_some()));
        assert_eq!((fair.held(&flood), fair.held(&quiet)), (2, 2));
        drop(got);
    }

    #[test]
    fn one_function_never_has_every_place_and_gets_one_again_when_it_has_given_one_back() {
        let (fair, flood) = (Fair::<u32>::new(16), arn("flood"));
        let mut held: Vec<_> = std::iter::from_fn(|| fair.take(&flood)).collect();
        assert_eq!(held.len(), 14);
        assert!(fair.has_its_most(&flood) && !fair.has_its_most(&arn("quiet")));
        let mut next = fair.wait(&flood).unwrap();
        assert!(place(&mut next).is_none());
        let quiet = fair.take(&arn("quiet"));
        assert!(quiet.is_some());
        held.pop();
        assert!(place(&mut next).is_some());
    }

    #[test]
    fn who_gave_up_is_passed_over() {
        let (fair, f) = (Fair::<u32>::new(1), arn("f"));
        let held = fair.take(&f).unwrap();
        drop(fair.wait(&f));
        let mut second = fair.wait(&f).unwrap();
        drop(held);
        let got = place(&mut second).unwrap();
        // A place that was given but not fetched comes back, too.
        let unfetched = fair.wait(&f).unwrap();
        drop(got);
        drop(unfetched);
        assert!(fair.take(&f).is_some());
    }

    #[test]
    fn what_a_function_has_finished_with_goes_to_its_own_next_request() {
        let (fair, f, g) = (Fair::<u32>::new(2), arn("f"), arn("g"));
        let _held = (fair.take(&f).unwrap(), fair.take(&f).unwrap());
        assert_eq!(fair.heir(&f), Heir::Nobody);
        assert_eq!(fair.hand_on(&f, 7), Err(7));
        let mut own = fair.wait(&f).unwrap();
        assert_eq!(fair.heir(&f), Heir::Same);
        assert_eq!(fair.hand_on(&g, 7), Err(7));
        assert_eq!(fair.hand_on(&f, 7), Ok(()));
        assert!(matches!(own.try_recv(), Ok(Grant::HandedOn(7))));
    }

    #[test]
    fn a_line_has_an_end() {
        let (fair, f) = (Fair::<u32>::new(0), arn("f"));
        let line: Vec<_> = (0..WAITING_MAX).map(|_| fair.wait(&f).unwrap()).collect();
        assert!(fair.wait(&f).is_none());
        assert!(fair.wait(&arn("g")).is_some());
        drop(line);
        assert!(fair.wait(&f).is_some());
    }
}
