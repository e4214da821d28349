//! What a service tells the program that started it (systemd: `sd_notify`): that it is ready, that it
//! stops, how it is. Where nobody listens nothing is told.

/// Tells a state such as `READY=1`; several lines are several states. Says whether anybody was told.
#[cfg(target_os = "linux")]
pub fn notify(state: &str) -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some_and(|socket| {
        send(&socket, state).inspect_err(|error| tracing::debug!(%error, "nobody was told: {state}")).is_ok()
    })
}

#[cfg(target_os = "linux")]
fn send(socket: &std::ffi::OsStr, state: &str) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(|_| ())
}

/// Only systemd listens.
#[cfg(not(target_os = "linux"))]
pub fn notify(_: &str) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn whoever_started_it_hears_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        super::send(path.as_os_str(), "READY=1").unwrap();
        let mut heard = [0; 64];
        let length = socket.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");
        assert!(super::send(folder.path().join("nobody").as_os_str(), "READY=1").is_err());
    }
}
