//! What the crates show of themselves: `public/*.txt` is how it was, this package's test how it is.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lets `rustdoc`, which allows unstable output, look at all crates; says where it writes what it saw.
pub fn look(rustdoc: &str) -> Result<PathBuf, Box<dyn Error>> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = top.join("target");
    let status = Command::new(env!("CARGO"))
        .args(["doc", "-q", "--locked", "--workspace", "--lib", "--all-features", "--no-deps", "--target-dir"])
        .arg(&target)
        .env("RUSTDOC", rustdoc)
        .env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json")
        .current_dir(&top)
        .status()?;
    if !status.success() {
        return Err(format!("rustdoc: {status}").into());
    }
    Ok(target.join("doc"))
}

/// All that a user of `library` can name, an item a line.
pub fn of(library: &str, seen: &Path) -> Result<String, Box<dyn Error>> {
    let api = public_api::Builder::from_rustdoc_json(seen.join(format!("{library}.json")))
        .omit_auto_derived_impls(true)
        .omit_auto_trait_impls(true)
        .omit_blanket_impls(true)
        .build()?;
    Ok(api.to_string())
}

/// Where it is written down.
pub fn written(package: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("public/{package}.txt"))
}
