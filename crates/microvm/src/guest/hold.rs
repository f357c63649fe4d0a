//! A function that stands still while its machine is copied.
//!
//! ```text
//!   running ──Hold──▶ held ──copied, or not──▶ held ──Refresh──▶ running      (its kernel has randomness and a time of its own)
//!                       └── could not be stopped: an error; the host copies nothing and ends the machine
//! ```
//! A copied kernel draws the same numbers as every other copy of it until it is given others. Only the agent, which gives it
//! those, runs meanwhile.

use std::io;

use casemate_sandbox::Environment;

use super::about;
use crate::protocol::Command;

/// What can be stopped as a whole.
pub(super) trait Stops {
    /// Returns when everything has stopped.
    async fn freeze(&self) -> io::Result<()>;
    async fn thaw(&self) -> io::Result<()>;
}

impl Stops for Environment {
    async fn freeze(&self) -> io::Result<()> {
        Self::freeze(self).await
    }

    async fn thaw(&self) -> io::Result<()> {
        Self::thaw(self).await
    }
}

/// Whether a function is held. Part of the memory that is copied.
#[derive(Debug, Default)]
pub(super) struct Hold(bool);

impl Hold {
    /// Stops it.
    pub(super) async fn begin(&mut self, function: &impl Stops) -> io::Result<()> {
        // From the attempt on: one that stands still by half is not to be worked with either.
        self.0 = true;
        about("stopping the function", function.freeze().await)
    }

    /// Whether this may be done. Some of what is done for a function would let it go on.
    pub(super) fn allows(&self, command: &Command) -> io::Result<()> {
        if self.0 && !matches!(command, Command::Usage | Command::Kill) {
            return Err(io::Error::other("the function is stopped to be copied"));
        }
        Ok(())
    }

    async fn end(&mut self, function: &impl Stops) -> io::Result<()> {
        if self.0 {
            about("letting the function go on", function.thaw().await)?;
            self.0 = false;
        }
        Ok(())
    }
}

/// Renews what copies share, and only then lets a function go on.
pub(super) async fn renewed(
    renew: impl FnOnce() -> io::Result<()>,
    held: Option<(&mut Hold, &impl Stops)>,
) -> io::Result<()> {
    renew()?;
    match held {
        Some((hold, function)) => hold.end(function).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Writes down what is done to it, and fails at one thing.
    #[derive(Default)]
    struct Recorded {
        done: RefCell<Vec<&'static str>>,
        fails_at: &'static str,
    }

    impl Recorded {
        fn note(&self, what: &'static str) -> io::Result<()> {
            self.done.borrow_mut().push(what);
            if what == self.fails_at { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(()) }
        }

        fn failing_at(fails_at: &'static str) -> Self {
            Self { fails_at, ..Self::default() }
        }
    }

    impl Stops for Recorded {
        async fn freeze(&self) -> io::Result<()> {
            self.note("freeze")
        }

        async fn thaw(&self) -> io::Result<()> {
            self.note("thaw")
        }
    }

    #[tokio::test]
    async fn function_goes_on_only_after_all_has_been_renewed() {
        let (function, mut hold) = (Recorded::default(), Hold::default());
        hold.begin(&function).await.unwrap();
        renewed(|| function.note("renew"), Some((&mut hold, &function))).await.unwrap();
        assert_eq!(*function.done.borrow(), ["freeze", "renew", "thaw"]);
        assert!(hold.allows(&Command::EndStrays).is_ok());
        renewed(|| function.note("renew"), Some((&mut hold, &function))).await.unwrap();
        assert_eq!(function.done.borrow().last(), Some(&"renew"), "what was not stopped is left alone");
    }

    #[tokio::test]
    async fn function_stands_still_where_something_could_not_be_renewed() {
        let (function, mut hold) = (Recorded::failing_at("renew"), Hold::default());
        hold.begin(&function).await.unwrap();
        renewed(|| function.note("renew"), Some((&mut hold, &function))).await.unwrap_err();
        assert_eq!(*function.done.borrow(), ["freeze", "renew"]);
        assert!(hold.allows(&Command::RunRuntime).is_err());
    }

    #[tokio::test]
    async fn failures_of_stopping_and_of_going_on_are_told_and_nothing_is_done_for_who_stands_still() {
        for fails_at in ["freeze", "thaw"] {
            let (function, mut hold) = (Recorded::failing_at(fails_at), Hold::default());
            let began = hold.begin(&function).await;
            assert_eq!(began.is_err(), fails_at == "freeze");
            let ended = renewed(|| Ok(()), Some((&mut hold, &function))).await;
            assert_eq!(ended.is_err(), fails_at == "thaw");
            assert_eq!(hold.allows(&Command::EndStrays).is_err(), fails_at == "thaw");
            assert!(hold.allows(&Command::Kill).is_ok() && hold.allows(&Command::Usage).is_ok());
        }
    }

    #[tokio::test]
    async fn machine_without_a_function_is_only_renewed() {
        let renewing = Recorded::default();
        renewed(|| renewing.note("renew"), None::<(&mut Hold, &Recorded)>).await.unwrap();
        assert_eq!(*renewing.done.borrow(), ["renew"]);
    }
}
