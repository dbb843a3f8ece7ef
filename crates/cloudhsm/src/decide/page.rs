use portcullis_api::Exception;

use super::refuse;

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListPage<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_token: Option<String>,
}

/// Which page: `MaxResults` and `NextToken`.
#[derive(Debug, Default)]
pub(crate) struct PageRequest {
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
}

/// A list that comes in pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PagedList {
    /// Stands in front of its tokens, so that those of another list, or of the other order, are
    /// told apart.
    pub(crate) name: &'static str,
    /// Results of a page at the most, and by default.
    pub(crate) most: usize,
}

impl PageRequest {
    /// The page after the item that the token names.
    ///
    /// A token is the name of the list and the `mark` of the last item of the page before. So a
    /// page neither repeats nor skips an item that is there all the time, whatever is made or
    /// deleted between two pages. `listed` is in the order of `before`, which says whether a mark
    /// comes before another.
    pub(crate) fn cut<T>(
        self,
        listed: Vec<T>,
        PagedList { name, most }: PagedList,
        mark: impl Fn(&T) -> String,
        before: impl Fn(&str, &str) -> bool,
    ) -> Result<ListPage<T>, Exception> {
        let limit = match self.max_results {
            None => most,
            Some(wanted) => usize::try_from(wanted)
                .ok()
                .filter(|wanted| (1..=most).contains(wanted))
                .ok_or_else(|| {
                    refuse(format!(
                        "A page cannot have {wanted} results. Give MaxResults from 1 to {most}."
                    ))
                })?,
        };
        let after = match self.next_token.as_deref().unwrap_or_default() {
            "" => "",
            token => mark_in(token, name)?,
        };
        let mut items: Vec<T> = listed
            .into_iter()
            .filter(|item| after.is_empty() || before(after, &mark(item)))
            .collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next_token = last.map(|item| format!("{name}{MARK}{}", mark(item)));
        Ok(ListPage { items, next_token })
    }
}

/// Between the name of a list and a mark.
const MARK: char = ':';

/// Rule CL-30: a token that no page of this list gave is refused.
fn mark_in<'a>(token: &'a str, list: &str) -> Result<&'a str, Exception> {
    let parts = token.split_once(MARK);
    let mark = parts.filter(|(name, mark)| *name == list && !mark.is_empty());
    mark.map(|(_, mark)| mark).ok_or_else(|| {
        refuse(
            "NextToken is not one that a page of this list gave. Give the NextToken of the page \
             before, with the same order, or none for the first page.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(max: Option<i64>, token: Option<&str>) -> Result<ListPage<String>, Exception> {
        let request = PageRequest {
            max_results: max,
            next_token: token.map(str::to_owned),
        };
        let listed = ["a", "c", "e"].map(str::to_owned).to_vec();
        let list = PagedList {
            name: "letters",
            most: 25,
        };
        request.cut(listed, list, Clone::clone, |one, other| one < other)
    }

    #[test]
    fn pages_neither_repeat_nor_skip_an_item() {
        let first = page(Some(2), None).unwrap();
        assert_eq!(first.items, ["a", "c"]);
        assert_eq!(
            page(Some(2), first.next_token.as_deref()).unwrap().items,
            ["e"]
        );
        // The item that the token names is gone meanwhile.
        assert_eq!(page(None, Some("letters:b")).unwrap().items, ["c", "e"]);
        assert_eq!(page(None, Some("")).unwrap().items, ["a", "c", "e"]);
    }

    /// Rule CL-30.
    #[test]
    fn a_token_that_no_page_gave_is_refused() {
        for token in ["b", "garbage", "letters", "letters:", "numbers:b", ":b"] {
            let refused = page(None, Some(token)).unwrap_err();
            assert!(refused.message.contains("NextToken"), "{token}");
        }
    }

    #[test]
    fn a_page_has_one_to_as_many_results_as_the_operation_permits() {
        for wrong in [-1, 0, 26] {
            assert!(page(Some(wrong), None).is_err(), "{wrong}");
        }
        assert_eq!(page(Some(25), None).unwrap().next_token, None);
    }
}
