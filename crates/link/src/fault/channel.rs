use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_hsm::{Call, Command, Output, Reply};
use tokio::time::Instant;

use super::LinkFaults;
use super::table::LinkWay;
use crate::{BoxFuture, CallError, Channel, LinkError, Listener, Listening, Target, Transport};

/// A transport whose links can be broken.
#[derive(Debug)]
pub struct FaultyTransport {
    inner: Arc<dyn Transport>,
    faults: Arc<LinkFaults>,
}

impl FaultyTransport {
    /// `inner`, with the faults of a table.
    #[must_use]
    pub const fn new(inner: Arc<dyn Transport>, faults: Arc<LinkFaults>) -> Self {
        Self { inner, faults }
    }
}

impl Transport for FaultyTransport {
    fn dial(&self, target: Target) -> Arc<dyn Channel> {
        Arc::new(FaultyChannel {
            hsm: target.name.clone(),
            inner: self.inner.dial(target),
            faults: Arc::clone(&self.faults),
            held: AtomicUsize::new(0),
        })
    }

    fn listen(&self, listener: Listener) -> BoxFuture<'_, Result<Box<dyn Listening>, LinkError>> {
        self.inner.listen(listener)
    }

    fn faults(&self) -> Option<Arc<LinkFaults>> {
        Some(Arc::clone(&self.faults))
    }
}

#[derive(Debug)]
struct FaultyChannel {
    hsm: String,
    inner: Arc<dyn Channel>,
    faults: Arc<LinkFaults>,
    /// Operations that a fault holds on their way, which routing must see like those in flight.
    held: AtomicUsize,
}

impl Channel for FaultyChannel {
    fn execute<'a>(
        &'a self,
        call: Call<'a>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        if !self.faults.any() {
            return self.inner.execute(call, deadline);
        }
        Box::pin(async move {
            self.carry(LinkWay::ToHsm, deadline).await?;
            let answer = self.inner.execute(call, deadline).await;
            self.bring_back(answer, deadline).await
        })
    }

    fn manage(
        &self,
        command: Command,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        if !self.faults.any() {
            return self.inner.manage(command, deadline);
        }
        Box::pin(async move {
            self.carry(LinkWay::ToHsm, deadline).await?;
            let answer = self.inner.manage(command, deadline).await;
            self.bring_back(answer, deadline).await
        })
    }

    fn in_flight(&self) -> usize {
        self.inner.in_flight() + self.held.load(Ordering::Relaxed)
    }
}

impl FaultyChannel {
    /// Rule LINK-12: what is cut off or lost on its way is never told apart from an HSM that does
    /// not answer.
    async fn carry(&self, way: LinkWay, deadline: Instant) -> Result<(), LinkError> {
        let _held = WaitingOperation::on(&self.held);
        if self.faults.carry(&self.hsm, way, deadline).await {
            Ok(())
        } else {
            Err(LinkError::NoAnswer("the deadline passed".to_owned()))
        }
    }

    /// An answer of the HSM travels back; an error of the transport began on this side.
    async fn bring_back<T>(
        &self,
        answer: Result<T, CallError>,
        deadline: Instant,
    ) -> Result<T, CallError> {
        match answer {
            Ok(_) | Err(CallError::Refused(_)) => {
                self.carry(LinkWay::FromHsm, deadline).await?;
                answer
            }
            Err(CallError::Link(_)) => answer,
        }
    }
}

/// Counts an operation that waits, also when its caller leaves.
struct WaitingOperation<'a>(&'a AtomicUsize);

impl<'a> WaitingOperation<'a> {
    fn on(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for WaitingOperation<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
