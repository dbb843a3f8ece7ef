//! The files of the console inside the binary.
//!
//! `console/` is built by Node into `console/dist/site`, and the build script makes a table of what
//! is there: every file as it is and compressed with Brotli, with its media type and entity tag.
//! Where the console was not built the table has one page that says how to get it, so that a plain
//! `cargo build` needs no Node.
//!
//! It knows no HTTP: the server decides on headers. The compressing is done by Node, which is there
//! when there is something to compress; that is why no library is needed here.
//!
//! ```
//! let page = portcullis_console::find("kms/key-stores").unwrap();
//! assert_eq!(page.path, "index.html");
//! assert_eq!(page.media_type, "text/html; charset=utf-8");
//! assert!(portcullis_console::find("assets/nothing.js").is_none());
//! ```

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// One file, ready to be sent.
#[derive(Debug)]
pub struct File {
    /// The path below the console's root.
    pub path: &'static str,
    /// The value of the header `Content-Type`.
    pub media_type: &'static str,
    /// The entity tag, without its quotes.
    pub tag: &'static str,
    /// Whether the path has a digest of the content in it, so that it never changes.
    pub is_immutable: bool,
    /// The bytes of the file, not compressed.
    pub plain: &'static [u8],
    /// The bytes compressed with Brotli, where that is worth it.
    pub brotli: Option<&'static [u8]>,
}

/// Which console the binary carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// The console as it was built with Node.
    Console,
    /// One page that says how to get the console.
    Placeholder,
}

/// Which console this binary carries.
#[must_use]
pub const fn carried() -> Carried {
    if IS_BUILT {
        Carried::Console
    } else {
        Carried::Placeholder
    }
}

/// The file at `path`, which is relative to the console's root.
///
/// Rule CON-02: a path that names no file is a page of the console, so that every page has a link;
/// a path whose last part looks like a file name is not.
#[must_use]
pub fn find(path: &str) -> Option<&'static File> {
    let exact = FILES.iter().find(|file| file.path == path);
    let names_a_file = path
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains('.'));
    if exact.is_some() || names_a_file {
        return exact;
    }
    FILES.iter().find(|file| file.path == INDEX)
}

const INDEX: &str = "index.html";

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule CON-02.
    #[test]
    fn every_page_has_a_link_and_a_missing_file_is_missing() {
        for page in [
            "",
            "kms/key-stores",
            "kms/key-stores/cks-1234567890abcdef0/edit",
        ] {
            assert_eq!(find(page).unwrap().path, INDEX, "{page}");
        }
        for file in ["assets/nothing.js", "favicon.ico", "../Cargo.toml"] {
            assert!(find(file).is_none(), "{file}");
        }
    }

    #[test]
    fn no_two_files_share_a_path_or_are_empty() {
        for (at, file) in FILES.iter().enumerate() {
            assert!(!file.plain.is_empty(), "{}", file.path);
            assert!(
                FILES
                    .iter()
                    .skip(at + 1)
                    .all(|other| other.path != file.path)
            );
        }
    }
}
