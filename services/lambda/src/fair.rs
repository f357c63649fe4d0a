//! Which function gets the next environment when the host has no room for more.
//!
//! Environments are counted places, one that may bring companions several. While there are free ones, whoever asks gets one. When there are none, requests wait by
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
    /// Environments, and the places they take.
    held: usize,
    places: usize,
    last_turn: u64,
    waiting: VecDeque<Waiter<W>>,
}

/// A request in the line, how many places it needs, and of which revision what it is handed on must be.
#[derive(Debug)]
struct Waiter<W> {
    grant: oneshot::Sender<Grant<W>>,
    size: usize,
    revision: String,
}

impl<W> Waiter<W> {
    fn takes(&self, revision: &str) -> bool {
        !self.grant.is_closed() && self.revision == revision
    }
}

/// What a waiting request is given.
#[derive(Debug)]
pub(crate) enum Grant<W> {
    /// Room for a new environment.
    Place(Place<W>),
    /// An environment of the same function.
    HandedOn(W),
}

/// Room for one environment, until dropped.
#[derive(Debug)]
pub(crate) struct Place<W> {
    fair: Fair<W>,
    function: Arn,
    size: usize,
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

    /// Room of this size, if it is free and nobody waits for more than there is.
    pub(crate) fn take(&self, function: &Arn, size: usize) -> Option<Place<W>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let size = state.possible(size);
        if !state.has_room(size) || !state.may_have_more(function, size) || state.next(None).is_some() {
            return None;
        }
        state.hold(function, size);
        Some(Place { fair: self.clone(), function: function.clone(), size })
    }

    /// Waits for what comes free, or is handed on of this revision. `None`: too many of this function wait already.
    pub(crate) fn wait(
        &self,
        function: &Arn,
        size: usize,
        revision: &str,
    ) -> Option<oneshot::Receiver<Grant<W>>> {
        let (grant, granted) = oneshot::channel();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let size = state.possible(size);
            let waiting = &mut state.share(function).waiting;
            // Those who gave up leave no one behind them waiting.
            waiting.retain(|other| !other.grant.is_closed());
            if waiting.len() >= WAITING_MAX {
                return None;
            }
            waiting.push_back(Waiter { grant, size, revision: revision.to_owned() });
        }
        // A place may have come free before we were in the line.
        self.serve();
        Some(granted)
    }

    /// Whether a function holds as many places as one may, if it wants so many more.
    pub(crate) fn has_its_most(&self, function: &Arn, size: usize) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        !state.may_have_more(function, state.possible(size))
    }

    /// Places in all, and the most of them that one function can have.
    pub(crate) fn places(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.places_max, state.most())
    }

    /// How many environments a function has room for now.
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

    /// Does a request of this revision wait?
    pub(crate) fn awaits(&self, function: &Arn, revision: &str) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.shares.get(function).is_some_and(|share| share.waiting.iter().any(|one| one.takes(revision)))
    }

    /// A request waits no more that has dropped what it waited with.
    pub(crate) fn leave(&self, function: &Arn) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.share(function).waiting.retain(|other| !other.grant.is_closed());
        state.forget_unless_used(function);
    }

    /// Gives what a revision of a function has finished with to the next of its requests. It comes back when none waits any more.
    pub(crate) fn hand_on(&self, function: &Arn, revision: &str, mut what: W) -> Result<(), W> {
        loop {
            let next = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let next = state.shares.get_mut(function).and_then(|share| {
                    let at = share.waiting.iter().position(|one| one.takes(revision))?;
                    share.waiting.remove(at)
                });
                state.forget_unless_used(function);
                next
            };
            let Some(next) = next else { return Err(what) };
            match next.grant.send(Grant::HandedOn(what)) {
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
                let Some(function) = state.next(None) else { return };
                let waiting = &mut state.share(&function).waiting;
                waiting.retain(|other| !other.grant.is_closed());
                // They have gone just now.
                let Some(size) = waiting.front().map(|first| first.size) else { continue };
                if !state.has_room(size) {
                    // What comes free next is added to what is free: nobody takes it meanwhile.
                    return;
                }
                let Some(next) = state.share(&function).waiting.pop_front() else { return };
                state.hold(&function, size);
                (next, Place { fair: self.clone(), function, size })
            };
            // Outside of the lock: where nobody waits any more, the place comes back and is dropped, which serves the next.
            if next.grant.send(Grant::Place(place)).is_err() {
                return;
            }
        }
    }
}

impl<W> State<W> {
    /// A function that was not known counts as served just now: it stands before nobody who has waited longer.
    fn share(&mut self, function: &Arn) -> &mut Share<W> {
        let last_turn = self.turn;
        let new = || Share { held: 0, places: 0, last_turn, waiting: VecDeque::new() };
        self.shares.entry(function.clone()).or_insert_with(new)
    }

