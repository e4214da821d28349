//! The peer: the person's side of the swarm.

fn main() {}
