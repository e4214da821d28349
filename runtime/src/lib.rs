//! The one door to tokio, sockets, clocks and logs.
