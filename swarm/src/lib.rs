//! The brain of one torrent. No clock, no socket, no disk, no lock: time and dice are handed in.
