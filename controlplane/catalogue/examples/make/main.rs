//! Makes the data files again: `cargo run -p fleetlog-catalogue --example make -- FROM TO`, where FROM
//! holds the tables that `data/README.md` names.

mod pack;

use anyhow::Context as _;
use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (from, to) = args.next().zip(args.next()).context("say FROM and TO")?;
    for (name, text) in pack::files(&from)? {
        let path = to.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
