//! Says to the core that its locks are shuttle's here.

fn main() {
    println!("cargo::rustc-cfg=shuttle");
}
