//! Two sessions over uTP alone, and beside TCP.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use engine::{MseMode, TraceFilter};

use crate::lab::{Peer, bytes};

async fn peer(mse: MseMode) -> Peer {
    Peer::start_with(|config| {
        config.utp = true;
        config.mse = mse;
    })
    .await
}

/// Passes datagrams between one peer and another, so that the address that is dialled has no TCP port.
async fn relay(to: SocketAddr) -> SocketAddr {
    let outside = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let inside = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = outside.local_addr().unwrap();
    let _detached = runtime::spawn("relay", async move {
        let (mut one, mut two) = (vec![0; 65536], vec![0; 65536]);
        let mut dialler = None;
        loop {
            tokio::select! {
                Ok((length, from)) = outside.recv_from(&mut one) => {
                    dialler = Some(from);
                    let _ = inside.send_to(&one[..length], to).await.is_ok();
                }
                Ok((length, _)) = inside.recv_from(&mut two) => {
                    let Some(dialler) = dialler else { continue };
                    let _ = outside.send_to(&two[..length], dialler).await.is_ok();
                }
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_tcp_does_not_get_through_utp_does_also_behind_mse() {
    for (mse, carrier) in [(MseMode::Accept, " over uTP;"), (MseMode::Require, " over uTP with MSE;")] {
        let (one, two) = (peer(mse).await, peer(mse).await);
        let content = bytes(5_000_000, 9);
        std::fs::write(one.path("a.bin"), &content).unwrap();
        let shared = one.share("a.bin").await;
        let mut lines = two.session.trace(TraceFilter::default());
        two.get(&shared, &[]).await;
        let address = relay(one.session.listen_address()).await;
        two.session.add_peers(shared.id, vec![address]).await.unwrap();
        let status = two.done(shared.id).await;
        assert!(std::fs::read(&status.path).unwrap() == content);
        let first = lines.recv().await.unwrap().text;
        assert!(first.contains(carrier), "{first}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_tcp_gets_through_it_is_preferred() {
    let (one, two) = (peer(MseMode::Accept).await, peer(MseMode::Accept).await);
    std::fs::write(one.path("a.bin"), bytes(100_000, 9)).unwrap();
    let shared = one.share("a.bin").await;
    let mut lines = two.session.trace(TraceFilter::default());
    two.get(&shared, &[&one]).await;
    two.done(shared.id).await;
    let first = lines.recv().await.unwrap().text;
    assert!(first.contains(" over TCP;"), "{first}");
}