    fn forget_unless_used(&mut self, function: &Arn) {
        if self.shares.get(function).is_some_and(|share| share.held == 0 && share.waiting.is_empty()) {
            self.shares.remove(function);
        }
    }

    /// A host may be smaller than what is wanted: then it has room for one.
    fn possible(&self, size: usize) -> usize {
        size.min(self.places_max).max(1)
    }

    fn has_room(&self, size: usize) -> bool {
        self.taken + size <= self.places_max
    }

    fn hold(&mut self, function: &Arn, size: usize) {
        self.taken += size;
        self.turn += 1;
        let turn = self.turn;
        let share = self.share(function);
        share.held += 1;
        share.places += size;
        share.last_turn = turn;
    }

    fn most(&self) -> usize {
        self.places_max - self.places_max / RESERVE_SHARE
    }

    /// One function has at most seven eighths of the places, and at least one environment.
    fn may_have_more(&self, function: &Arn, size: usize) -> bool {
        let most = self.most();
        self.shares.get(function).is_none_or(|share| share.held == 0 || share.places + size <= most)
    }

    /// The function whose turn it is, if `giving` gave a place back.
    fn next(&self, giving: Option<&Arn>) -> Option<Arn> {
        let first =
            |share: &Share<W>| share.waiting.iter().find(|one| !one.grant.is_closed()).map(|one| one.size);
        let of = |(function, share): (&Arn, &Share<W>)| {
            (share.held.saturating_sub(usize::from(giving == Some(function))), share.last_turn)
        };
        // Who gives one back may have it again.
        let may = |function: &Arn, size| giving == Some(function) || self.may_have_more(function, size);
        let waiting = self.shares.iter();
        let waiting =
            waiting.filter(|(function, share)| first(share).is_some_and(|size| may(function, size)));
        waiting.min_by_key(|(function, share)| of((function, share))).map(|(function, _)| function.clone())
    }
}

