use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_hsm::{Command, Refusal, Reply, SessionId};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::support::*;
use crate::quic::queue::WAITING_CALLS_MAX;
use crate::{CallError, LinkError};

#[tokio::test]
async fn operations_and_commands_are_answered() {
    let world = World::new();
    let listening = world.listen(Arc::<Echo>::default()).await;
    let channel = world.dial(listening.address());
    assert_eq!(ask(&*channel, b"text").await.unwrap().as_ref(), b"text");
    let mut refused = encrypt(b"");
    refused.operation = portcullis_hsm::Operation::Random { bytes: 1 };
    let answer = channel.execute(refused, soon()).await;
    assert_eq!(
        answer.unwrap_err(),
        CallError::Refused(Refusal::NotAuthentic)
    );
    let users = channel.manage(Command::ListUsers, soon()).await;
    assert_eq!(users.unwrap(), Reply::Users(Vec::new()));
    let logout = Command::Logout {
        session: SessionId(1),
    };
    let refused = channel.manage(logout, soon()).await;
    assert_eq!(refused.unwrap_err(), CallError::Refused(Refusal::NoSession));
    assert_eq!(channel.in_flight(), 0);
}

/// Rule LINK-09
#[tokio::test]
async fn ten_thousand_concurrent_operations_each_get_their_own_answer_once() {
    let world = World::new();
    let echo = Arc::<Echo>::default();
    let listening = world.listen(Arc::clone(&echo)).await;
    let channel = world.dial(listening.address());
    let mut running = JoinSet::new();
    for number in 0..10_000_u32 {
        let channel = Arc::clone(&channel);
        running.spawn(async move {
            let text = number.to_be_bytes();
            let answer = ask(&*channel, &text).await.unwrap();
            assert_eq!(answer.as_ref(), text);
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    assert_eq!(echo.operations.load(Ordering::Relaxed), 10_000);
    assert!(
        echo.frames.load(Ordering::Relaxed) < 2_000,
        "operations share frames"
    );
    assert_eq!(channel.in_flight(), 0);
}

/// Rule LINK-09: also when the callers live on runtimes of their own.
#[test]
fn callers_on_other_runtimes_get_their_own_answers() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let home = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let world = World::new();
    let (listening, channel) = home.block_on(async {
        let listening = world.listen(Arc::<Echo>::default()).await;
        let channel = world.dial(listening.address());
        (listening, channel)
    });
    std::thread::scope(|scope| {
        for thread in 0..3_u32 {
            let channel = &channel;
            scope.spawn(move || {
                // Two runtimes, one after the other, on the same thread.
                for round in 0..2_u32 {
                    let channel = Arc::clone(channel);
                    runtime().block_on(async move {
                        let mut running = JoinSet::new();
                        for number in 0..500_u32 {
                            let channel = Arc::clone(&channel);
                            running.spawn(async move {
                                let text = (thread * 10_000 + round * 1_000 + number).to_be_bytes();
                                assert_eq!(ask(&*channel, &text).await.unwrap().as_ref(), text);
                            });
                        }
                        while let Some(ended) = running.join_next().await {
                            ended.unwrap();
                        }
                    });
                }
            });
        }
    });
    assert_eq!(channel.in_flight(), 0);
    let _entered = home.enter();
    drop((channel, listening));
}

/// Rule LINK-06
#[tokio::test]
async fn an_operation_ends_at_its_deadline_and_the_channel_goes_on() {
    let world = World::new();
    let held = Arc::<WaitingOperation>::default();
    let listening = world.listen(Arc::clone(&held)).await;
    let channel = world.dial(listening.address());
    let started = Instant::now();
    let deadline = started + Duration::from_millis(200);
    let (operation, command) = tokio::join!(
        channel.execute(encrypt(b"late"), deadline),
        channel.manage(Command::ListUsers, deadline),
    );
    assert!(
        matches!(operation, Err(CallError::Link(LinkError::NoAnswer(_)))),
        "{operation:?}"
    );
    assert!(
        matches!(command, Err(CallError::Link(LinkError::NoAnswer(_)))),
        "{command:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
    let later = channel.execute(encrypt(b"in time"), soon());
    let release = async {
        held.arrived.notified().await;
        held.release();
        held.arrived.notified().await;
        held.release();
    };
    let (answer, ()) = tokio::join!(later, release);
    assert_eq!(answer.unwrap().as_ref(), b"in time");
}

/// Rule LINK-05
#[tokio::test]
async fn operations_beyond_the_bound_are_refused_at_once() {
    let world = World::new();
    // Bound but silent: nothing is ever sent.
    let silent = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let channel = world.dial(silent.local_addr().unwrap());
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut running = JoinSet::new();
    for _ in 0..WAITING_CALLS_MAX {
        let channel = Arc::clone(&channel);
        running.spawn(async move { channel.execute(encrypt(b"waits"), deadline).await });
    }
    while channel.in_flight() < WAITING_CALLS_MAX {
        tokio::task::yield_now().await;
    }
    let refused = ask(&*channel, b"too many").await;
    assert_eq!(refused.unwrap_err(), CallError::Link(LinkError::Overloaded));
    while let Some(ended) = running.join_next().await {
        let outcome = ended.unwrap();
        assert!(
            matches!(outcome, Err(CallError::Link(LinkError::Unreachable(_)))),
            "{outcome:?}"
        );
    }
}

/// Rule LINK-08
#[tokio::test]
async fn a_broken_connection_answers_what_was_sent_with_no_answer() {
    let world = World::new();
    let held = Arc::<WaitingOperation>::default();
    let listening = world.listen(Arc::clone(&held)).await;
    let channel = world.dial(listening.address());
    let go_away = async {
        held.arrived.notified().await;
        drop(listening);
    };
    let (answer, ()) = tokio::join!(ask(&*channel, b"sent"), go_away);
    assert!(
        matches!(answer, Err(CallError::Link(LinkError::NoAnswer(_)))),
        "{answer:?}"
    );
}

/// Rule LINK-07
#[tokio::test]
async fn an_hsm_that_restarts_is_found_again_by_those_who_wait() {
    let world = World::new();
    let listening = world.listen(Arc::<Echo>::default()).await;
    let address = listening.address();
    let channel = world.dial(address);
    assert!(ask(&*channel, b"before").await.is_ok());
    drop(listening);
    // Fails, or waits for the restart: the connection may not yet be known to be broken.
    let _outcome = channel
        .execute(encrypt(b"gap"), Instant::now() + Duration::from_millis(300))
        .await;
    let waiting = ask(&*channel, b"after");
    let restart = world.listen_at(address, Arc::<Echo>::default());
    let (answer, _listening) = tokio::join!(waiting, restart);
    assert_eq!(answer.unwrap().as_ref(), b"after");
    assert_eq!(
        channel.manage(Command::ListUsers, soon()).await,
        Ok(Reply::Users(Vec::new()))
    );
}

/// Rule LINK-11
#[tokio::test]
async fn an_abandoned_operation_harms_nobody() {
    let world = World::new();
    let held = Arc::<WaitingOperation>::default();
    let listening = world.listen(Arc::clone(&held)).await;
    let channel = world.dial(listening.address());
    for _ in 0..2 {
        let abandoned = ask(&*channel, b"abandoned");
        tokio::select! {
            biased;
            _ = abandoned => panic!("nobody has answered"),
            () = held.arrived.notified() => {}
        }
    }
    assert_eq!(channel.in_flight(), 2, "the HSM still works on them");
    held.release();
    let next = ask(&*channel, b"next");
    let release = async {
        held.arrived.notified().await;
        held.release();
    };
    let (answer, ()) = tokio::join!(next, release);
    assert_eq!(answer.unwrap().as_ref(), b"next");
    assert_eq!(channel.in_flight(), 0);
}

/// Rule LINK-10
#[tokio::test]
async fn a_peer_that_falls_silent_is_noticed_within_seconds() {
    let world = World::new();
    let held = Arc::<WaitingOperation>::default();
    // The HSM lives on a runtime that stops running.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (address_out, address_in) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = Arc::clone(&held);
    let thread = std::thread::spawn(move || {
        let listening = runtime.block_on(async {
            let listening = world.listen(service).await;
            let target = world.target(listening.address());
            address_out
                .send((target, world))
                .map_err(|_| "gone")
                .unwrap();
            let _stop = stopped.await;
            listening
        });
        (runtime, listening)
    });
    let (target, world) = address_in.await.unwrap();
    let channel = crate::Transport::dial(&world.transport, target);
    let stop = async {
        held.arrived.notified().await;
        let _stopped = stop.send(());
        Instant::now()
    };
    let far = Instant::now() + Duration::from_secs(60);
    let (answer, silent_since) = tokio::join!(channel.execute(encrypt(b"x"), far), stop);
    assert!(
        matches!(answer, Err(CallError::Link(LinkError::NoAnswer(_)))),
        "{answer:?}"
    );
    assert!(
        silent_since.elapsed() < Duration::from_secs(5),
        "{:?}",
        silent_since.elapsed()
    );
    let (runtime, listening) = thread.join().unwrap();
    runtime.shutdown_background();
    drop(listening);
}
