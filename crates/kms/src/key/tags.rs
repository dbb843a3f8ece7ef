//! Tags of keys.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use portcullis_api::kms::{
    ListResourceTagsRequest, ListResourceTagsResponse, Tag, TagResourceRequest,
    UntagResourceRequest,
};
use portcullis_api::{Code, Exception, Operation, Scope};

use super::keys::Keys;
use super::{KeyRecord, find};
use crate::paging::{PageRequest, page};

/// Tags of one key (Guide, tags in AWS KMS).
const TAGS_MAX: usize = 50;

/// What may stand in a tag beside letters, digits and spaces (Guide, tags in AWS KMS).
const PUNCTUATION: &str = "_.:/=+-@";

/// The tags of a request by key.
///
/// Rule LIFE-07: a tag is made of letters, digits, spaces and `_.:/=+-@`, none begins with `aws:`,
/// and a request names each tag key once.
pub(super) fn tags(given: &[Tag]) -> Result<BTreeMap<String, String>, Exception> {
    let mut tags = BTreeMap::new();
    for Tag { tag_key, tag_value } in given {
        check_key(tag_key)?;
        check_text(tag_value)?;
        if tags.insert(tag_key.clone(), tag_value.clone()).is_some() {
            let hint = format!("The tag key {tag_key:?} is given twice. Give it once.");
            return Err(Exception::worded(Code::Tag, "Duplicate tag keys", &hint));
        }
    }
    check_number(&tags)?;
    Ok(tags)
}

fn check_key(key: &str) -> Result<(), Exception> {
    if key == Tag::MATERIAL {
        let text = format!("{key}: only CreateKey takes key material, and only once.");
        return Err(Exception::new(Code::Tag, text));
    }
    if key
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
    {
        let hint = format!("{key:?} does: choose another tag key.");
        let sentence = "Tags beginning with aws: are reserved";
        return Err(Exception::worded(Code::Tag, sentence, &hint));
    }
    check_text(key)
}

fn check_text(text: &str) -> Result<(), Exception> {
    let permitted = |c: char| c.is_alphanumeric() || c.is_whitespace() || PUNCTUATION.contains(c);
    if text.chars().all(permitted) {
        return Ok(());
    }
    let text = format!("{text:?}: a tag is made of letters, digits, spaces and {PUNCTUATION}.");
    Err(Exception::new(Code::Tag, text))
}

/// Rule LIFE-08: a key has at most fifty tags.
fn check_number(tags: &BTreeMap<String, String>) -> Result<(), Exception> {
    if tags.len() <= TAGS_MAX {
        return Ok(());
    }
    let hint = format!("A key has at most {TAGS_MAX}. Run UntagResource first.");
    Err(Exception::worded(Code::Tag, "Too many tags", &hint))
}

/// The record that TagResource leaves.
fn tagged(record: &KeyRecord, tags: BTreeMap<String, String>) -> Result<KeyRecord, Exception> {
    let mut changed = record.clone();
    changed.tags.extend(tags);
    check_number(&changed.tags)?;
    Ok(changed)
}

/// The record that UntagResource leaves. Tag keys that the key does not have change nothing.
fn untagged(record: &KeyRecord, tag_keys: &[String]) -> KeyRecord {
    let mut changed = record.clone();
    changed.tags.retain(|key, _| !tag_keys.contains(key));
    changed
}

/// Tags as replies have them.
pub(super) fn listed(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let tags = tags.iter().map(|(tag_key, tag_value)| Tag {
        tag_key: tag_key.clone(),
        tag_value: tag_value.clone(),
    });
    tags.collect()
}

impl Keys {
    /// TagResource: adds tags, and gives those that are there already another value.
    ///
    /// # Errors
    /// NotFoundException, TagException, KMSInvalidStateException.
    pub(crate) async fn tag_resource(
        &self,
        scope: &Scope,
        input: TagResourceRequest,
    ) -> Result<(), Exception> {
        let operation = Operation::TagResource;
        self.change_key(scope, operation, &input.key_id, |key| {
            tagged(&key.record, tags(&input.tags)?)
        })
        .await
    }

