//! What clients of a running Portcullis asked and were told, as a history for the simulator's
//! checker: real processes are held to the invariants that simulated ones are.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use portcullis_api::{Blob, Code, KeyId};
use portcullis_hsm::HsmKeyId;
use portcullis_sim::Random;
use portcullis_sim::check::{Violation, check};
use portcullis_sim::history::{
    Context, DescribedStore, History, HistoryEvent, Moment, RecordedAnswer, RecordedCall,
    RecordedEdit, RecordedRequest,
};
use portcullis_tests::{Caller, Outcome};
use serde_json::{Value, json};

/// How long a change of the key store's state may take.
const STATE_DEADLINE: Duration = Duration::from_secs(30);

/// The history of one key store.
pub(crate) struct Observer {
    authority: String,
    store: String,
    began: Instant,
    record: Mutex<WorldRecord>,
}

struct WorldRecord {
    step: u64,
    history: History,
    keys: Vec<KeyId>,
    texts: Vec<(Vec<u8>, Context)>,
}

/// Somebody who calls; one call at a time.
pub(crate) struct WorldClient<'a> {
    observer: &'a Observer,
    number: u8,
    caller: Caller,
    random: Random,
    renamed: u32,
}

impl Observer {
    /// Watches the only key store there is. It must be disconnected.
    pub(crate) fn new(authority: &str) -> Self {
        let found = Caller::new(authority).kms("DescribeCustomKeyStores", &json!({}));
        let Outcome::Done(found) = found else {
            panic!("no key stores: {found:?}");
        };
        let store = &found["CustomKeyStores"][0];
        assert_eq!(store["ConnectionState"], "DISCONNECTED");
        let history = History {
            // A reply that has left is still on its way when a disconnect is acknowledged.
            shared: true,
            ..History::default()
        };
        Self {
            authority: authority.to_owned(),
            store: store["CustomKeyStoreId"].as_str().unwrap().to_owned(),
            began: Instant::now(),
            record: Mutex::new(WorldRecord {
                step: 0,
                history,
                keys: Vec::new(),
                texts: Vec::new(),
            }),
        }
    }

    /// The same service, started again at another address.
    pub(crate) fn moves_to(&mut self, authority: &str) {
        authority.clone_into(&mut self.authority);
    }

    pub(crate) fn client(&self, number: u8) -> WorldClient<'_> {
        WorldClient {
            observer: self,
            number,
            caller: Caller::new(&self.authority),
            random: Random::new(u64::from(number), "client"),
            renamed: 0,
        }
    }

    pub(crate) fn tell(&self, event: impl FnOnce(Moment) -> HistoryEvent) {
        let mut record = self.record.lock().unwrap();
        let at = self.next(&mut record);
        record.history.events.push(event(at));
    }

    pub(crate) fn now(&self) -> Moment {
        self.next(&mut self.record.lock().unwrap())
    }

    fn next(&self, record: &mut WorldRecord) -> Moment {
        record.step += 1;
        Moment {
            step: record.step,
            millis: u64::try_from(self.began.elapsed().as_millis()).unwrap(),
        }
    }

    /// The store is connected: uses every key, and tells which of them its cluster has.
    pub(crate) fn look_for_keys(&self) {
        let mut client = self.client(200);
        let keys = self.record.lock().unwrap().keys.clone();
        let mut has = |key: &KeyId| client.encrypt(*key).is_ok();
        let keys: BTreeSet<HsmKeyId> = keys.iter().filter(|key| has(key)).map(material).collect();
        self.tell(|at| HistoryEvent::Holds { at, keys });
    }

    /// Opens every ciphertext that was returned.
    pub(crate) fn open_everything(&self) {
        let mut client = self.client(201);
        let texts = self.record.lock().unwrap().texts.clone();
        for (ciphertext, context) in texts {
            let opened = client.call(RecordedRequest::Decrypt {
                ciphertext,
                context,
            });
            assert!(opened.is_ok(), "a ciphertext does not open: {opened:?}");
        }
    }

    /// How many calls were made and answered since `since`.
    pub(crate) fn calls(&self, since: Moment) -> usize {
        let record = self.record.lock().unwrap();
        let calls = record.history.calls();
        calls.filter(|call| call.invoked >= since).count()
    }

    /// The answers since `since` that were failures, with what was asked.
    pub(crate) fn failures(&self, since: Moment) -> Vec<String> {
        let record = self.record.lock().unwrap();
        let calls = record.history.calls();
        let failed = calls.filter(|call| call.invoked >= since && !call.succeeded());
        failed.map(ToString::to_string).collect()
    }

    /// What would be found if a ciphertext had opened to something else.
    pub(crate) fn violations_after_a_lie(&self) -> Vec<Violation> {
        let mut record = self.record.lock().unwrap();
        let (ciphertext, context) = record.texts[0].clone();
        let (invoked, completed) = (self.next(&mut record), self.next(&mut record));
        let lie = RecordedCall {
            client: 202,
            invoked,
            completed,
            request: RecordedRequest::Decrypt {
                ciphertext,
                context,
            },
            outcome: Ok(RecordedAnswer::Plaintext(b"something else".to_vec())),
        };
        record.history.events.push(HistoryEvent::Call(lie));
        check(&record.history)
    }

    /// Everything that was told so far violates no invariant.
    pub(crate) fn check(&self, name: &str) {
        let record = self.record.lock().unwrap();
        let violations = check(&record.history);
        let calls = record.history.calls().count();
        let trace = || {
            let events = record.history.events.iter();
            let lines: Vec<String> = events.map(|event| format!("{event:?}")).collect();
            lines.join("\n")
        };
        assert!(
            violations.is_empty(),
            "{name}: {violations:#?}\n{}",
            trace()
        );
        eprintln!(
            "{name}: {calls} calls, {} keys, {} ciphertexts: no invariant is violated",
            record.keys.len(),
            record.texts.len()
        );
    }
}

