//! The processor's own counter, by which the kernel of an emulated machine tells the time.

use std::{io, sync::OnceLock};

/// How many thousands a second the host's time-stamp counter counts. Measured once in a process, which takes 20 ms without rest.
///
/// # Errors
/// Where there is no such counter that counts steadily: on other processors than x86-64, and where it stands still.
pub fn counter_khz() -> io::Result<u64> {
    static MEASURED: OnceLock<Option<u64>> = OnceLock::new();
    let measured = MEASURED.get_or_init(|| measured(sample));
    measured.ok_or_else(|| io::Error::other("the processor has no counter that tells the time"))
}

/// Nanoseconds and the counter at one moment.
type Sample = (i128, u64);

/// From two samples, `None` where the counter does not go on.
fn measured(mut sample: impl FnMut() -> Option<Sample>) -> Option<u64> {
    let (began, first) = sample()?;
    loop {
        let (now, count) = sample()?;
        let elapsed = u64::try_from(now - began).ok()?;
        if elapsed >= MEASURED_NS {
            let counted = count.checked_sub(first)?;
            return u64::try_from(u128::from(counted) * NS_PER_MS / u128::from(elapsed))
                .ok()
                .filter(|khz| *khz > 0);
        }
    }
}

/// The moment that is known best of some: whoever is interrupted between two clocks has another moment for each.
fn sample() -> Option<Sample> {
    let mut best: Option<(i128, Sample)> = None;
    for _ in 0..TRIES {
        let before = now();
        let count = counter()?;
        let took = now() - before;
        if best.is_none_or(|(least, _)| took < least) {
            best = Some((took, (before + took / 2, count)));
        }
    }
    best.map(|(_, sample)| sample)
}

/// The clock that nobody sets or slews.
fn now() -> i128 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_RAW, &raw mut time) };
    i128::from(time.tv_sec) * NS_PER_S + i128::from(time.tv_nsec)
}

#[cfg(target_arch = "x86_64")]
#[expect(clippy::unnecessary_wraps, reason = "other processors have none")]
fn counter() -> Option<u64> {
    // SAFETY: reads a register that every x86-64 processor has.
    Some(unsafe { std::arch::x86_64::_rdtsc() })
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> Option<u64> {
    None
}

const NS_PER_S: i128 = 1_000_000_000;
const NS_PER_MS: u128 = 1_000_000;
/// An error of a microsecond at either end is one in ten thousand.
const MEASURED_NS: u64 = 20_000_000;
const TRIES: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_what_was_counted_by_the_time_it_took() {
        let mut samples = [(5, 100), (6, 110), (40_000_005, 100_000_100)].into_iter();
        assert_eq!(measured(|| samples.next()), Some(2_500_000));
        for bad in [[(0, 100), (20_000_000, 100)], [(0, 100), (20_000_000, 99)], [(1, 100), (0, 101)]] {
            let mut samples = bad.into_iter();
            assert_eq!(measured(|| samples.next()), None, "{bad:?}");
        }
        assert_eq!(measured(|| None), None);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn two_measurements_of_this_processor_agree() {
        let (one, other) = (measured(sample).unwrap(), measured(sample).unwrap());
        assert!(one.abs_diff(other) < one / 100, "{one} {other}");
        assert!(counter_khz().unwrap().abs_diff(one) < one / 100);
    }
}
