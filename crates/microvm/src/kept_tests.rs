//! Tests of what is kept, with things that are numbers and times that are said.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const BOUNDS: Bounds = Bounds {
    count: 3,
    bytes: 100,
    unused: Duration::from_mins(10),
    failed: Duration::from_mins(1),
    making: Duration::from_secs(30),
    turns: 3,
};

/// Where something is given up for taking too long: at once.
const SHORT: Bounds = Bounds { making: Duration::from_millis(20), ..BOUNDS };

const NONE: fn(&u32) -> bool = |_| false;

async fn get(kept: &Kept<u32, u32>, key: u32, bytes: u64) -> Result<u32, Error> {
    get_at(kept, key, bytes, Instant::now()).await
}

async fn get_at(kept: &Kept<u32, u32>, key: u32, bytes: u64, now: Instant) -> Result<u32, Error> {
    kept.get((key, now), NONE, || async move { Ok((key, bytes)) }).await
}

/// Counts how often something was begun, and how often it was given up or done.
#[derive(Clone, Default)]
struct Counted(Arc<(AtomicUsize, AtomicUsize)>);

struct Under(Counted);

impl Counted {
    fn begin(&self) -> Under {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        Under(self.clone())
    }

    fn begun_and_over(&self) -> (usize, usize) {
        (self.0.0.load(Ordering::SeqCst), self.0.1.load(Ordering::SeqCst))
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.0.1.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_fails_is_not_tried_again_by_everybody_who_wants_it() {
    let (kept, tried) = (Kept::<u32, u32>::new(BOUNDS), Counted::default());
    let failing = |now| {
        let tried = tried.clone();
        kept.get((1, now), NONE, move || async move {
            let _under = tried.begin();
            Err(Error::TimedOut("console".into()))
        })
    };
    assert!(matches!(failing(Instant::now()).await, Err(Error::Shared(_))));
    for _ in 0..100 {
        let again = failing(Instant::now()).await;
        assert!(matches!(again, Err(Error::Remembered(why)) if matches!(*why, Error::TimedOut(_))));
    }
    assert_eq!(tried.begun_and_over().0, 1);
    assert!(matches!(failing(Instant::now() + BOUNDS.failed).await, Err(Error::Shared(_))));
    assert_eq!(tried.begun_and_over().0, 2);
}

/// Begins what never ends.
async fn stuck(kept: &Kept<u32, u32>, tried: &Counted) -> Result<u32, Error> {
    let tried = tried.clone();
    let begin = move || async move {
        let _under = tried.begin();
        std::future::pending().await
    };
    kept.get((1, Instant::now()), NONE, begin).await
}

#[tokio::test]
async fn those_who_give_up_waiting_begin_nothing_anew() {
    let (kept, tried) = (Kept::new(BOUNDS), Counted::default());
    for _ in 0..20 {
        assert!(timeout(Duration::ZERO, stuck(&kept, &tried)).await.is_err());
    }
    tokio::task::yield_now().await;
    assert_eq!(tried.begun_and_over(), (1, 0));
}

#[tokio::test]
async fn what_takes_too_long_is_given_up_and_remembered() {
    let (kept, tried) = (Kept::new(SHORT), Counted::default());
    let given_up = stuck(&kept, &tried).await;
    assert!(matches!(given_up, Err(Error::Shared(why)) if matches!(*why, Error::TookTooLong(_))));
    assert_eq!(tried.begun_and_over(), (1, 1), "what was under way has ended");
    assert!(matches!(stuck(&kept, &tried).await, Err(Error::Remembered(_))));
    assert_eq!(tried.begun_and_over(), (1, 1));
}

#[tokio::test]
async fn whoever_waits_gets_what_was_made_once() {
    let (kept, tried) = (Kept::<u32, u32>::new(BOUNDS), Counted::default());
    let slow = || {
        let tried = tried.clone();
        kept.get((1, Instant::now()), NONE, move || async move {
            let _under = tried.begin();
            tokio::task::yield_now().await;
            Ok((7, 1))
        })
    };
    let (one, other) = tokio::join!(slow(), slow());
    assert_eq!((one.unwrap(), other.unwrap()), (7, 7));
    assert_eq!(tried.begun_and_over(), (1, 1));
}

#[tokio::test]
async fn no_more_are_kept_than_there_may_be_and_the_least_used_goes() {
    let kept = Kept::new(BOUNDS);
    // The last use of each counts: a second apart.
    let began = Instant::now();
    for (seconds, key) in [1, 2, 3, 3, 1].into_iter().enumerate() {
        let now = began + Duration::from_secs(u64::try_from(seconds).unwrap());
        get_at(&kept, key, 1, now).await.unwrap();
    }
    get(&kept, 4, 1).await.unwrap();
    assert_eq!(kept.made(), 3);
    let keys: Vec<u32> = kept.shelf.locked().keys().copied().collect();
    assert_eq!(keys, [1, 3, 4]);
    // Bytes count as well: of the others only the one that was used last has room beside this.
    get(&kept, 5, 99).await.unwrap();
    let keys: Vec<u32> = kept.shelf.locked().keys().copied().collect();
    assert_eq!(keys, [1, 5]);
    assert!(get(&kept, 6, 101).await.is_err(), "one alone may be too large");
}

#[tokio::test]
async fn where_all_are_being_made_another_waits_until_one_is_over() {
    let kept = Arc::new(Kept::<u32, u32>::new(BOUNDS));
    let mut endings = Vec::new();
    for key in 1..=3 {
        let kept = Arc::clone(&kept);
        let (end, ended) = tokio::sync::oneshot::channel();
        endings.push(end);
        let make = move || async move { ended.await.expect("as asked") };
        tokio::spawn(async move { kept.get((key, Instant::now()), NONE, make).await });
    }
    while kept.shelf.locked().len() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(timeout(Duration::ZERO, get(&kept, 4, 1)).await.is_err());
    assert_eq!(kept.shelf.locked().len(), 3, "nothing was begun");
    let waiting = [4, 5, 6].map(|key| {
        let kept = Arc::clone(&kept);
        tokio::spawn(async move { get(&kept, key, 1).await })
    });
    tokio::task::yield_now().await;
    // One is made, one fails, one panics.
    endings.pop().unwrap().send(Ok((3, 1))).unwrap();
    endings.pop().unwrap().send(Err(Error::Gone)).unwrap();
    drop(endings);
    for (waiting, key) in waiting.into_iter().zip(4..) {
        assert_eq!(waiting.await.unwrap().unwrap(), key);
    }
}

#[tokio::test]
async fn waiting_for_a_turn_is_not_taking_long() {
    let kept = Kept::<u32, u32>::new(Bounds { turns: 1, ..SHORT });
    let stuck = |key| kept.get((key, Instant::now()), NONE, std::future::pending);
    let (one, two, last) = tokio::join!(stuck(1), stuck(2), get(&kept, 3, 1));
    assert!(one.is_err() && two.is_err());
    assert_eq!(last.unwrap(), 3);
}

#[tokio::test]
async fn unused_ones_go_by_themselves_and_outdated_ones_at_once() {
    let kept = Kept::new(BOUNDS);
    let thing = Arc::new(());
    let held = Arc::clone(&thing);
    kept.get((1, Instant::now()), NONE, || async move { Ok((held, 1)) }).await.unwrap();
    kept.shelf.sweep(Instant::now());
    while Arc::strong_count(&thing) > 2 {
        tokio::task::yield_now().await;
    }
    kept.shelf.sweep(Instant::now() + BOUNDS.unused);
    assert_eq!(Arc::strong_count(&thing), 1, "nobody had to ask");

    let kept = Kept::new(BOUNDS);
    get(&kept, 1, 1).await.unwrap();
    kept.get((2, Instant::now()), |key| *key == 1, || async { Ok((2, 1)) }).await.unwrap();
    let keys: Vec<u32> = kept.shelf.locked().keys().copied().collect();
    assert_eq!(keys, [2]);
}

#[tokio::test]
async fn making_that_panics_is_made_again() {
    let kept = Kept::<u32, u32>::new(BOUNDS);
    let broken = kept.get((1, Instant::now()), NONE, || async { panic!("as asked") }).await;
    assert!(matches!(broken, Err(Error::Gone)));
    assert_eq!(get(&kept, 1, 1).await.unwrap(), 1);
}

#[tokio::test]
async fn what_others_have_made_counts_with_the_rest_and_is_found_until_it_goes() {
    let kept = Kept::new(BOUNDS);
    let began = Instant::now();
    let at = |seconds| began + Duration::from_secs(seconds);
    get_at(&kept, 1, 40, at(0)).await.unwrap();
    kept.put((2, at(1)), (22, 40)).unwrap();
    assert_eq!(kept.find((&2, at(2)), NONE), Some(22));
    assert_eq!(kept.find((&3, at(2)), NONE), None, "nothing is made");
    // The least used makes room, by bytes and by number, whoever made it.
    kept.put((3, at(3)), (33, 30)).unwrap();
    assert_eq!((kept.find((&1, at(3)), NONE), kept.find((&2, at(4)), NONE)), (None, Some(22)));
    kept.put((4, at(5)), (44, 1)).unwrap();
    get_at(&kept, 5, 1, at(6)).await.unwrap();
    assert_eq!(kept.shelf.locked().keys().copied().collect::<Vec<_>>(), [2, 4, 5]);
    assert!(matches!(kept.put((6, at(7)), (66, 101)), Err(Error::Refused(_))), "one alone may be too large");
    // In the place of what there was.
    kept.put((4, at(7)), (45, 2)).unwrap();
    assert_eq!(kept.find((&4, at(7)), NONE), Some(45));
    assert_eq!(kept.find((&4, at(8)), |key| *key == 4), None, "outdated ones go when others are looked for");
    assert_eq!(kept.find((&2, at(4) + BOUNDS.unused), NONE), None, "unused ones go");
    kept.put((7, at(900)), (77, 1)).unwrap();
    kept.forget(|key| *key == 7);
    assert_eq!(kept.find((&7, at(900)), NONE), None);
}

#[tokio::test]
async fn nothing_is_put_where_all_are_being_made() {
    let kept = Arc::new(Kept::<u32, u32>::new(BOUNDS));
    for key in 1..=3 {
        let kept = Arc::clone(&kept);
        tokio::spawn(async move { kept.get((key, Instant::now()), NONE, std::future::pending).await });
    }
    while kept.shelf.locked().len() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(kept.put((4, Instant::now()), (4, 1)), Err(Error::Refused(_))));
    assert!(matches!(kept.put((1, Instant::now()), (1, 1)), Err(Error::Refused(_))));
    kept.forget(|_| true);
    assert_eq!(kept.shelf.locked().len(), 3, "those go when they are made");
}
