//! What the crates show of themselves: `public/*.txt` is how it was, this package's test how it is.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All that a user of `package` can name, an item a line.
pub fn of(package: &str, library: &str) -> Result<String, Box<dyn Error>> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // A directory of its own: what the switch for rustdoc's output changes is built twice otherwise, each time.
    let target = top.join("target/api");
    let status = Command::new(env!("CARGO"))
        .args(["rustdoc", "-q", "--locked", "--lib", "--all-features", "-p", package, "--target-dir"])
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format=json"])
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(&top)
        .status()?;
    if !status.success() {
        return Err(format!("rustdoc of {package}: {status}").into());
    }
    let api = public_api::Builder::from_rustdoc_json(target.join(format!("doc/{library}.json")))
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
