use portcullis_api::Exception;

use super::refuse;

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_token: Option<String>,
}

/// Which page: `MaxResults` and `NextToken`.
#[derive(Debug, Default)]
pub(crate) struct PageRequest {
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
}

impl PageRequest {
    /// The page after the item that the token names.
    ///
    /// A token is the `mark` of the last item of the page before. So a page neither repeats nor
    /// skips an item that is there all the time, whatever is made or deleted between two pages.
    /// `listed` is in the order of `before`, which says whether a mark comes before another.
    pub(crate) fn cut<T>(
        self,
        listed: Vec<T>,
        most: usize,
        mark: impl Fn(&T) -> String,
        before: impl Fn(&str, &str) -> bool,
    ) -> Result<Page<T>, Exception> {
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
        let after = self.next_token.unwrap_or_default();
        let mut items: Vec<T> = listed
            .into_iter()
            .filter(|item| after.is_empty() || before(&after, &mark(item)))
            .collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next_token = items.last().filter(|_| more).map(mark);
        Ok(Page { items, next_token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(max: Option<i64>, token: Option<&str>) -> Result<Page<String>, Exception> {
        let request = PageRequest {
            max_results: max,
            next_token: token.map(str::to_owned),
        };
        let listed = ["a", "c", "e"].map(str::to_owned).to_vec();
        request.cut(listed, 25, Clone::clone, |one, other| one < other)
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
        assert_eq!(page(None, Some("b")).unwrap().items, ["c", "e"]);
    }

    #[test]
    fn a_page_has_one_to_as_many_results_as_the_operation_permits() {
        for wrong in [-1, 0, 26] {
            assert!(page(Some(wrong), None).is_err(), "{wrong}");
        }
        assert_eq!(page(Some(25), None).unwrap().next_token, None);
    }
}