/// The checker tells keys apart by their IDs inside HSMs, which nobody outside sees: each has that
/// of its KMS key.
fn material(key: &KeyId) -> HsmKeyId {
    HsmKeyId(*key.bytes())
}

impl WorldClient<'_> {
    /// Any operation that a client may do.
    pub(crate) fn step(&mut self) {
        let (keys, text) = {
            let record = self.observer.record.lock().unwrap();
            let text = self.random.pick(&record.texts).cloned();
            (record.keys.clone(), text)
        };
        let key = self.random.pick(&keys).copied();
        let (Some(key), false) = (key, self.random.chance(2)) else {
            let _told = self.call(RecordedRequest::CreateKey);
            return;
        };
        let context = self.context();
        let _told = match (self.random.below(4), text) {
            (1, _) => self.call(RecordedRequest::GenerateDataKey { key, context }),
            (2, Some((ciphertext, right))) => {
                let wrong = self.random.chance(10);
                let context = if wrong { context } else { right };
                self.call(RecordedRequest::Decrypt {
                    ciphertext,
                    context,
                })
            }
            (3, Some((ciphertext, source_context))) => self.call(RecordedRequest::ReEncrypt {
                ciphertext,
                source_context,
                key,
                context,
            }),
            _ => self.encrypt(key),
        };
    }

    /// Disconnects, renames and connects again, however often that takes.
    pub(crate) fn cycle(&mut self) {
        if self.is_done(&RecordedRequest::Disconnect) {
            self.until(|state| state == "DISCONNECTED");
            self.renamed += 1;
            let to = format!("Hosted {} {}", self.number, self.observer.now().step);
            self.call(RecordedRequest::Update(RecordedEdit::Name { to }))
                .unwrap();
        }
        self.connect();
    }

    /// Connects until that succeeds.
    pub(crate) fn connect(&mut self) {
        loop {
            let state = self.until(|state| !state.ends_with("ING"));
            match state.as_str() {
                "CONNECTED" => return,
                "FAILED" => drop(self.call(RecordedRequest::Disconnect)),
                _ => drop(self.call(RecordedRequest::Connect)),
            }
        }
    }

    fn is_done(&mut self, request: &RecordedRequest) -> bool {
        self.call(request.clone()).is_ok()
    }

    fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let told = self.look();
            if wanted(&told.state) {
                return told.state;
            }
            assert!(began.elapsed() < STATE_DEADLINE, "still {}", told.state);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// DescribeCustomKeyStores.
    pub(crate) fn look(&mut self) -> DescribedStore {
        let invoked = self.observer.now();
        let found = self.caller.kms("DescribeCustomKeyStores", &json!({}));
        let Outcome::Done(found) = found else {
            panic!("nothing is described: {found:?}");
        };
        let store = &found["CustomKeyStores"][0];
        let text = |name: &str| store[name].as_str().map(str::to_owned);
        let told = DescribedStore {
            state: text("ConnectionState").unwrap(),
            error: text("ConnectionErrorCode"),
            name: text("CustomKeyStoreName").unwrap(),
            cluster: text("CloudHsmClusterId").unwrap(),
        };
        let store = told.clone();
        self.observer
            .tell(|at| HistoryEvent::Seen { invoked, at, store });
        told
    }

    pub(crate) fn encrypt(&mut self, key: KeyId) -> Result<RecordedAnswer, Code> {
        let mut plaintext = vec![0; 32];
        self.random.fill(&mut plaintext);
        let context = self.context();
        self.call(RecordedRequest::Encrypt {
            key,
            context,
            plaintext,
        })
    }

    fn context(&mut self) -> Context {
        let value = self.random.below(1_000_000).to_string();
        Context::from([("for".to_owned(), value)])
    }

    pub(crate) fn call(&mut self, request: RecordedRequest) -> Result<RecordedAnswer, Code> {
        let operation = request.name().split(' ').next().unwrap();
        let body = body(&request, &self.observer.store);
        let invoked = self.observer.now();
        let outcome = match self.caller.kms(operation, &body) {
            Outcome::Done(told) => Ok(answer(&request, &told)),
            Outcome::Refused(why) => Err(code(&why)),
            // Whether it had its effect nobody knows, as with this exception.
            Outcome::Lost => Err(Code::KmsInternal),
        };
        let mut record = self.observer.record.lock().unwrap();
        let completed = self.observer.next(&mut record);
        record.learn(&request, &outcome, completed);
        record.history.events.push(HistoryEvent::Call(RecordedCall {
            client: self.number,
            invoked,
            completed,
            request,
            outcome: outcome.clone(),
        }));
        outcome
    }
}

