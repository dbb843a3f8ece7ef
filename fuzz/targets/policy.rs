//! Any text as a policy: the decoder answers and never panics, what it accepts reads back as it
//! prints, and evaluating it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_policy::{Context, Document, Identity, Kind, Request};

fuzz_target!(|text: &str| {
    let names = ["arn:aws:iam::111122223333:user/alice".to_owned()];
    let who = Identity {
        names: &names,
        account: Some("111122223333"),
        service: None,
    };
    let mut context = Context::default();
    context.set("aws:username", "alice");
    context.set_all("kms:EncryptionContextKeys", vec!["App".to_owned()]);
    for kind in [Kind::Identity, Kind::Resource] {
        let Ok(document) = Document::parse(text, kind) else {
            continue;
        };
        let again = Document::parse(&document.to_string(), kind);
        assert_eq!(again.as_ref(), Ok(&document));
        let request = Request {
            action: "kms:Encrypt",
            resource: "arn:aws:kms:us-east-1:111122223333:key/1",
            context: &context,
        };
        let _verdict = document.for_identity(&request);
        let _hold = document.for_resource(who, &request);
    }
});