impl<W> Drop for Place<W> {
    fn drop(&mut self) {
        {
            let mut state = self.fair.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.taken = state.taken.saturating_sub(self.size);
            let share = state.share(&self.function);
            share.held = share.held.saturating_sub(1);
            share.places = share.places.saturating_sub(self.size);
            state.forget_unless_used(&self.function);
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
        let mut held: Vec<_> = (0..4).map(|_| fair.take(&flood, 1).unwrap()).collect();
        assert!(fair.take(&quiet, 1).is_none());
        let mut line: Vec<Waiting> = (0..WAITING_MAX).map(|_| fair.wait(&flood, 1, "1").unwrap()).collect();
        let mut late = fair.wait(&quiet, 1, "1").unwrap();
        assert_eq!(fair.heir(&flood), Heir::Other);
        held.pop();
        let got = place(&mut late).expect("the first place that comes free");
        assert!(line.iter_mut().all(|one| place(one).is_none()));
        // Two who both wait without end share evenly.
        let mut quiets: Vec<Waiting> = (0..100).map(|_| fair.wait(&quiet, 1, "1").unwrap()).collect();
        drop(held.pop());
        assert!(quiets.iter_mut().any(|one| place(one).map(|place| held.push(place)).is_some()));
        assert_eq!((fair.held(&flood), fair.held(&quiet)), (2, 2));
        drop(got);
    }

    #[test]
    fn one_function_never_has_every_place_and_gets_one_again_when_it_has_given_one_back() {
        let (fair, flood) = (Fair::<u32>::new(16), arn("flood"));
        let mut held: Vec<_> = std::iter::from_fn(|| fair.take(&flood, 1)).collect();
        assert_eq!(held.len(), 14);
        assert!(fair.has_its_most(&flood, 1) && !fair.has_its_most(&arn("quiet"), 1));
        let mut next = fair.wait(&flood, 1, "1").unwrap();
        assert!(place(&mut next).is_none());
        let quiet = fair.take(&arn("quiet"), 1);
        assert!(quiet.is_some());
        held.pop();
        assert!(place(&mut next).is_some());
    }

    #[test]
    fn who_needs_several_places_gets_them_and_nobody_slips_in_before() {
        let (fair, small, large) = (Fair::<u32>::new(8), arn("small"), arn("large"));
        let mut held: Vec<_> = (0..6).map(|_| fair.take(&small, 1).unwrap()).collect();
        // Two are free, three are needed.
        assert!(fair.take(&large, 3).is_none());
        let mut waiting = fair.wait(&large, 3, "1").unwrap();
        assert!(place(&mut waiting).is_none());
        assert!(fair.take(&small, 1).is_none() && fair.take(&arn("other"), 1).is_none());
        held.pop();
        let got = place(&mut waiting).expect("three are free");
        assert_eq!((fair.held(&large), fair.held(&small)), (1, 5));
        assert!(fair.take(&small, 1).is_none());
        drop(got);
        // One function's places are counted, not its environments: seven of eight, and three more would be too many.
        held.truncate(1);
        let _large = (fair.take(&large, 3).unwrap(), fair.take(&large, 3).unwrap());
        assert!(fair.has_its_most(&large, 3) && fair.take(&large, 3).is_none());
        assert!(!fair.has_its_most(&large, 1));
    }

    #[test]
    fn a_host_that_is_smaller_than_what_is_wanted_has_room_for_one() {
        let (fair, large) = (Fair::<u32>::new(2), arn("large"));
        let one = fair.take(&large, 3).unwrap();
        assert!(fair.take(&large, 3).is_none());
        let mut next = fair.wait(&large, 3, "1").unwrap();
        drop(one);
        assert!(place(&mut next).is_some());
    }

    #[test]
    fn who_gave_up_is_passed_over() {
        let (fair, f) = (Fair::<u32>::new(1), arn("f"));
        let held = fair.take(&f, 1).unwrap();
        drop(fair.wait(&f, 1, "1"));
        let mut second = fair.wait(&f, 1, "1").unwrap();
        drop(held);
        let got = place(&mut second).unwrap();
        // A place that was given but not fetched comes back, too.
        let unfetched = fair.wait(&f, 1, "1").unwrap();
        drop(got);
        drop(unfetched);
        assert!(fair.take(&f, 1).is_some());
    }

    #[test]
    fn what_a_function_has_finished_with_goes_to_its_own_next_request() {
        let (fair, f, g) = (Fair::<u32>::new(2), arn("f"), arn("g"));
        let _held = (fair.take(&f, 1).unwrap(), fair.take(&f, 1).unwrap());
        assert_eq!(fair.heir(&f), Heir::Nobody);
        assert_eq!(fair.hand_on(&f, "1", 7), Err(7));
        let mut own = fair.wait(&f, 1, "1").unwrap();
        assert_eq!(fair.heir(&f), Heir::Same);
        assert_eq!(fair.hand_on(&g, "1", 7), Err(7));
        assert_eq!(fair.hand_on(&f, "1", 7), Ok(()));
        assert!(matches!(own.try_recv(), Ok(Grant::HandedOn(7))));
    }

    #[test]
    fn what_is_handed_on_passes_requests_of_other_revisions_by() {
        let (fair, f) = (Fair::<u32>::new(1), arn("f"));
        let held = fair.take(&f, 1).unwrap();
        let mut old = fair.wait(&f, 1, "1").unwrap();
        assert!(fair.awaits(&f, "1") && !fair.awaits(&f, "2") && !fair.awaits(&arn("g"), "1"));
        assert_eq!(fair.hand_on(&f, "2", 7), Err(7));
        let mut new = fair.wait(&f, 1, "2").unwrap();
        assert_eq!(fair.hand_on(&f, "2", 7), Ok(()));
        assert!(matches!(new.try_recv(), Ok(Grant::HandedOn(7))));
        drop(held);
        let held = place(&mut old).expect("it has kept its place in the line");
        drop((fair.wait(&f, 1, "1"), held));
        assert!(!fair.awaits(&f, "1"), "who gave up waits for nothing");
        fair.leave(&f);
        assert!(fair.state.lock().unwrap().shares.is_empty());
    }

    #[test]
    fn functions_that_were_not_there_before_keep_nobody_waiting() {
        let (fair, patient) = (Fair::<u32>::new(2), arn("zzz"));
        let mut held: VecDeque<_> =
            (0..2).map(|number| fair.take(&arn(&format!("first{number}")), 1).unwrap()).collect();
        let mut line: VecDeque<Waiting> = VecDeque::new();
        line.push_back(fair.wait(&arn("aaa"), 1, "1").unwrap());
        let mut waiting = fair.wait(&patient, 1, "1").unwrap();
        for number in 0..10 {
            // Its name is before any other's.
            line.push_back(fair.wait(&arn(&format!("a{number}")), 1, "1").unwrap());
            held.pop_front();
            if place(&mut waiting).is_some() {
                assert!(number < 3, "{number} came later and went first");
                return;
            }
            let served = line.iter_mut().find_map(place).expect("somebody has it");
            line.retain(|one| !one.is_terminated());
            held.push_back(served);
        }
        panic!("it waits for ever");
    }

    #[test]
    fn a_line_has_an_end() {
        let (fair, f) = (Fair::<u32>::new(0), arn("f"));
        let line: Vec<_> = (0..WAITING_MAX).map(|_| fair.wait(&f, 1, "1").unwrap()).collect();
        assert!(fair.wait(&f, 1, "1").is_none());
        assert!(fair.wait(&arn("g"), 1, "1").is_some());
        drop(line);
        assert!(fair.wait(&f, 1, "1").is_some());
    }
}
