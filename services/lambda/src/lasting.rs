//! Work that somebody waits for and that goes on to its end when nobody does any more.
//!
//! As long as somebody waits it is done in his task: no other has to be woken for it, nor he by another. Knows nothing of what
//! is done.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

/// See the module. Dropping it before its end gives the rest a task of its own.
pub(crate) struct Lasting<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T: Send + 'static> Lasting<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for Lasting<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // What panics is not there any more afterwards.
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Lasting<T> {
    fn drop(&mut self) {
        // Without a runtime the server has ended, and nothing goes on.
        if let (Some(rest), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            drop(runtime.spawn(rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_goes_on_from_where_it_was() {
        let ((begun, has_begun), (go_on, may_go_on)) = (oneshot::channel(), oneshot::channel());
        let (end, ended) = oneshot::channel();
        let lasting = Lasting::new(async move {
            begun.send(()).unwrap();
            may_go_on.await.unwrap();
            end.send(7).unwrap();
        });
        tokio::select! {
            biased;
            () = lasting => panic!("nobody said that it may go on"),
            begun = has_begun => begun.unwrap(),
        }
        go_on.send(()).unwrap();
        assert_eq!(ended.await, Ok(7));
    }

    #[tokio::test]
    async fn what_has_ended_is_not_done_again() {
        let lasting = Lasting::new(async { 7 });
        let runtime = Handle::current();
        assert_eq!(lasting.await, 7);
        tokio::task::yield_now().await;
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    }
}
