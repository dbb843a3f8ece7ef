use std::iter;

use aws_lc_rs::digest::{SHA256, digest};

use crate::hex;

/// A request as far as its signature is concerned.
#[derive(Debug)]
pub struct Request<'a, H: ?Sized> {
    /// The method, upper case.
    pub method: &'a str,
    /// The path as it stands in the request line, without the query.
    pub path: &'a str,
    /// The query as it stands in the request line, without the question mark; may be empty.
    pub query: &'a str,
    /// The headers, of which those that are signed count.
    pub headers: &'a H,
    /// The body as it is sent.
    pub body: &'a [u8],
}

/// The headers of a request.
pub trait Headers {
    /// The values of the header `name`, given in lower case, in the order of the request.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// All names, in lower case; a name may come twice.
    fn names(&self) -> impl Iterator<Item = &str>;
}

/// Pairs of a lower-case name and a value.
impl Headers for [(&str, &str)] {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(found, _)| *found == name)
            .map(|(_, value)| value.as_bytes())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| *name)
    }
}

/// The string to sign:
///
/// ```text
/// AWS4-HMAC-SHA256
/// <date>
/// <scope>
/// <hex of the SHA-256 of the canonical request>
/// ```
///
/// Gives what is signed of the headers; `None` when a signed header is not in the request.
pub(crate) fn string_to_sign<H: Headers + ?Sized>(
    request: &Request<'_, H>,
    signed_headers: &str,
    date: &str,
    scope: &str,
    text: &mut Vec<u8>,
) -> Option<Coverage> {
    text.clear();
    let coverage = canonical_request(request, signed_headers, text)?;
    let hash = digest(&SHA256, text);
    // The canonical request's buffer is large enough for the string to sign.
    text.clear();
    for line in ["AWS4-HMAC-SHA256", date, scope] {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    hex::push(text, hash.as_ref());
    Some(coverage)
}

/// Whether a header must be signed: what is not signed can be changed on the way, so whatever decides
/// an operation must be.
pub(crate) fn must_be_signed(name: &str) -> bool {
    name == "host" || name.starts_with("x-amz-")
}

/// What the list of signed headers has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// How many of its names must be signed.
    pub(crate) required: usize,
    pub(crate) has_host: bool,
    /// Whether no name is in it twice, because each comes after the one before in the alphabet.
    pub(crate) is_ascending: bool,
}

/// Method, path, query, signed headers, their names and the hash of the body, on lines.
fn canonical_request<H: Headers + ?Sized>(
    request: &Request<'_, H>,
    signed_headers: &str,
    text: &mut Vec<u8>,
) -> Option<Coverage> {
    text.extend_from_slice(request.method.as_bytes());
    text.push(b'\n');
    push_path(text, request.path);
    text.push(b'\n');
    push_query(text, request.query);
    text.push(b'\n');
    let mut coverage = Coverage {
        required: 0,
        has_host: false,
        is_ascending: true,
    };
    let mut before = "";
    for name in signed_headers.split(';') {
        push_header(text, request.headers, name)?;
        coverage.required += usize::from(must_be_signed(name));
        coverage.has_host |= name == "host";
        coverage.is_ascending &= before < name;
        before = name;
    }
    text.push(b'\n');
    text.extend_from_slice(signed_headers.as_bytes());
    text.push(b'\n');
    hex::push(text, digest(&SHA256, request.body).as_ref());
    Some(coverage)
}

/// `name:value,value` with white space trimmed and runs of it made one space.
fn push_header<H: Headers + ?Sized>(text: &mut Vec<u8>, headers: &H, name: &str) -> Option<()> {
    text.extend_from_slice(name.as_bytes());
    let mut separator = b':';
    for value in headers.values(name) {
        text.push(separator);
        separator = b',';
        if !value.iter().any(u8::is_ascii_whitespace) {
            text.extend_from_slice(value);
            continue;
        }
        let words = value
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        for (index, word) in words.enumerate() {
            text.extend(iter::repeat_n(b' ', usize::from(index > 0)));
            text.extend_from_slice(word);
        }
    }
    text.push(b'\n');
    (separator == b',').then_some(())
}

/// The path without empty, `.` and `..` segments, percent-encoded once more, as every service
/// but S3 wants it.
fn push_path(text: &mut Vec<u8>, path: &str) {
    if path == "/" {
        text.push(b'/');
        return;
    }
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    if segments.is_empty() {
        text.push(b'/');
        return;
    }
    for segment in segments {
        text.push(b'/');
        segment.bytes().for_each(|byte| push_encoded(text, byte));
    }
    if path.ends_with('/') {
        text.push(b'/');
    }
}

fn push_encoded(text: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        text.push(byte);
    } else {
        text.extend_from_slice(format!("%{byte:02X}").as_bytes());
    }
}

/// The query's pairs in order, each with its equals sign.
fn push_query(text: &mut Vec<u8>, query: &str) {
    if query.is_empty() {
        return;
    }
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        text.extend(iter::repeat_n(b'&', usize::from(index > 0)));
        text.extend_from_slice(name.as_bytes());
        text.push(b'=');
        text.extend_from_slice(value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_and_encoded_as_the_test_suite_of_sigv4_does() {
        for (path, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/example/..", "/"),
            ("/a/../b%20c//d/", "/b%2520c/d/"),
            ("/-._~0189", "/-._~0189"),
            ("/\u{1234}", "/%E1%88%B4"),
        ] {
            let mut text = Vec::new();
            push_path(&mut text, path);
            assert_eq!(String::from_utf8(text).unwrap(), canonical, "{path}");
        }
    }

    #[test]
    fn header_values_are_trimmed_joined_and_must_exist() {
        let headers = [
            ("my-header", "  value4 "),
            ("my-header", "a   b\tc"),
            ("empty", ""),
        ];
        let mut text = Vec::new();
        assert_eq!(push_header(&mut text, &headers[..], "my-header"), Some(()));
        assert_eq!(push_header(&mut text, &headers[..], "empty"), Some(()));
        assert_eq!(text, b"my-header:value4,a b c\nempty:\n");
        assert_eq!(push_header(&mut text, &headers[..], "absent"), None);
    }
}
