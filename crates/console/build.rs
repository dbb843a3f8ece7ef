//! Makes a table of the files below `console/dist/site`, or of the placeholder when the console has
//! not been built. It needs no Node and no library: `npm run build` has compressed the files.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    // The folder is in the tree, so that it can be watched before anything was built.
    let dist = here.join("../../console/dist");
    let placeholder = here.join("placeholder");
    println_to_cargo(&format!("rerun-if-changed={}", dist.display()));
    println_to_cargo(&format!("rerun-if-changed={}", placeholder.display()));
    println_to_cargo("rerun-if-changed=build.rs");

    let site = dist.join("site");
    let is_built = site.join("index.html").is_file();
    let root = if is_built { site } else { placeholder };
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let table = table(&root, &files, is_built)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("files.rs");
    fs::write(out, table)?;
    Ok(())
}

fn println_to_cargo(line: &str) {
    println!("cargo:{line}");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn table(root: &Path, files: &[PathBuf], is_built: bool) -> Outcome<String> {
    let mut text = format!("const IS_BUILT: bool = {is_built};\nstatic FILES: &[File] = &[\n");
    for file in files {
        if file.extension().is_some_and(|kind| kind == "br") {
            continue;
        }
        let path = file
            .strip_prefix(root)?
            .to_str()
            .ok_or("a name that is no text")?;
        let bytes = fs::read(file)?;
        let compressed = PathBuf::from(format!("{}.br", file.display()));
        let brotli = if compressed.is_file() {
            format!("Some(include_bytes!({:?}))", compressed.canonicalize()?)
        } else {
            "None".to_owned()
        };
        // The bundler puts a digest into the names of everything below `assets`.
        let is_immutable = is_built && path.starts_with("assets/");
        writeln!(
            text,
            "    File {{ path: {path:?}, media_type: {:?}, tag: {:?}, is_immutable: {is_immutable}, \
             plain: include_bytes!({:?}), brotli: {brotli} }},",
            media_type(path),
            format!("{:016x}-{:x}", digest(&bytes), bytes.len()),
            file.canonicalize()?,
        )?;
    }
    text.push_str("];\n");
    Ok(text)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// FNV-1a. An entity tag tells builds apart and guards nothing.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
