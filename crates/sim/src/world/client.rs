use std::ops::Deref;
use std::sync::Arc;

use portcullis_api::KeyId;

use super::World;
use super::wait::wait;
use crate::Random;
use crate::history::Context;

/// Values that an encryption context takes: few, so that a wrong one is sometimes another right
/// one.
const PURPOSES: [&str; 4] = ["backup", "mail", "payroll", "tokens"];

/// How many in a hundred calls open a ciphertext with another context than its own.
const WRONG_CONTEXT_PERCENT: u64 = 15;

/// A client, which calls cryptographic operations.
pub(super) struct WorldClient(pub(super) Arc<World>);

impl Deref for WorldClient {
    type Target = Arc<World>;

    fn deref(&self) -> &Arc<World> {
        &self.0
    }
}

impl WorldClient {
    /// Calls `calls` operations, one after another, with up to twice `think` milliseconds between.
    pub(super) async fn make(&self, client: u8, calls: usize, think: u64) {
        let round = self.known.lock().ciphertexts.len();
        let mut random = Random::new(self.seed, &format!("client {client} {round}"));
        for _ in 0..calls {
            wait(random.below(2 * think)).await;
            self.call_something(client, &mut random).await;
        }
    }

    async fn call_something(&self, client: u8, random: &mut Random) {
        let Some(key) = self.some_key(random) else {
            return;
        };
        let context = some_context(random);
        match random.below(100) {
            0..35 => {
                let mut text = vec![0; usize::try_from(1 + random.below(64)).unwrap_or(1)];
                random.fill(&mut text);
                self.encrypt(client, key, context, text).await;
            }
            35..60 => {
                if let Some((ciphertext, context)) = self.some_ciphertext(random) {
                    self.decrypt(client, ciphertext, context).await;
                }
            }
            60..75 => self.generate_data_key(client, key, context).await,
            75..88 => {
                if let Some(source) = self.some_ciphertext(random) {
                    self.re_encrypt(client, source, key, context).await;
                }
            }
            88..94 => self.create_key(client).await,
            _ => self.describe_key(client, key).await,
        }
    }

    fn some_key(&self, random: &mut Random) -> Option<KeyId> {
        random.pick(&self.known.lock().keys).copied()
    }

    /// A ciphertext with its context, or with another one.
    fn some_ciphertext(&self, random: &mut Random) -> Option<(Vec<u8>, Context)> {
        let (ciphertext, context) = random.pick(&self.known.lock().ciphertexts).cloned()?;
        if random.chance(WRONG_CONTEXT_PERCENT) {
            return Some((ciphertext, some_context(random)));
        }
        Some((ciphertext, context))
    }
}

fn some_context(random: &mut Random) -> Context {
    let purpose = random.pick(&PURPOSES).copied().unwrap_or("none");
    let mut context = Context::from([("purpose".to_owned(), purpose.to_owned())]);
    if random.chance(50) {
        context.insert("tenant".to_owned(), random.below(3).to_string());
    }
    if random.chance(10) {
        // These two differ only in where the name ends.
        let pairs = [("a", "bc"), ("ab", "c")];
        let (name, value) = random.pick(&pairs).copied().unwrap_or(("a", "bc"));
        return Context::from([(name.to_owned(), value.to_owned())]);
    }
    context
}
