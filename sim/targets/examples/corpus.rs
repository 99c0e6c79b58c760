//! Writes what is missing of the kept input of the fuzz targets: `corpus [DIR]`. Files that are there
//! stay as they are.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (target, name, bytes) in targets::seeds::corpus() {
        let folder = kept.join(target);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        if !path.exists() {
            std::fs::write(path, bytes)?;
        }
    }
    Ok(())
}
