//! Two ends of one transfer as processes of their own, for measuring and profiling:
//! `bulk seed DIR FILE` shares FILE and prints its address and torrent file; `bulk get DIR ADDRESS...
//! TORRENT` fetches it and prints the rate and the CPU time. In front of that: `--utp`, `--mse` (demand it).
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a tool for developers")]

use std::path::Path;
use std::time::Instant;

use engine::{AddOptions, AddSource, MseMode, Session, SessionConfig, ShareOptions};

#[tokio::main(worker_threads = 2)]
async fn main() {
    let (flags, args): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let flag = |name| flags.iter().any(|flag| flag == name);
    let mse = if flag("--mse") { MseMode::Require } else { MseMode::Accept };
    let config = |dir| SessionConfig {
        listen: Some(([127, 0, 0, 1], 0).into()),
        utp: flag("--utp"),
        mse,
        ..SessionConfig::new(dir)
    };
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["seed", dir, file] => seed(config(dir), Path::new(file)).await,
        ["get", dir, addresses @ .., torrent] => get(config(dir), addresses, Path::new(torrent)).await,
        _ => println!("usage: bulk [--utp] [--mse] seed DIR FILE | get DIR ADDRESS... TORRENT"),
    }
}

async fn seed(config: SessionConfig, file: &Path) {
    let dir = config.dir.clone();
    let (session, mut alerts) = Session::start(config).await.unwrap();
    let since = Instant::now();
    let shared = session.share(file, ShareOptions::default(), |_| {}).await.unwrap();
    let torrent = dir.join(".enjambre/torrents").join(format!("{}.torrent", shared.id));
    println!("{} {} {:.3}", session.listen_address(), torrent.display(), since.elapsed().as_secs_f64());
    while let Some(alert) = alerts.recv().await {
        println!("{alert:?}");
    }
}

async fn get(config: SessionConfig, addresses: &[&str], torrent: &Path) {
    let (session, _alerts) = Session::start(config).await.unwrap();
    let metainfo = shared::metainfo::Metainfo::parse(&std::fs::read(torrent).unwrap()).unwrap();
    let source = AddSource::Metainfo(Box::new(metainfo));
    let since = Instant::now();
    let added = session.add(source, AddOptions::default()).await.unwrap();
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    session.add_peers(added.id, addresses).await.unwrap();
    let status = session.wait_complete(added.id).await.unwrap();
    let seconds = since.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = status.size as f64 / 1e6 / seconds;
    println!("{rate:.0} MB/s in {seconds:.2} s, wasted {}", status.wasted);
    session.stop().await;
}
