//! Says to the tests that this package shares with the façade that they run on servers here.

fn main() {
    println!("cargo::rustc-cfg=stores");
}