impl WorldRecord {
    fn learn(
        &mut self,
        request: &RecordedRequest,
        outcome: &Result<RecordedAnswer, Code>,
        at: Moment,
    ) {
        let Ok(answer) = outcome else { return };
        if let RecordedAnswer::Key(key) = answer {
            self.keys.push(*key);
            self.history.events.push(HistoryEvent::Made {
                at,
                hsm: "hsm-abcdefghijk".parse().unwrap(),
                id: material(key),
                label: format!("key/{key}"),
            });
        }
        if let (
            Some(ciphertext),
            RecordedRequest::Encrypt { context, .. }
            | RecordedRequest::GenerateDataKey { context, .. }
            | RecordedRequest::ReEncrypt { context, .. },
        ) = (answer.ciphertext(), request)
        {
            self.texts.push((ciphertext.to_vec(), context.clone()));
        }
    }
}

fn body(request: &RecordedRequest, store: &str) -> Value {
    let blob = |bytes: &[u8]| serde_json::to_value(Blob(bytes.to_vec())).unwrap();
    match request {
        RecordedRequest::Encrypt {
            key,
            context,
            plaintext,
        } => json!({
            "KeyId": key.to_string(), "Plaintext": blob(plaintext), "EncryptionContext": context,
        }),
        RecordedRequest::Decrypt {
            ciphertext,
            context,
        } => json!({ "CiphertextBlob": blob(ciphertext), "EncryptionContext": context }),
        RecordedRequest::GenerateDataKey { key, context } => json!({
            "KeyId": key.to_string(), "KeySpec": "AES_256", "EncryptionContext": context,
        }),
        RecordedRequest::ReEncrypt {
            ciphertext,
            source_context,
            key,
            context,
        } => json!({
            "CiphertextBlob": blob(ciphertext), "SourceEncryptionContext": source_context,
            "DestinationKeyId": key.to_string(), "DestinationEncryptionContext": context,
        }),
        RecordedRequest::CreateKey => {
            json!({ "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": store })
        }
        RecordedRequest::DescribeKey { key } => json!({ "KeyId": key.to_string() }),
        RecordedRequest::Connect | RecordedRequest::Disconnect => {
            json!({ "CustomKeyStoreId": store })
        }
        RecordedRequest::Update(RecordedEdit::Name { to }) => {
            json!({ "CustomKeyStoreId": store, "NewCustomKeyStoreName": to })
        }
        RecordedRequest::Update(RecordedEdit::Password | RecordedEdit::Cluster { .. }) => {
            panic!("nobody edits that here")
        }
    }
}

fn answer(request: &RecordedRequest, told: &Value) -> RecordedAnswer {
    let bytes = |name: &str| {
        let blob: Blob = serde_json::from_value(told[name].clone()).unwrap();
        blob.0
    };
    match request {
        RecordedRequest::Encrypt { .. } | RecordedRequest::ReEncrypt { .. } => {
            RecordedAnswer::Ciphertext(bytes("CiphertextBlob"))
        }
        RecordedRequest::Decrypt { .. } => RecordedAnswer::Plaintext(bytes("Plaintext")),
        RecordedRequest::GenerateDataKey { .. } => RecordedAnswer::DataKey {
            plaintext: bytes("Plaintext"),
            ciphertext: bytes("CiphertextBlob"),
        },
        RecordedRequest::CreateKey => {
            let id = told["KeyMetadata"]["KeyId"].as_str().unwrap();
            RecordedAnswer::Key(id.parse().unwrap())
        }
        RecordedRequest::DescribeKey { .. }
        | RecordedRequest::Connect
        | RecordedRequest::Disconnect
        | RecordedRequest::Update(_) => RecordedAnswer::Done,
    }
}

fn code(refused: &Value) -> Code {
    let name = refused["__type"].as_str().unwrap_or_default();
    let mut all = Code::ALL.iter();
    let found = all.find(|code| name.ends_with(code.name()));
    *found.unwrap_or_else(|| panic!("an answer that is no exception: {refused}"))
}
