//! Threads that drive a runtime of their own have a connection of their own to each HSM.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use super::support::*;
use crate::quic::keep_lanes_here;
use crate::{Channel, Conversation, Service};

/// Counts its connections; everything else is [`Echo`]'s.
#[derive(Debug, Default)]
struct Counted {
    echo: Arc<Echo>,
    connections: AtomicUsize,
}

impl Counted {
    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Service for Counted {
    fn connected(self: Arc<Self>) -> Arc<dyn Conversation> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&self.echo).connected()
    }
}

fn home() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

fn core() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Asks until `counted` has had so many connections.
async fn ask_until(channel: &dyn Channel, counted: &Counted, connections: usize) {
    let deadline = soon();
    while counted.connections() < connections {
        assert!(
            Instant::now() < deadline,
            "{} connections",
            counted.connections()
        );
        assert_eq!(ask(channel, b"text").await.unwrap().as_ref(), b"text");
    }
    // A connection that stands on the HSM's side stands here a moment later.
    for _ in 0..100 {
        assert_eq!(ask(channel, b"text").await.unwrap().as_ref(), b"text");
    }
}

/// Rule LINK-15.
#[test]
fn a_thread_that_keeps_lanes_has_a_connection_of_its_own() {
    let (home, world, counted) = (home(), World::new(), Arc::<Counted>::default());
    let (listening, channel) = home.block_on(async {
        let listening = world.listen(Arc::clone(&counted)).await;
        let channel = world.dial(listening.address());
        (listening, channel)
    });
    for thread in 0..3 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                core().block_on(async {
                    keep_lanes_here();
                    ask_until(&*channel, &counted, 2 + thread).await;
                });
            });
        });
        assert_eq!(counted.connections(), 2 + thread, "its own and the first");
    }
    // A thread that does not keep lanes shares the first one, whichever other has ended.
    home.block_on(async {
        assert_eq!(ask(&*channel, b"text").await.unwrap().as_ref(), b"text");
    });
    assert_eq!(counted.connections(), 4);
    let _entered = home.enter();
    drop((channel, listening));
}

/// Rule LINK-15: while it has no connection, calls go over the first lane, and it gets another one.
#[test]
fn a_lane_comes_back_after_its_hsm_was_restarted() {
    let (home, world, counted) = (home(), World::new(), Arc::<Counted>::default());
    let listening = home.block_on(world.listen(Arc::clone(&counted)));
    let address = listening.address();
    let channel = home.block_on(async { world.dial(address) });
    core().block_on(async {
        keep_lanes_here();
        ask_until(&*channel, &counted, 2).await;
        {
            let _entered = home.enter();
            drop(listening);
        }
        let restarted = home.spawn(async move {
            let listening = world.listen_at(address, Arc::clone(&counted)).await;
            (listening, world, counted)
        });
        let (listening, _world, counted) = restarted.await.unwrap();
        let deadline = soon();
        // What was on its way when the HSM went is not answered; afterwards both lanes come back.
        while ask(&*channel, b"text").await.is_err() {
            assert!(Instant::now() < deadline);
        }
        ask_until(&*channel, &counted, 4).await;
        let _entered = home.enter();
        drop((channel, listening));
    });
}
