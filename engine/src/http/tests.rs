//! The client against scripted servers on loopback.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

const TERMS: Terms = Terms { max_body: 1_000, as_tracker: true, v4_first: true };

/// Reads one request's head.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Serves these answers, one for each connection, and gives the requests that came.
async fn serve(answers: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let task = runtime::spawn("server", async move {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            heads.push(head(&mut stream).await);
            // Whoever has read enough may hang up.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        heads
    });
    (base, task)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn to(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

async fn get(text: &str) -> Result<Got, HttpError> {
    Client::default().get(&Url::parse(text).unwrap(), TERMS).await
}

#[tokio::test]
async fn a_body_comes_whole_and_the_request_tells_nothing_more_than_it_must() {
    let (base, served) = serve(vec![ok("hello")]).await;
    let got = get(&format!("{base}/announce?info_hash=%00%ff")).await.unwrap();
    assert_eq!((got.status, &got.body[..], got.host.as_str()), (200, &b"hello"[..], "127.0.0.1"));
    let head = served.await.unwrap().remove(0).to_ascii_lowercase();
    assert!(head.starts_with("get /announce?info_hash=%00%ff http/1.1\r\n"), "{head}");
    let names: Vec<&str> =
        head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    assert_eq!(names, ["host", "user-agent", "accept-encoding", "connection"], "{head}");
}

#[tokio::test]
async fn chunks_are_put_together_and_counted() {
    let chunked = |count: usize| {
        let chunk = "10\r\n0123456789abcdef\r\n".repeat(count);
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")
    };
    let (base, _served) = serve(vec![chunked(62), chunked(63), ok(&"x".repeat(1_001))]).await;
    assert_eq!(get(&format!("{base}/announce")).await.unwrap().body.len(), 992);
    for _ in 0..2 {
        let error = get(&format!("{base}/announce")).await.unwrap_err();
        assert!(matches!(error, HttpError::TooLarge { limit: 1_000, .. }), "{error}");
    }
}

#[tokio::test]
async fn three_redirects_are_followed_and_no_more() {
    let (base, served) = serve(vec![to("/b/announce"), to("announce"), to("/announce"), ok("end")]).await;
    assert_eq!(get(&format!("{base}/announce")).await.unwrap().body, "end");
    let heads = served.await.unwrap();
    assert!(heads[2].starts_with("GET /b/announce "), "{heads:?}");
    let (base, _served) = serve(vec![to("/announce"); 4]).await;
    let error = get(&format!("{base}/announce")).await.unwrap_err();
    assert!(matches!(error, HttpError::Redirects { .. }), "{error}");
}

#[tokio::test]
async fn nobody_leads_us_to_what_they_cannot_reach_themselves() {
    for location in ["file:///etc/passwd", "/admin/delete", "udp://127.0.0.1:9/announce"] {
        let (base, _served) = serve(vec![to(location), ok("secret")]).await;
        let error = get(&format!("{base}/announce")).await.unwrap_err();
        assert!(matches!(error, HttpError::Url(_)), "{location}: {error}");
    }
    let inside = Url::parse("http://192.168.1.1/").unwrap();
    for (from, reach, fits) in [
        (Reach::Public, Reach::Public, true),
        (Reach::Public, Reach::Private, false),
        (Reach::Public, Reach::Own, false),
        (Reach::Private, Reach::Own, false),
        (Reach::Private, Reach::Private, true),
        (Reach::Private, Reach::Public, true),
        (Reach::Own, Reach::Own, true),
    ] {
        let checked = check_inwards(String::from("t.example"), from, &inside, reach);
        assert_eq!(checked.is_ok(), fits, "{from:?} to {reach:?}");
    }
    let told = check_inwards(String::from("t.example"), Reach::Public, &inside, Reach::Private).unwrap_err();
    assert_eq!(told.to_string(), "t.example leads to 192.168.1.1, which is a private address: not followed");
}

#[tokio::test]
async fn what_is_no_web_server_is_named() {
    let (base, _served) = serve(vec![String::from("SSH-2.0-OpenSSH\r\n"), String::new()]).await;
    for _ in 0..2 {
        let error = get(&format!("{base}/announce")).await.unwrap_err();
        assert!(matches!(error, HttpError::Broken { .. }), "{error}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = get(&format!("http://{gone}/announce")).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("{gone} cannot be reached: ")), "{error}");
    let error = get("http://nobody.invalid/announce").await.unwrap_err();
    assert!(matches!(error, HttpError::Lookup { .. }), "{error}");
}

#[tokio::test]
async fn https_is_spoken_with_whom_this_machine_trusts_and_nobody_else() {
    let made = rcgen::generate_simple_self_signed(vec![String::from("localhost")]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = made.cert.der().clone();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime::spawn("server", async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            head(&mut stream).await;
            stream.write_all(ok("sealed").as_bytes()).await.unwrap();
        }
    });
    let url = Url::parse(&format!("https://localhost:{port}/announce")).unwrap();
    let trusting = Client { tls: OnceLock::from(tls::trusting(certificate)) };
    assert_eq!(trusting.get(&url, TERMS).await.unwrap().body, "sealed");
    let error = Client::default().get(&url, TERMS).await.unwrap_err();
    assert!(matches!(&error, HttpError::Tls { host, .. } if host == "localhost"), "{error}");
    let other = Url::parse(&format!("https://127.0.0.1:{port}/announce")).unwrap();
    let error = trusting.get(&other, TERMS).await.unwrap_err();
    assert!(matches!(error, HttpError::Tls { .. }), "the certificate bears another name: {error}");
}