    /// UntagResource. A tag that is not there is not missed.
    ///
    /// # Errors
    /// NotFoundException, TagException, KMSInvalidStateException.
    pub(crate) async fn untag_resource(
        &self,
        scope: &Scope,
        input: UntagResourceRequest,
    ) -> Result<(), Exception> {
        let operation = Operation::UntagResource;
        self.change_key(scope, operation, &input.key_id, |key| {
            input.tag_keys.iter().try_for_each(|key| check_key(key))?;
            Ok(untagged(&key.record, &input.tag_keys))
        })
        .await
    }

    /// ListResourceTags, in the order of the tag keys.
    ///
    /// # Errors
    /// NotFoundException, InvalidMarkerException.
    pub(crate) async fn list_resource_tags(
        &self,
        scope: &Scope,
        input: ListResourceTagsRequest,
    ) -> Result<ListResourceTagsResponse, Exception> {
        let operation = Operation::ListResourceTags;
        let key = find(operation, &self.records.partition(scope), &input.key_id)?;
        let asked = PageRequest {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: TAGS_MAX,
            max: TAGS_MAX,
        };
        // Tag keys may be more than a marker holds, which has only printable ASCII (API, Marker). What
        // stands for them is in the same order.
        let marker = |tag: &Tag| HEXLOWER.encode(tag.tag_key.as_bytes());
        let page = page(listed(&key.record.tags), asked, marker)?;
        Ok(ListResourceTagsResponse {
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
            tags: Some(page.items),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::record;
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag {
            tag_key: key.to_owned(),
            tag_value: value.to_owned(),
        }
    }

    /// Rules LIFE-07 and LIFE-08.
    #[test]
    fn a_tag_that_is_not_permitted_is_refused() {
        for permitted in ["a", "Größe", "cost center", "a.b:c/d=e+f-g_h@i"] {
            assert!(tags(&[tag(permitted, "")]).is_ok(), "{permitted}");
        }
        for refused in ["aws:x", "AWS:x", "a*", "a,b", "a\u{0}"] {
            let refusal = tags(&[tag(refused, "")]).unwrap_err();
            assert_eq!(refusal.code, Code::Tag, "{refused}");
        }
        assert_eq!(tags(&[tag("a", "*")]).unwrap_err().code, Code::Tag);
        let twice = tags(&[tag("a", "1"), tag("a", "2")]);
        assert_eq!(twice.unwrap_err().code, Code::Tag);
        let many: Vec<Tag> = (0..51).map(|n| tag(&n.to_string(), "")).collect();
        assert_eq!(tags(&many).unwrap_err().code, Code::Tag);
        assert_eq!(tags(many.get(..50).unwrap()).unwrap().len(), 50);
    }

    /// Rule LIFE-08.
    #[test]
    fn tags_are_added_and_replaced_up_to_fifty_of_a_key() {
        let given = |tags: &[Tag]| super::tags(tags).unwrap();
        let one = tagged(&record(), given(&[tag("a", "1"), tag("b", "2")])).unwrap();
        let other = tagged(&one, given(&[tag("b", "3"), tag("c", "")])).unwrap();
        let listed = listed(&other.tags);
        assert_eq!(listed, [tag("a", "1"), tag("b", "3"), tag("c", "")]);
        let many: Vec<Tag> = (0..49).map(|n| tag(&n.to_string(), "")).collect();
        let refusal = tagged(&one, given(&many)).unwrap_err();
        assert_eq!(refusal.code, Code::Tag);
        let removed = untagged(&other, &["a".to_owned(), "c".to_owned(), "d".to_owned()]);
        assert_eq!(removed.tags, given(&[tag("b", "3")]));
    }
}
