//! Many requests that each need a start, and few turns for these.

use super::{
    starts::{HELD, Lines, go_on, held, held_in_turns},
    *,
};

/// Far longer than any of this takes.
const LONG: Duration = Duration::from_hours(1);

impl Host {
    /// Waits until a request of this revision waits in the line.
    async fn waits(&self, line: &Room, function: &Function) {
        while !line.awaits(&function.arn, &function.revision_id) {
            tokio::task::yield_now().await;
        }
    }

    fn turns(&self) -> &Room {
        self.invoker.turns.line()
    }
}

/// One that is loaded serves the next of its function.
async fn served(lines: &mut Lines) {
    go_on(lines.next_of("serves").await.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_whose_requests_all_need_a_start_leaves_a_turn_to_another() {
    // Of eight turns one function has seven.
    let (host, mut lines) = held_in_turns(64, Turns::new(8, LONG, LONG));
    let (flood, quiet) = (host.function("flood", HELD, &[]).await, host.function("quiet", HELD, &[]).await);
    let flooding: Vec<_> = (0..20).map(|_| host.ask(&flood)).collect();
    let mut loading = Vec::new();
    for _ in 0..7 {
        loading.push(lines.next_of("loads").await.0);
    }
    while host.room_held(&flood) != 20 {
        tokio::task::yield_now().await;
    }
    let request = host.ask(&quiet);
    go_on(lines.next_of("loads").await.0).await;
    served(&mut lines).await;
    request.await.unwrap().unwrap();
    assert!(lines.is_quiet(), "an eighth of the flood's loads");
    // Each that is done makes room for one start, or its environment serves who has waited for a turn.
    for line in loading {
        go_on(line).await;
    }
    let mut left = flooding.len();
    while left > 0 {
        let (line, said) = lines.next().await;
        left -= usize::from(said.starts_with("serves"));
        go_on(line).await;
    }
    for request in flooding {
        request.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_turn_goes_on_where_another_request_has_ended() {
    let (host, mut lines) = held_in_turns(8, Turns::new(1, LONG, LONG));
    let f = host.function("f", HELD, &[]).await;
    let first = host.ask(&f);
    go_on(lines.next_of("loads").await.0).await;
    let (serving, by) = lines.next_of("serves").await;
    // The second has the turn and is loaded, the third waits.
    let second = host.ask(&f);
    let loading = lines.next_of("loads").await.0;
    let third = host.ask(&f);
    host.waits(host.turns(), &f).await;
    assert_eq!(host.room_held(&f), 3);
    go_on(serving).await;
    let (line, same) = lines.next_of("serves").await;
    assert_eq!(same, by, "its own is not started");
    while host.room_held(&f) != 2 {
        tokio::task::yield_now().await;
    }
    go_on(line).await;
    go_on(loading).await;
    served(&mut lines).await;
    for request in [first, second, third] {
        request.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_takes_long_keeps_nobody_waiting() {
    let (host, mut lines) = held_in_turns(8, Turns::new(1, Duration::ZERO, LONG));
    let (slow, other) = (host.function("slow", HELD, &[]).await, host.function("other", HELD, &[]).await);
    let first = host.ask(&slow);
    let loading = lines.next_of("loads").await.0;
    let second = host.ask(&other);
    go_on(lines.next_of("loads").await.0).await;
    served(&mut lines).await;
    second.await.unwrap().unwrap();
    go_on(loading).await;
    served(&mut lines).await;
    first.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_principal_has_used_meanwhile_is_not_taken_back_for_whoever_waits() {
    let host = host(2);
    let f = host.function("f", "def handler(event, context):\n  return 1\n", &[]).await;
    host.invoke(&f, "{}").await.unwrap();
    let pool = &host.invoker.pool;
    let idle = loop {
        if let Some(idle) = pool.take(&f, Wanted::Any, host.later(0)) {
            break idle;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(pool.take_back(&idle), None, "it is not idle");
    for (fit_for, taken) in
        [(FitFor::Principal("ann".to_owned()), false), (FitFor::Everybody, true), (FitFor::Reuse, true)]
    {
        pool.put(Arc::clone(&idle), fit_for.clone(), host.later(0));
        assert_eq!(pool.take_back(&idle), taken.then_some(fit_for));
        pool.remove(&idle);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_waited_long_enough_starts_beside_the_others() {
    let (host, mut lines) = held_in_turns(8, Turns::new(1, LONG, Duration::ZERO));
    let (slow, other) = (host.function("slow", HELD, &[]).await, host.function("other", HELD, &[]).await);
    let first = host.ask(&slow);
    let loading = lines.next_of("loads").await.0;
    let second = host.ask(&other);
    go_on(lines.next_of("loads").await.0).await;
    served(&mut lines).await;
    second.await.unwrap().unwrap();
    go_on(loading).await;
    served(&mut lines).await;
    first.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_another_revision_is_kept_for_its_own_requests() {
    let (host, mut lines) = held_in_turns(8, Turns::new(1, LONG, LONG));
    let old = host.function("f", HELD, &[]).await;
    let new = host.function("f", HELD, &[]).await;
    let first = host.ask(&new);
    go_on(lines.next_of("loads").await.0).await;
    let (serving, by) = lines.next_of("serves").await;
    let other = host.function("other", HELD, &[]).await;
    let second = host.ask(&other);
    let loading = lines.next_of("loads").await.0;
    // A request that has found the function as it was before waits for its turn.
    let late = host.ask(&old);
    host.waits(host.turns(), &old).await;
    go_on(serving).await;
    first.await.unwrap().unwrap();
    // The next of the new one is served where the first was: nobody else has had that.
    let third = host.ask(&new);
    let (line, same) = lines.next_of("serves").await;
    assert_eq!(same, by);
    go_on(line).await;
    third.await.unwrap().unwrap();
    go_on(loading).await;
    served(&mut lines).await;
    second.await.unwrap().unwrap();
    go_on(lines.next_of("loads").await.0).await;
    let (line, its_own) = lines.next_of("serves").await;
    assert_ne!(its_own, by);
    go_on(line).await;
    late.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_host_a_request_of_another_revision_gets_the_room_and_not_what_is_in_it() {
    let (host, mut lines) = held(1);
    let old = host.function("f", HELD, &[]).await;
    let new = host.function("f", HELD, &[]).await;
    let first = host.ask(&new);
    go_on(lines.next_of("loads").await.0).await;
    let (serving, by) = lines.next_of("serves").await;
    let late = host.ask(&old);
    host.waits(&host.invoker.host.as_ref().unwrap().room, &old).await;
    go_on(serving).await;
    first.await.unwrap().unwrap();
    go_on(lines.next_of("loads").await.0).await;
    let (line, its_own) = lines.next_of("serves").await;
    assert_ne!(its_own, by);
    go_on(line).await;
    late.await.unwrap().unwrap();
}
