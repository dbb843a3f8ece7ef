//! `bench-server facade|silent|echo`: a server that a benchmark measures, as a process of its own.
//!
//! Its first line of output says where it listens and which key it has. After that each line of input is a
//! command: `count` begins to count allocations, `counted` answers with their number and their bytes since
//! then. It ends with its input.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and may fail loudly"
)]

use std::alloc::{GlobalAlloc, Layout, System as SystemAllocator};
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use portcullis_api::kms::ListKeysRequest;
use portcullis_benches::echo;
use portcullis_server::{Auth, Credentials, EventsConfig, ServerConfig, System};
use portcullis_worlds::World;
use tokio::runtime::Builder;
use zeroizing_alloc::ZeroAlloc;

/// The allocator of `portcullis`, with a count in front of it.
#[global_allocator]
static ALLOCATOR: Counting = Counting(ZeroAlloc(SystemAllocator));

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

struct Counting(ZeroAlloc<SystemAllocator>);

// SAFETY: every call is handed on unchanged to an allocator that keeps the contract.
#[expect(unsafe_code, reason = "an allocator is an unsafe trait")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Ordering::Relaxed) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
            BYTES.fetch_add(u64::try_from(layout.size()).unwrap_or(0), Ordering::Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(pointer, layout) }
    }
}

fn main() {
    let kind = std::env::args().nth(1);
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    match kind.as_deref() {
        Some("echo") => {
            println!("{} -", echo::start());
            obey();
        }
        kind => {
            let events = match kind {
                Some("silent") => EventsConfig {
                    kept_max: 0,
                    file: None,
                },
                _ => EventsConfig::default(),
            };
            let config = ServerConfig {
                auth: Auth::Verify(Credentials::default()),
                events,
                ..ServerConfig::on_free_port()
            };
            runtime.block_on(async {
                let system = World::find("quickstart").unwrap().open().await.unwrap();
                let key = key_of(&system, &config).await;
                let running = system.serve(config).unwrap();
                println!("{} {key}", running.address);
                tokio::task::spawn_blocking(obey).await.unwrap();
                running.shutdown().await;
            });
        }
    }
}

/// The key of the world, which is in a connected key store.
async fn key_of(system: &System, config: &ServerConfig) -> String {
    let listed = system
        .kms
        .list_keys(&config.defaults, ListKeysRequest::default());
    let mut keys = listed.await.unwrap().keys.unwrap().into_iter();
    keys.next().unwrap().key_id.unwrap()
}

fn obey() {
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "count" => {
                ALLOCATIONS.store(0, Ordering::Relaxed);
                BYTES.store(0, Ordering::Relaxed);
                COUNTS.store(true, Ordering::Relaxed);
            }
            "counted" => {
                COUNTS.store(false, Ordering::Relaxed);
                let allocations = ALLOCATIONS.load(Ordering::Relaxed);
                println!("{allocations} {}", BYTES.load(Ordering::Relaxed));
            }
            other => println!("unknown command {other}"),
        }
    }
}
