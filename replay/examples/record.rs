//! Records a log for the corpus: `record URL CLUSTER FILE` writes every record, and beside it the
//! digest that they fold to. Run it once for each released schema version; never edit the files.

use replay::fold::fold;
use replay::log::{Stored, open, read_to_end};
use replay_core::State;
use schema::id::ClusterId;
use schema::unit::Seq;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, url, cluster, file] = &args[..] else { return Err("record URL CLUSTER FILE".into()) };
    let (log, _) = open(url, &ClusterId::new(cluster)?, false).await?;
    let records: Vec<Stored> = read_to_end(&*log, Seq(1), None).await?;
    let mut state = State::default();
    fold(&mut state, &records, |_, _, _, _| ());
    std::fs::write(file, rmp_serde::to_vec_named(&records)?)?;
    std::fs::write(format!("{file}.digest"), format!("{}\n", state.digest()))?;
    Ok(())
}
