//! Pages of lists. Rule KEY-20: a page ends in a marker exactly when there is more; a marker that
//! this service did not give out is an exception.

use portcullis_api::{Code, Exception};

/// A page and where the next one begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListPage<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_marker: Option<String>,
}

/// What a list request says about paging.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRequest<'a> {
    pub(crate) limit: Option<i32>,
    pub(crate) marker: Option<&'a str>,
    /// How many items a page has when the request does not say.
    pub(crate) default: usize,
    /// Narrower than the model's 1,000 for some operations.
    pub(crate) max: usize,
}

/// Markers begin with this, so that one made elsewhere is noticed.
const PREFIX: &str = "portcullis:";

/// Cuts the page out of `items`, which are in the order of `key`.
pub(crate) fn page<T>(
    items: impl IntoIterator<Item = T>,
    asked: PageRequest<'_>,
    key: impl Fn(&T) -> String,
) -> Result<ListPage<T>, Exception> {
    let (size, after) = (asked.size()?, asked.after()?);
    let mut rest = items
        .into_iter()
        .skip_while(|item| after.is_some_and(|after| *key(item) <= *after));
    let items: Vec<T> = rest.by_ref().take(size).collect();
    let more = rest.next().is_some();
    let last = items.last().filter(|_| more).map(|last| marker(&key(last)));
    Ok(ListPage {
        items,
        next_marker: last,
    })
}

impl<'a> PageRequest<'a> {
    /// How many items a page has at most.
    pub(crate) fn size(&self) -> Result<usize, Exception> {
        match self.limit.map(usize::try_from) {
            None => Ok(self.default),
            Some(Ok(limit)) if (1..=self.max).contains(&limit) => Ok(limit),
            Some(_) => Err(Exception::new(
                Code::Validation,
                format!("Limit must be from 1 to {} for this operation.", self.max),
            )),
        }
    }

    /// The last item of the page before.
    pub(crate) fn after(&self) -> Result<Option<&'a str>, Exception> {
        let stripped = |marker: &'a str| marker.strip_prefix(PREFIX).ok_or_else(invalid_marker);
        self.marker.map(stripped).transpose()
    }
}

/// The marker of a page that ends in the item with this key.
pub(crate) fn marker(key: &str) -> String {
    format!("{PREFIX}{key}")
}

pub(crate) fn invalid_marker() -> Exception {
    Exception::new(
        Code::InvalidMarker,
        "The marker is not one that this service gave out. Begin again without Marker.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule KEY-20
    #[test]
    fn pages_of_any_size_cover_the_list_once_and_a_foreign_marker_is_refused() {
        let items = ["a", "b", "c", "d", "e"];
        for limit in 1..=6 {
            let (mut seen, mut marker) = (Vec::new(), None::<String>);
            loop {
                let asked = PageRequest {
                    limit: Some(limit),
                    marker: marker.as_deref(),
                    default: 2,
                    max: 6,
                };
                let page = page(items, asked, |item| (*item).to_owned()).unwrap();
                seen.extend(page.items);
                marker = page.next_marker;
                if marker.is_none() {
                    break;
                }
            }
            assert_eq!(seen, items);
        }
        let asked = PageRequest {
            limit: None,
            marker: Some("b"),
            default: 2,
            max: 6,
        };
        let refused = page(items, asked, |item| (*item).to_owned()).unwrap_err();
        assert_eq!(refused.code, Code::InvalidMarker);
        let asked = PageRequest {
            limit: Some(7),
            marker: None,
            default: 2,
            max: 6,
        };
        assert_eq!(
            page(items, asked, |i| (*i).to_owned()).unwrap_err().code,
            Code::Validation
        );
    }
}
