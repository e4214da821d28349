//! The brain of the tracker: a command is decided, an event is applied. No I/O, clock or lock.
